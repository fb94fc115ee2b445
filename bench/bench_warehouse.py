"""One publication of a CUR-like month through the warehouse port, beside the same statements in bare DuckDB.

Both replace the month (or one day of it) from Parquet and its daily aggregate in one transaction, with the same memory, threads and
insertion-order settings, and both start from a copy of one prepared file: where a day's rows lie in it decides what a restatement costs.
`python -m bench.bench_warehouse [--rows N] [--pairs N]`
"""

import argparse
import shutil
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from bench.measure import compare, run
from src.core.base.clock import SystemClock
from src.core.base.identity import Tenant
from src.core.base.names import Environment, org_slug
from src.core.base.schema import Field, Partition, TableSchema
from src.core.base.settings import Settings
from src.core.engine import open_warehouse
from src.core.engine.port import Fence, ParquetFiles, TablePart

MEMORY, THREADS = "4GB", 2
SEED = "seed.duckdb"
FIRST, LAST, RESTATED = date(2026, 10, 1), date(2026, 10, 31), date(2026, 10, 15)
TENANT = Tenant(org_slug("bench_org"), Environment.DEVELOPMENT)
# strings by how many values they have, as in a real bill: accounts, services, regions, resources, ids
TEXTS = {"account": 40, "service": 90, "region": 25, "usage_type": 900, "operation": 300, "resource": 60_000, "line_item": 0}
TEXT_COLUMNS = tuple((f"{name}_{number}", distinct) for number in range(4) for name, distinct in TEXTS.items())
COSTS = tuple(f"cost_{number}" for number in range(22))
COUNTS = tuple(f"count_{number}" for number in range(4))
MOMENTS = ("usage_start", "usage_end", "bill_start", "bill_end", "loaded_at")
BILL = TableSchema(
    "cur",
    (
        Field("day", "DATE", "REQUIRED"),
        *(Field(name, "STRING") for name, _ in TEXT_COLUMNS),
        *(Field(name, "NUMERIC") for name in COSTS),
        *(Field(name, "INT64") for name in COUNTS),
        *(Field(name, "TIMESTAMP") for name in MOMENTS),
    ),
    partition=Partition("day"),
    cluster=("service_0",),
)
DAILY = TableSchema("daily", (Field("day", "DATE"), Field("service", "STRING"), Field("cost", "NUMERIC"), Field("line_count", "INT64")))
CLEAR = "DELETE FROM daily WHERE day BETWEEN @first AND @last"
AGGREGATE = """INSERT INTO daily (day, service, cost, line_count)
SELECT day, service_0, SUM(cost_0), COUNT(*) FROM cur WHERE day BETWEEN @first AND @last GROUP BY day, service_0"""


def generate(folder: Path, rows: int) -> None:
    """One Parquet file per day, made by the engine so that this process's own memory stays out of the figures."""
    columns = [f"'{name}-' || (hash(n, {at}) % {distinct or 10**12}) AS {name}" for at, (name, distinct) in enumerate(TEXT_COLUMNS)]
    columns += [f"CAST((hash(n, {at}) % 900000000) / 1e6 AS DECIMAL(38, 9)) AS {name}" for at, name in enumerate(COSTS)]
    columns += [f"CAST(hash(n, {at}) % 5000 AS BIGINT) AS {name}" for at, name in enumerate(COUNTS)]
    columns += [
        f"TIMESTAMPTZ '2026-10-01 00:00:00+00' + INTERVAL (hash(n, {at}) % 44640) MINUTE AS {name}" for at, name in enumerate(MOMENTS)
    ]
    days = (LAST - FIRST).days + 1
    with duckdb.connect() as connection:
        for number in range(days):
            day, start, end = FIRST + timedelta(number), rows * number // days, rows * (number + 1) // days
            query = f"SELECT DATE '{day}' AS day, {', '.join(columns)} FROM range({start}, {end}) AS r(n)"
            connection.execute(f"COPY ({query}) TO '{folder / f'{day}.parquet'}' (FORMAT parquet)")


