"""The files of a table of raw rows, each read again and held against its name."""

from pathlib import Path

import duckdb

from src.core.engine.duckdb.store.damage import is_whole
from src.core.engine.duckdb.store.listing import KeptFile, files_of
from src.core.engine.port import FileState, StoredFile


def proven_files(cursor: duckdb.DuckDBPyConnection, raw: Path, table: str) -> tuple[StoredFile, ...]:
    """The cursor keeps a file that is replaced meanwhile from being taken away."""
    return tuple(
        StoredFile(one.file, one.bytes, one.digest, _state(raw, one), tuple((part.source, part.slice, part.rows) for part in one.slices))
        for one in files_of(cursor, table)
    )


def _state(raw: Path, one: KeptFile) -> FileState:
    if is_whole(raw, one.file):
        return "whole"
    return "damaged" if (raw / one.file).exists() else "missing"
