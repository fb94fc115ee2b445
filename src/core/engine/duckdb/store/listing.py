"""Which files a table of raw rows is made of: one row of a list each, in the dataset itself.

A file lies in a folder named by the days its rows lie on, and is named by the SHA-256 of its bytes. It never changes: a slice is replaced
by changing the list, in the transaction that publishes all else. How its columns become the table's is its reading.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb

from src.core.base.schema import SliceColumns

RAW: Final = "raw"
SUFFIX: Final = ".parquet"
TABLES, FILES, READINGS = "x_raw_tables", "x_raw_files", "x_raw_readings"
USED: Final = "usage_date"
SPAN: Final = ("x_day_from", "x_day_to", "x_used_from", "x_used_to")
"""By these columns of a file's folder it is left out of a question before it is opened."""
FILE: Final = "x_file"
PLACE: Final = "{files}"
"""In a reading, where the files go."""
STORE: Final = (
    f"""CREATE TABLE IF NOT EXISTS {TABLES} (
      table_name VARCHAR, source_column VARCHAR, slice_column VARCHAR, day_column VARCHAR,
      columns STRUCT(name VARCHAR, kind VARCHAR, required BOOLEAN)[], made_in VARCHAR)""",
    f"""CREATE TABLE IF NOT EXISTS {FILES} (
      table_name VARCHAR, file VARCHAR, reading VARCHAR, slices STRUCT(source VARCHAR, slice VARCHAR, row_count BIGINT)[],
      row_count BIGINT, bytes BIGINT, x_day_from DATE, x_day_to DATE, x_used_from DATE, x_used_to DATE,
      run_id VARCHAR, kept_at TIMESTAMPTZ)""",
    f"CREATE TABLE IF NOT EXISTS {READINGS} (table_name VARCHAR, reading VARCHAR, sql VARCHAR, columns VARCHAR[])",
)
ALL_DAYS: Final = (date(1, 1, 1), date(9999, 12, 31))
LISTED = f"SELECT file, reading, slices, row_count, bytes, {', '.join(SPAN)} FROM {FILES} WHERE table_name = $table ORDER BY file, reading"
ADD = f"INSERT INTO {FILES} VALUES ($table, $file, $reading, $slices, $rows, $bytes, $day_from, $day_to, $used_from, $used_to, $run, $at)"
TAKE = f"DELETE FROM {FILES} WHERE table_name = $table AND (file || ' ' || reading) = ANY($files)"
KNOWN_TABLES = f"SELECT table_name, source_column, slice_column, day_column, columns, made_in FROM {TABLES} ORDER BY table_name"


@dataclass(frozen=True, slots=True)
class SlicedTable:
    name: str
    slices: SliceColumns
    columns: Mapping[str, str]
    """To the type of each."""
    required: frozenset[str]
    made_in: str
    """The folder that its views name."""


@dataclass(frozen=True, slots=True)
class FileReading:
    """How the columns of files become those of their table."""

    sql: str
    """Of the files at PLACE; beside the table's columns it tells SPAN and FILE."""
    columns: tuple[str, ...]
    """Those of the table that it tells."""


@dataclass(frozen=True, slots=True)
class KeptSlice:
    source: str
    slice: str
    rows: int


@dataclass(frozen=True, slots=True)
class KeptFile:
    file: str
    """Its path below the dataset's folder of raw rows."""
    reading: str
    slices: tuple[KeptSlice, ...]
    rows: int
    bytes: int
    days: tuple[date, date]
    """The first and the last day that its slices lie on."""
    used: tuple[date, date]
    """And of use."""

    @property
    def sources(self) -> frozenset[str]:
        return frozenset(one.source for one in self.slices)

    @property
    def digest(self) -> str:
        return Path(self.file).name.removesuffix(SUFFIX)


def place_of(table: str, days: tuple[date, date], used: tuple[date, date], digest: str) -> str:
    folders = (f"{name}={day.isoformat()}" for name, day in zip(SPAN, (*days, *used), strict=True))
    return "/".join((table, *folders, f"{digest}{SUFFIX}"))


