"""A table of raw rows as its readers see it: a view over the files of its list."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import duckdb

from src.core.engine.duckdb.store.listing import (
    FILE,
    PLACE,
    SPAN,
    KeptFile,
    Reading,
    SlicedTable,
    files_of,
    keep_table,
    readings_of,
    sliced_tables,
)
from src.core.engine.duckdb.types import quoted

ROWS_OF: Final = "x_rows_of_"
SPAN_TYPES = ", ".join(f"{name}: DATE" for name in SPAN)
HIVE = f"hive_partitioning = true, hive_types = {{{SPAN_TYPES}}}, filename = '{FILE}'"
NO_SPAN = ", ".join([*(f"CAST(NULL AS DATE) AS {name}" for name in SPAN), f"CAST(NULL AS VARCHAR) AS {FILE}"])


def rows_view(table: str) -> str:
    """The view that has the days of each file and its path beside the columns of the table."""
    return ROWS_OF + table


def make_views(cursor: duckdb.DuckDBPyConnection, raw: Path, table: SlicedTable) -> None:
    """Anew, of what the list says in this cursor's transaction."""
    rows = rows_of(raw, table, files_of(cursor, table.name), readings_of(cursor, table.name))
    cursor.execute(f"CREATE OR REPLACE VIEW {quoted(rows_view(table.name))} AS {rows}")
    names = ", ".join(quoted(name) for name in table.columns)
    cursor.execute(f"CREATE OR REPLACE VIEW {quoted(table.name)} AS SELECT {names} FROM {quoted(rows_view(table.name))}")


def follow_folder(cursor: duckdb.DuckDBPyConnection, raw: Path) -> None:
    """Views name whole paths: of a dataset that was moved, or is a copy, they are made anew."""
    moved = [table for table in sliced_tables(cursor).values() if table.made_in != str(raw)]
    if not moved:
        return
    cursor.begin()
    for table in moved:
        here = replace(table, made_in=str(raw))
        keep_table(cursor, here)
        make_views(cursor, raw, here)
    cursor.commit()


def rows_of(raw: Path, table: SlicedTable, files: Sequence[KeptFile], readings: Mapping[str, Reading]) -> str:
    by_reading: dict[str, list[str]] = defaultdict(list)
    for one in files:
        by_reading[one.reading].append(str(raw / one.file))
    parts = [_typed(table, readings[name], paths) for name, paths in by_reading.items()]
    return " UNION ALL ".join(parts) or f"SELECT {', '.join(_nulls(table))}, {NO_SPAN} WHERE false"


def _typed(table: SlicedTable, reading: Reading, paths: Iterable[str]) -> str:
    rows = reading.sql.replace(PLACE, f"read_parquet([{', '.join(map(literal, paths))}], {HIVE})")
    # a column that came to the table later is not in what was read before
    told = {name: f"x.{quoted(name)}" if name in reading.columns else "NULL" for name in table.columns}
    columns = ", ".join(f"CAST({told[name]} AS {kind}) AS {quoted(name)}" for name, kind in table.columns.items())
    return f"SELECT {columns}, {', '.join((*SPAN, FILE))} FROM ({rows}) AS x"


def _nulls(table: SlicedTable) -> list[str]:
    return [f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in table.columns.items()]


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
