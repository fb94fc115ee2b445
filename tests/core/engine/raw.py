"""A table of raw rows, and loads of it by files, in as many processes as a test likes. FOLDER GENERATION: loads until it is killed."""

import sys
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from src.core.base.clock import SystemClock
from src.core.base.identity import Tenant
from src.core.base.schema import Field, Partition, SliceColumns, TableSchema
from src.core.engine import open_warehouse
from src.core.engine.port import Fence, ParquetFiles, TablePart, Warehouse
from tests.contract.warehouse.conftest import settings_for, tenant_named

ACME = tenant_named("acme_corp")
RAW = TableSchema(
    name="raw_rows",
    fields=(
        Field("source", "STRING", "REQUIRED"),
        Field("load_day", "DATE", "REQUIRED"),
        Field("usage_date", "DATE"),
        Field("service", "STRING"),
        Field("cost", "NUMERIC"),
    ),
    partition=Partition("load_day"),
    slices=SliceColumns("source", "load_day", "load_day"),
)
GIVEN = TableSchema("given", (Field("load_day", "DATE"), Field("service", "STRING"), Field("cost", "NUMERIC")))
WRITE = "SELECT 'export' AS source, load_day, load_day AS usage_date, service, cost FROM incoming"
FIRST = date(2026, 11, 1)
DAYS, ROWS = 3, 200
SUMS = "SELECT load_day, COUNT(*) AS n, MIN(cost) AS low, MAX(cost) AS high FROM raw_rows GROUP BY load_day ORDER BY load_day"


def day(number: int) -> date:
    return FIRST + timedelta(number)


def file_of(path: Path, number: int, cost: int, rows: int) -> Path:
    """As a provider would have delivered it."""
    columns = {
        "load_day": pa.array([day(number)] * rows, pa.date32()),
        "service": [f"service {each % 7} {cost}" for each in range(rows)],
        "cost": pa.array([Decimal(cost)] * rows, pa.decimal128(38, 9)),
    }
    # so that a text can be changed within it, and nothing but its hash tells
    pq.write_table(pa.table(columns), path, compression="none", use_dictionary=False)
    return path


def load(
    warehouse: Warehouse,
    generation: int,
    numbers: range | list[int],
    cost: int | None = None,
    *,
    rows: int = ROWS,
    scope: str = "raw",
    tenant: Tenant = ACME,
    before_commit: Callable[[], object] = lambda: None,
) -> None:
    """Replaces these days, each by a file of its own."""
    io = warehouse.io_folder(tenant)
    files = [file_of(io / f"{scope}-{number}.parquet", number, generation if cost is None else cost, rows) for number in numbers]
    try:
        with warehouse.publication(tenant, f"run_{generation}", Fence(scope, generation)) as publication:
            part = TablePart(equal={"source": "export", "load_day": tuple(map(day, numbers))})
            publication.remove("raw_rows", part)
            publication.stage("incoming", ParquetFiles(tuple(files)), GIVEN)
            publication.insert("raw_rows", WRITE, part=part)
            before_commit()
    finally:
        for file in files:
            file.unlink(missing_ok=True)


def stored(warehouse: Warehouse, tenant: Tenant = ACME) -> dict[date, tuple[Any, ...]]:
    return {line["load_day"]: (line["n"], int(line["low"]), int(line["high"])) for line in warehouse.query(tenant, SUMS).to_pylist()}


def listed(warehouse: Warehouse, tenant: Tenant = ACME) -> list[str]:
    return [line["file"] for line in warehouse.query(tenant, "SELECT file FROM x_raw_files ORDER BY file").to_pylist()]


def standing(folder: Path, tenant: Tenant = ACME) -> list[str]:
    raw = folder / "warehouse" / tenant.dataset / "raw"
    return sorted(str(path.relative_to(raw)) for path in raw.rglob("*") if not path.is_dir())


def main(folder: Path, first: int) -> None:
    warehouse = open_warehouse(settings_for("duckdb", folder), SystemClock())
    for generation in count(first):
        load(warehouse, generation, range(DAYS))
        sys.stdout.write(f"{generation}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
