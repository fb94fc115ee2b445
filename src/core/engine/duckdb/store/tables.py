"""Tables of raw rows: made, given further columns, and taken over from a release that kept their rows in the database itself."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import duckdb

from src.core.base.faults import Conflict
from src.core.base.schema import SliceColumns, TableSchema
from src.core.engine.duckdb.store.landing import FileLanding
from src.core.engine.duckdb.store.listing import (
    FILES,
    READINGS,
    TABLES,
    KeptFile,
    SlicedTable,
    add_files,
    files_of,
    keep_table,
    sliced_tables,
)
from src.core.engine.duckdb.store.views import make_views, rows_view
from src.core.engine.duckdb.types import Column, Merged, column_in, merged, quoted
from src.core.engine.port import TableChange

ROWS_AT_ONCE: Final = 100_000
CARRIED: Final = "carried over"
IS_TABLE: Final = "SELECT 1 FROM duckdb_tables() WHERE NOT internal AND table_name = $table"
REQUIRED: Final = "SELECT column_name FROM duckdb_columns() WHERE NOT internal AND table_name = $table AND NOT is_nullable"


@dataclass(frozen=True, slots=True)
class _Chunk:
    source: str | None
    slices: tuple[str | None, ...]
    first: date | None
    last: date | None


@dataclass(frozen=True, slots=True)
class TablePlan:
    """What brings a dataset to a schema of raw rows."""

    table: SlicedTable
    change: TableChange
    differs: bool = False
    carries: bool = False


def plan_table(cursor: duckdb.DuckDBPyConnection, raw: Path, schema: TableSchema, slices: SliceColumns) -> TablePlan:
    held = sliced_tables(cursor).get(schema.name)
    loose = {field.name for field in schema.fields if field.mode != "REQUIRED"}
    if held is not None:
        kinds = cursor.sql(f"SELECT {', '.join(f'CAST(NULL AS {kind})' for kind in held.columns.values())}").types
        now = merged(schema, dict(zip(held.columns, map(column_in, kinds), strict=True)))
        table = _table(held.slices, now, held.required - loose, schema, raw)
        return TablePlan(table, TableChange(created=False, columns_added=now.added), differs=table != held)
    if not cursor.execute(IS_TABLE, {"table": schema.name}).fetchall():
        required = frozenset(field.name for field in schema.fields if field.mode == "REQUIRED")
        table = _table(slices, merged(schema, {}), required, schema, raw)
        return TablePlan(table, TableChange(created=True, columns_added=schema.columns))
    found = cursor.sql(f"SELECT * FROM {quoted(schema.name)} LIMIT 0")
    now = merged(schema, {name: column_in(kind) for name, kind in zip(found.columns, found.types, strict=True)})
    required = frozenset(name for (name,) in cursor.execute(REQUIRED, {"table": schema.name}).fetchall())
    table = _table(slices, now, required - loose, schema, raw)
    return TablePlan(table, TableChange(created=False, columns_added=now.added), carries=True)


def _table(slices: SliceColumns, now: Merged, required: frozenset[str], schema: TableSchema, raw: Path) -> SlicedTable:
    return SlicedTable(schema.name, slices, {name: kind.sql for name, kind in now.columns.items()}, required, str(raw))


def carry_out(cursor: duckdb.DuckDBPyConnection, raw: Path, plan: TablePlan, at: datetime, claim: Callable[[str], None]) -> None:
    if plan.carries:
        _carry_over(cursor, raw, plan.table, at, claim)
    keep_table(cursor, plan.table)
    make_views(cursor, raw, plan.table)


def drop_sliced(cursor: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """The files that it was made of."""
    files = [one.file for one in files_of(cursor, table)]
    for view in (table, rows_view(table)):
        cursor.execute(f"DROP VIEW {quoted(view)}")
    for listing in (FILES, READINGS, TABLES):
        cursor.execute(f"DELETE FROM {listing} WHERE table_name = $table", {"table": table})
    return files


def _carry_over(cursor: duckdb.DuckDBPyConnection, raw: Path, table: SlicedTable, at: datetime, claim: Callable[[str], None]) -> None:
    """Puts what a table holds into files, and these in its place; several slices in a file, for each is asked for by its days."""
    held = cursor.sql(f"SELECT * FROM {quoted(table.name)} LIMIT 0")
    kinds = {name: column_in(kind) for name, kind in zip(held.columns, held.types, strict=True)}
    landing, files = FileLanding(cursor, raw, table, claim), list[KeptFile]()
    for chunk in _chunks(cursor, table, kinds):
        rows, values = _rows_of(chunk, table, kinds)
        files += landing.write(rows, values)
    [(count,)] = cursor.execute(f"SELECT count(*) FROM {quoted(table.name)}").fetchall()
    if count != (carried := sum(one.rows for one in files)):
        raise Conflict(f"{table.name} holds {count} rows, and its files would hold {carried}; it stays the table that it is")
    cursor.execute(f"DROP TABLE {quoted(table.name)}")
    add_files(cursor, table.name, files, CARRIED, at)


def _chunks(cursor: duckdb.DuckDBPyConnection, table: SlicedTable, held: Mapping[str, Column]) -> Iterator[_Chunk]:
    by = table.slices
    source, key, day = (f"CAST({quoted(name)} AS {kind})" if name in held else "NULL" for name, kind in _named(by))
    asked = f"SELECT {source}, {key}, min({day}), max({day}), count(*) FROM {quoted(table.name)} GROUP BY 1, 2 ORDER BY 1, 3, 2"
    slices: list[Sequence[Any]] = []
    for one in cursor.execute(asked).fetchall():
        if slices and (one[0] != slices[0][0] or sum(each[4] for each in slices) + one[4] > ROWS_AT_ONCE):
            yield _chunk(slices)
            slices = []
        slices.append(one)
    if slices:
        yield _chunk(slices)


def _named(by: SliceColumns) -> tuple[tuple[str, str], ...]:
    return (by.source, "VARCHAR"), (by.slice, "VARCHAR"), (by.day, "DATE")


def _chunk(slices: Sequence[Sequence[Any]]) -> _Chunk:
    days = [(first, last) for _, _, first, last, _ in slices if first is not None]
    span = (min(first for first, _ in days), max(last for _, last in days)) if len(days) == len(slices) else (None, None)
    return _Chunk(slices[0][0], tuple(key for _, key, *_ in slices), *span)


def _rows_of(chunk: _Chunk, table: SlicedTable, held: Mapping[str, Column]) -> tuple[str, dict[str, Any]]:
    by, terms, values = table.slices, list[str](), dict[str, Any]()
    if by.source in held:
        terms.append(f"CAST({quoted(by.source)} AS VARCHAR) IS NOT DISTINCT FROM $x_source")
        values["x_source"] = chunk.source
    if by.slice in held:
        of_no_slice = f" OR {quoted(by.slice)} IS NULL" if None in chunk.slices else ""
        terms.append(f"(CAST({quoted(by.slice)} AS VARCHAR) = ANY($x_slices){of_no_slice})")
        values["x_slices"] = [key for key in chunk.slices if key is not None]
    if by.day in held and chunk.first is not None:
        # the rows of a slice may lack their day, so that this only spares reading
        terms.append(f"({quoted(by.day)} IS NULL OR CAST({quoted(by.day)} AS DATE) BETWEEN $x_first AND $x_last)")
        values |= {"x_first": chunk.first, "x_last": chunk.last}
    return f"SELECT * FROM {quoted(table.name)}{' WHERE ' if terms else ''}{' AND '.join(terms)}", values
