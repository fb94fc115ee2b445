"""A table's rows as a file, a piece at a time."""

from collections.abc import Generator, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Final

from src.core.base.faults import Flaw, Missing, Rejected
from src.core.base.names import identifier
from src.core.base.window import EARLIEST
from src.core.costs.question import LATEST, check_days
from src.core.costs.reader import CostReader
from src.core.engine import load_files
from src.core.engine.port import ExportFormat, Params

if TYPE_CHECKING:
    import pyarrow as pa

# The warehouse's own, which say nothing of costs.
UNSERVED: Final = frozenset({"x_fences", "x_table_facts"})
# What a table's days are told by, the column it is partitioned on first.
DAY_COLUMNS: Final = ("usage_date", "ingest_date", "run_date", "slice", "day")
MONTH_COLUMN: Final = "invoice_month"
MOMENT_COLUMNS: Final = ("published_at", "changed_at", "checked_at", "snapshot_at")


def table_file(
    reader: CostReader, table: str, first: date | None, last: date | None, file_format: ExportFormat
) -> Generator[bytes, None, None]:
    """Bounded in memory whatever the table's size; closing the iterator lets go of the warehouse."""
    named, params = _statement(reader, table, first, last)
    rows = reader.warehouse.stream(reader.tenant, named, params)
    return _pieces(reader, table, rows, file_format)


def _pieces(reader: CostReader, table: str, rows: "Iterator[pa.RecordBatch]", file_format: ExportFormat) -> Generator[bytes, None, None]:
    files = load_files()
    with closing(rows):  # type: ignore[type-var]  # the port's iterators are generators
        start = next(rows, None)
        if start is None:  # a stream of nothing does not say which columns it has
            schema = reader.warehouse.query(reader.tenant, _naming(reader.statement("table_head"), table)).schema
            batches: Iterator[pa.RecordBatch] = iter(())
        else:
            schema, batches = start.schema, chain([start], rows)
            del start  # else the first batch would be held to the end
        with closing(files.csv_pieces(schema, batches) if file_format == "csv" else files.parquet_pieces(schema, batches)) as pieces:
            yield from pieces


def _statement(reader: CostReader, table: str, first: date | None, last: date | None) -> tuple[str, Params]:
    columns = _columns(reader, table)
    if first is None and last is None:
        return _naming(reader.statement("table"), table), {}
    first, last = first or EARLIEST, last or LATEST
    check_days(first, last)
    for column in DAY_COLUMNS:
        if column in columns:
            return _naming(reader.statement("table_days"), table, column), {"first_day": first, "last_day": last}
    months = {"first_month": f"{first:%Y%m}", "last_month": f"{last:%Y%m}"}
    if {"grain", "period"} <= set(columns):
        texts = {"first_text": str(first), "last_text": str(last)}
        return _naming(reader.statement("table_periods"), table, "period"), {**months, **texts}
    if MONTH_COLUMN in columns:
        return _naming(reader.statement("table_months"), table, MONTH_COLUMN), months
    for column in MOMENT_COLUMNS:
        if column in columns:
            # to the next midnight and not to 23:59:59: moments have fractions
            after = datetime.combine(last + timedelta(days=1), time(), UTC)
            params = {"first_moment": datetime.combine(first, time(), UTC), "moment_after": after}
            return _naming(reader.statement("table_moments"), table, column), params
    raise Rejected(f"{table} has no column of days; leave from and to out", flaws=[Flaw("cannot be applied", "from")])


def _columns(reader: CostReader, table: str) -> tuple[str, ...]:
    reader.has()
    if table in UNSERVED:
        raise Missing(f"{table} is kept by the warehouse itself and is not served")
    return reader.warehouse.columns(reader.tenant, table)


def _naming(statement: str, table: str, column: str = "") -> str:
    # a name cannot be bound like a value, so it is checked and quoted
    named = statement.replace("asked_table", f"`{identifier(table)}`")
    return named.replace("asked_column", f"`{identifier(column)}`") if column else named
