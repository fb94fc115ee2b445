"""A listed file of raw rows that is gone or is another one: told by the rows it held, and never passed over."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb

from src.core.base.faults import Fault, Misconfigured
from src.core.engine.duckdb.store.listing import RAW, SUFFIX, KeptFile, files_of, sliced_tables

LOST: Final = "x_lost_raw_file"
"""Ahead of a file's path, in what the readers' view of a table raises in its place."""
# What is wrong with a file's bytes comes in these, with its path; what is wrong with its footer comes in DuckDB's bare class, without.
OF_A_FILE = (duckdb.IOException, duckdb.InvalidInputException, duckdb.SerializationException)
SHOWN = 3


def is_whole(raw: Path, file: str) -> bool:
    """By its bytes: DuckDB reads more than a third of those that have another byte without a word."""
    try:
        with (raw / file).open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == Path(file).name.removesuffix(SUFFIX)
    except PermissionError:
        raise
    except OSError:
        return False


def lost_files(cursor: duckdb.DuckDBPyConnection, folder: Path, error: duckdb.Error) -> dict[str, Fault]:
    """Those that explain what DuckDB has met, if any do."""
    named = named_file(error, folder / RAW)
    lost: dict[str, Fault] = {}
    if named is None and type(error) is not duckdb.Error:
        return lost
    for table, one in _listed(cursor):
        if named in (None, one.file) and not is_whole(folder / RAW, one.file):
            lost[one.file] = lost_rows(folder, table, one)
    return lost


def gone_files(cursor: duckdb.DuckDBPyConnection, folder: Path, gone: list[str]) -> Iterator[tuple[str, Fault]]:
    if gone:
        for table, one in _listed(cursor):
            if one.file in gone:
                yield one.file, lost_rows(folder, table, one)


def named_file(error: duckdb.Error, raw: Path) -> str | None:
    if not isinstance(error, OF_A_FILE):
        return None
    # behind the first line the statement is quoted
    found = re.search(rf"{re.escape(str(raw))}/([^'\"]+?{re.escape(SUFFIX)})", str(error).splitlines()[0])
    return found[1] if found else None


def lost_rows(folder: Path, table: str, one: KeptFile) -> Fault:
    names = sorted(f"{part.source} {part.slice}" for part in one.slices)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return Misconfigured(
        f"{one.rows} rows of {table} are lost ({', '.join(names[:SHOWN])}{more}): {folder.parent.name}/{folder.name}/{RAW}/{one.file} in "
        "EMBEDDED_DATA_DIR is gone or is not the file that was loaded. Restore that file from its backup"
    )


def _listed(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, KeptFile]]:
    for table in sliced_tables(cursor):
        for one in files_of(cursor, table):
            yield table, one