def table_of(file: str) -> str:
    return file.partition("/")[0]


def sliced_tables(cursor: duckdb.DuckDBPyConnection) -> dict[str, SlicedTable]:
    found = {}
    for name, source, key, day, columns, made_in in cursor.execute(KNOWN_TABLES).fetchall():
        kinds = {column["name"]: column["kind"] for column in columns}
        required = frozenset(column["name"] for column in columns if column["required"])
        found[name] = SlicedTable(name, SliceColumns(source, key, day), kinds, required, made_in)
    return found


def keep_table(cursor: duckdb.DuckDBPyConnection, table: SlicedTable) -> None:
    cursor.execute(f"DELETE FROM {TABLES} WHERE table_name = $table", {"table": table.name})
    columns = [{"name": name, "kind": kind, "required": name in table.required} for name, kind in table.columns.items()]
    values = {"table": table.name, "source": table.slices.source, "slice": table.slices.slice, "day": table.slices.day}
    cursor.execute(
        f"INSERT INTO {TABLES} VALUES ($table, $source, $slice, $day, $columns, $made_in)",
        {**values, "columns": columns, "made_in": table.made_in},
    )


def files_of(cursor: duckdb.DuckDBPyConnection, table: str) -> list[KeptFile]:
    return [
        KeptFile(
            file,
            reading,
            tuple(KeptSlice(one["source"], one["slice"], one["row_count"]) for one in slices),
            rows,
            size,
            (day_from, day_to),
            (used_from, used_to),
        )
        for file, reading, slices, rows, size, day_from, day_to, used_from, used_to in cursor.execute(LISTED, {"table": table}).fetchall()
    ]


def all_files(cursor: duckdb.DuckDBPyConnection) -> set[str]:
    """Of every table, those that the list names."""
    return {file for (file,) in cursor.execute(f"SELECT DISTINCT file FROM {FILES}").fetchall()}


def still_listed(cursor: duckdb.DuckDBPyConnection, files: Iterable[str]) -> set[str]:
    given = {"files": sorted(files)}
    return {file for (file,) in cursor.execute(f"SELECT DISTINCT file FROM {FILES} WHERE file = ANY($files)", given).fetchall()}


def add_files(cursor: duckdb.DuckDBPyConnection, table: str, files: Iterable[KeptFile], run_id: str, at: Any) -> None:
    for one in files:
        values = {"table": table, "file": one.file, "reading": one.reading, "rows": one.rows, "bytes": one.bytes, "run": run_id, "at": at}
        span = {"day_from": one.days[0], "day_to": one.days[1], "used_from": one.used[0], "used_to": one.used[1]}
        slices = [{"source": part.source, "slice": part.slice, "row_count": part.rows} for part in one.slices]
        cursor.execute(ADD, {**values, **span, "slices": slices})


def take_files(cursor: duckdb.DuckDBPyConnection, table: str, files: Sequence[KeptFile]) -> None:
    if files:
        cursor.execute(TAKE, {"table": table, "files": [f"{one.file} {one.reading}" for one in files]})


def keep_reading(cursor: duckdb.DuckDBPyConnection, table: str, reading: FileReading) -> str:
    """Its name: of the same text the same."""
    name = hashlib.sha256(f"{reading.sql} {reading.columns}".encode()).hexdigest()[:16]
    if not cursor.execute(
        f"SELECT 1 FROM {READINGS} WHERE table_name = $table AND reading = $name", {"table": table, "name": name}
    ).fetchall():
        values = {"table": table, "name": name, "sql": reading.sql, "columns": list(reading.columns)}
        cursor.execute(f"INSERT INTO {READINGS} VALUES ($table, $name, $sql, $columns)", values)
    return name


def readings_of(cursor: duckdb.DuckDBPyConnection, table: str) -> dict[str, FileReading]:
    found = cursor.execute(f"SELECT reading, sql, columns FROM {READINGS} WHERE table_name = $table", {"table": table}).fetchall()
    return {name: FileReading(sql, tuple(columns)) for name, sql, columns in found}