def files(folder: Path, part: str) -> list[Path]:
    return [folder / f"{RESTATED}.parquet"] if part == "day" else sorted(folder.glob("*.parquet"))


def window(part: str) -> tuple[date, date]:
    return (RESTATED, RESTATED) if part == "day" else (FIRST, LAST)


def prepare(folder: Path) -> None:
    """The month loaded once, through the port, as the file that every measured run starts from."""
    ours(folder, "month")
    stored(folder).rename(folder / SEED)


def stored(folder: Path) -> Path:
    return folder / "ours" / "warehouse" / TENANT.dataset / f"{TENANT.dataset}.duckdb"


def ours(folder: Path, part: str) -> None:
    settings = Settings(_env_file=None, embedded_data_dir=folder / "ours", duckdb_memory_limit=MEMORY, duckdb_threads=THREADS)
    if (folder / SEED).exists():
        shutil.copyfile(folder / SEED, stored(folder))
    warehouse = open_warehouse(settings, SystemClock())
    warehouse.ensure_dataset(TENANT)
    for schema in (BILL, DAILY):
        warehouse.ensure_table(TENANT, schema)
    io = warehouse.io_folder(TENANT)
    for path in folder.glob("*.parquet"):
        if not (io / path.name).exists():
            (io / path.name).hardlink_to(path)
    first, last = window(part)
    started = time.perf_counter()
    with warehouse.publication(TENANT, "bench", Fence("bench", time.time_ns())) as publication:
        publication.replace("cur", ParquetFiles(tuple(files(io, part))), TablePart("day", first, last))
        publication.execute(CLEAR, {"first": first, "last": last})
        publication.execute(AGGREGATE, {"first": first, "last": last})
    print(f"measured {time.perf_counter() - started}")
    warehouse.close()


def bare(folder: Path, part: str) -> None:
    shutil.copyfile(folder / SEED, folder / "bare.duckdb")
    connection = duckdb.connect(folder / "bare.duckdb", config={"storage_compatibility_version": "v1.5.0"})
    for name, value in (("memory_limit", MEMORY), ("threads", THREADS), ("preserve_insertion_order", False), ("TimeZone", "UTC")):
        connection.execute(f"SET {name} = $value", {"value": value})
    first, last = window(part)
    values = {"first": first, "last": last}
    started = time.perf_counter()
    connection.begin()
    connection.execute("DELETE FROM cur WHERE day BETWEEN $first AND $last", values)
    connection.execute("INSERT INTO cur BY NAME SELECT * FROM read_parquet($files)", {"files": [str(path) for path in files(folder, part)]})
    connection.execute(CLEAR.replace("@", "$"), values)
    connection.execute(AGGREGATE.replace("@", "$"), values)
    connection.commit()
    print(f"measured {time.perf_counter() - started}")
    connection.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=2_000_000)
    options.add_argument("--pairs", type=int, default=5)
    options.add_argument("--child", choices=["generate", "prepare", "ours-month", "ours-day", "bare-month", "bare-day"])
    options.add_argument("--folder", type=Path)
    given = options.parse_args()
    if given.child == "generate":
        generate(given.folder, given.rows)
    elif given.child == "prepare":
        prepare(given.folder)
    elif given.child:
        side, _, part = given.child.partition("-")
        (ours if side == "ours" else bare)(given.folder, part)
    else:
        with tempfile.TemporaryDirectory(prefix="bench-warehouse-") as folder:
            measure(folder, given.rows, given.pairs)


def measure(folder: str, rows: int, pairs: int) -> None:
    def child(name: str) -> list[str]:
        return [sys.executable, "-m", "bench.bench_warehouse", "--child", name, "--folder", folder, "--rows", str(rows)]

    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {rows:,} rows x {len(BILL.fields)} columns, {MEMORY}, {THREADS} threads")
    run(child("generate"))
    run(child("prepare"))
    compare("CUR month replaced, with its daily aggregate", child("bare-month"), child("ours-month"), pairs, "wall <= 1.25, peak <= 1.2")
    compare("one restated day of 31", child("bare-day"), child("ours-day"), pairs, "wall <= 1.3")


if __name__ == "__main__":
    main()
