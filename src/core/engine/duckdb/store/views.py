"""A table of raw rows as its readers see it: a view over the files of its list."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from src.core.engine.duckdb.store.damage import LOST
from src.core.engine.duckdb.store.listing import (
    FILE,
    PLACE,
    SPAN,
    FileReading,
    KeptFile,
    SlicedTable,
    files_of,
    keep_table,
    readings_of,
    sliced_tables,
    table_of,
)
from src.core.engine.duckdb.types import literal, quoted

ROWS_OF: Final = "x_rows_of_"
SPAN_TYPES = ", ".join(f"{name}: DATE" for name in SPAN)
HIVE = f"hive_partitioning = true, hive_types = {{{SPAN_TYPES}}}, filename = '{FILE}'"
TELLS_OF_LOST = f"SELECT view_name FROM duckdb_views() WHERE starts_with(view_name, '{ROWS_OF}') AND contains(sql, '{LOST}')"
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


def follow_folder(cursor: duckdb.DuckDBPyConnection, raw: Path, gone: Iterable[str]) -> None:
    """At opening: views name whole paths, so those of a dataset that was moved, or is a copy, are made anew. So are those of lost files."""
    stale = {table_of(file) for file in gone} | {view.removeprefix(ROWS_OF) for (view,) in cursor.execute(TELLS_OF_LOST).fetchall()}
    make_anew(cursor, raw, [table for table in sliced_tables(cursor).values() if table.name in stale or table.made_in != str(raw)])


def make_anew(cursor: duckdb.DuckDBPyConnection, raw: Path, tables: Sequence[SlicedTable]) -> None:
    """In a transaction of its own."""
    if not tables:
        return
    cursor.begin()
    for table in tables:
        here = replace(table, made_in=str(raw))
        if here != table:
            keep_table(cursor, here)
        make_views(cursor, raw, here)
    cursor.commit()


def rows_of(raw: Path, table: SlicedTable, files: Sequence[KeptFile], readings: Mapping[str, FileReading]) -> str:
    by_reading: dict[str, list[KeptFile]] = defaultdict(list)
    lost: list[KeptFile] = []
    for one in files:
        # of each reading the first is opened when the view is made, and all of them are looked for
        of_reading = by_reading[one.reading]
        opens = (raw / one.file).is_file() if of_reading else _opens(raw / one.file)
        (of_reading if opens else lost).append(one)
    parts = [_typed(table, readings[name], [str(raw / one.file) for one in found]) for name, found in by_reading.items() if found]
    parts += [_lost(raw, table, one) for one in lost]
    return " UNION ALL ".join(parts) or f"SELECT {', '.join(_nulls(table))}, {NO_SPAN} WHERE false"


def _opens(path: Path) -> bool:
    try:
        pq.read_schema(path)
    except (OSError, pa.ArrowException):
        return False
    return True


def _lost(raw: Path, table: SlicedTable, file: KeptFile) -> str:
    """Rows of which nothing is known but their days: a question that may need them fails, whatever else it asks, and others do not."""
    said = f"error({literal(f'{LOST} {raw / file.file}')})"
    # in every column, for a condition on a NULL would have them left out
    columns = ", ".join(f"CAST({said} AS {kind}) AS {quoted(name)}" for name, kind in table.columns.items())
    span = ", ".join(f"DATE '{day.isoformat()}' AS {name}" for name, day in zip(SPAN, (*file.days, *file.used), strict=True))
    return f"SELECT {columns}, {span}, {literal(str(raw / file.file))} AS {FILE} WHERE {said} IS NULL"


def _typed(table: SlicedTable, reading: FileReading, paths: Iterable[str]) -> str:
    rows = reading.sql.replace(PLACE, f"read_parquet([{', '.join(map(literal, paths))}], {HIVE})")
    # a column that came to the table later is not in what was read before
    told = {name: f"x.{quoted(name)}" if name in reading.columns else "NULL" for name in table.columns}
    columns = ", ".join(f"CAST({told[name]} AS {kind}) AS {quoted(name)}" for name, kind in table.columns.items())
    return f"SELECT {columns}, {', '.join((*SPAN, FILE))} FROM ({rows}) AS x"


def _nulls(table: SlicedTable) -> list[str]:
    return [f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in table.columns.items()]
