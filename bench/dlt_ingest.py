"""dlt's Arrow path on the same files, raw rows alone: run by a Python that has dlt, `dlt_ingest.py FOLDER`."""

import shutil
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dlt
import pyarrow as pa
import pyarrow.parquet as pq

FIRST, DAYS = date(2026, 8, 1), 30


def main(folder: Path) -> None:
    home = folder / "dlt"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()

    @dlt.resource(name="gcp_billing_daily_raw", write_disposition="replace")  # type: ignore[untyped-decorator]
    def export() -> Iterator[pa.Table]:
        for number in range(DAYS):
            yield pq.read_table(folder / f"{FIRST + timedelta(number)}.parquet")

    pipeline = dlt.pipeline(
        "bench", destination=dlt.destinations.duckdb(str(home / "dlt.duckdb")), dataset_name="bench", pipelines_dir=str(home / "state")
    )
    started = time.perf_counter()
    pipeline.run(export())
    print(f"measured {time.perf_counter() - started}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
