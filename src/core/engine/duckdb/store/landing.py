"""Taking files into a table of raw rows: as they came, where its columns are only named and cast, else what a statement makes of them."""

import errno
import hashlib
import os
import secrets
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import duckdb
import sqlglot
from sqlglot import exp

from src.core.base.faults import Rejected
from src.core.engine.duckdb.conditions import DuckDBCondition
from src.core.engine.duckdb.store.listing import (
    ALL_DAYS,
    FILE,
    PLACE,
    SPAN,
    SUFFIX,
    USED,
    FileReading,
    KeptFile,
    KeptSlice,
    SlicedTable,
    keep_reading,
    place_of,
)
from src.core.engine.duckdb.types import Column, column_in, literal, quoted
from src.core.engine.files.folder import refused_folder

DRAFT: Final = ".part-"
SYNCERS: Final = 8
HASHED_AT_ONCE: Final = 1024 * 1024
OWNER_ONLY, OWNER_FILE = 0o700, 0o600
NO_LINKS: Final = (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK)
NO_SPAN: Final = ", ".join(f"CAST(NULL AS DATE) AS {name}" for name in SPAN)
WRITTEN: Final = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880"
WHOLE: Final = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"})
NO_VALUES: Final[Mapping[str, Any]] = MappingProxyType({})


NO_GUARD: Final = DuckDBCondition()


@dataclass(frozen=True, slots=True)
class AnsweredRows:
    """A statement that has columns of a table, with its values."""

    sql: str
    values: Mapping[str, Any]
    columns: Sequence[str]


@dataclass(frozen=True, slots=True)
class FileLanding:
    """Where files of one table go, in one transaction. `claim` is told of each place before anything lies there."""

    cursor: duckdb.DuckDBPyConnection
    raw: Path
    table: SlicedTable
    claim: Callable[[str], None]

    def take(self, paths: Sequence[Path], reading: FileReading, guard: DuckDBCondition = NO_GUARD) -> tuple[KeptFile, ...]:
        """These files go into the store, once all of their rows were seen to fit. They may lie anywhere the database may read."""
        name = keep_reading(self.cursor, self.table.name, reading)
        facts = _facts(self.cursor, self.table, paths, reading, guard)
        with _refused_by(self.raw.parent), ThreadPoolExecutor(SYNCERS, "take") as several:
            kept, moves = [], []
            for path, digest in zip(paths, several.map(digest_of, paths), strict=True):
                of_file = facts.get(str(path))
                if of_file is None:  # without a row there is nothing to list
                    continue
                file = place_of(self.table.name, of_file.days, of_file.used, digest)
                kept.append(KeptFile(file, name, tuple(of_file.slices), of_file.rows, path.stat().st_size, of_file.days, of_file.used))
                moves.append((path, self.raw / file))
            for one in kept:
                self.claim(one.file)
            list(several.map(_linked, moves))
            list(several.map(_to_disk, {folder for _, target in moves for folder in _folders_above(self.raw, target)}))
        return tuple(kept)

    def write(self, rows: str, values: Mapping[str, Any] = NO_VALUES) -> tuple[KeptFile, ...]:
        """What a statement that has columns of the table answers, as a file of the warehouse's own."""
        named = self.cursor.sql(f"SELECT * FROM ({rows}) LIMIT 0", params=dict(values)).columns
        columns = ", ".join(f"CAST({quoted(name)} AS {self.table.columns[name]}) AS {quoted(name)}" for name in named)
        draft = self.raw / f"{DRAFT}{secrets.token_hex(8)}{SUFFIX}"
        try:
            copied = f"COPY (SELECT {columns} FROM ({rows})) TO {literal(str(draft))} ({WRITTEN})"
            self.cursor.execute(copied, dict(values)).fetchall()
            return self.take([draft], own_reading(named))
        finally:
            draft.unlink(missing_ok=True)


@contextmanager
def _refused_by(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as refused:
        raise refused_folder(folder, refused) from refused


def own_reading(columns: Iterable[str]) -> FileReading:
    """Of files that have columns of their table already."""
    names = tuple(columns)
    return FileReading(f"SELECT {', '.join((*map(quoted, names), *SPAN, FILE))} FROM {PLACE}", names)


def reading_of(answer: AnsweredRows, staged: str, casts: str) -> FileReading | None:
    """A statement over a staged source as a reading; None where what it answers is not its source row by row.

    `casts` are the staged source's own columns, over its files.
    """
    query, values = sqlglot.parse_one(answer.sql, dialect="duckdb"), answer.values
    if not isinstance(query, exp.Select) or not _row_by_row(query, staged):
        return None
    for one in list(query.find_all(exp.Parameter, exp.Placeholder)):
        if one.name not in values and str(one.this) not in values:
            return None
        value = values.get(one.name, values.get(str(one.this)))
        if not isinstance(value, str | int | date | None):
            return None
        one.replace(exp.Null() if value is None else exp.convert(value))
    carried = [exp.column(name) for name in (*SPAN, FILE)]
    query.set("expressions", [*query.expressions, *carried])
    source = sqlglot.parse_one(
        f"SELECT * FROM (SELECT {casts}, {', '.join((*SPAN, FILE))} FROM x_place) AS {quoted(staged)}", dialect="duckdb"
    )
    [table] = query.find_all(exp.Table)
    table.replace(source.find(exp.Subquery))
    text = query.sql(dialect="duckdb", identify=True)
    return FileReading(text.replace('"x_place"', PLACE), tuple(answer.columns))


def _row_by_row(query: exp.Select, staged: str) -> bool:
    """Only named, cast and computed of each row alone, and of nothing but the row."""
    tables = list(query.find_all(exp.Table))
    others = {key for key, value in query.args.items() if value and key not in ("expressions", "from", "from_", "kind")}
    inner = (exp.AggFunc, exp.Window, exp.Subquery, exp.Query, exp.Star, exp.Unnest, exp.Explode, exp.Anonymous, exp.Rand, exp.CurrentDate)
    clocks = (exp.CurrentTimestamp, exp.CurrentTime, exp.CurrentDatetime, exp.Uuid)
    found = [node for node in query.walk() if isinstance(node, (*inner, *clocks)) and node is not query]
    return not others and not found and [table.name for table in tables] == [staged]


@dataclass(slots=True)
class _FileFacts:
    slices: list[KeptSlice] = field(default_factory=list)
    rows: int = 0
    days: tuple[date, date] = (ALL_DAYS[1], ALL_DAYS[0])
    used: tuple[date, date] = (ALL_DAYS[1], ALL_DAYS[0])


def _facts(
    cursor: duckdb.DuckDBPyConnection, table: SlicedTable, paths: Sequence[Path], reading: FileReading, guard: DuckDBCondition
) -> dict[str, _FileFacts]:
    """What each file holds, by slice; and the proof that each value is of its column's type, for nothing asks a file that is kept again."""
    absent = table.required - set(reading.columns)
    if absent:
        raise Rejected(f"a row does not fit its table: {table.name}.{min(absent)} is missing in it")
    files = f"(SELECT *, {NO_SPAN} FROM read_parquet([{', '.join(literal(str(path)) for path in paths)}], filename = '{FILE}'))"
    rows = reading.sql.replace(PLACE, files)
    made = cursor.sql(f"SELECT * FROM ({rows}) LIMIT 0")
    given = dict(zip(made.columns, made.types, strict=True))
    typed = {name: f"CAST({quoted(name)} AS {table.columns[name]})" for name in reading.columns}
    by = table.slices
    used = typed.get(USED, "CAST(NULL AS DATE)")
    unsure = [name for name in reading.columns if not _fits(column_in(given[name]), table.columns[name])]
    proofs = [f"count({typed[name]})" for name in unsure] + [
        f"count(*) FILTER (WHERE {typed[name]} IS NULL)" for name in sorted(table.required)
    ]
    told = [FILE, *(f"CAST({typed.get(name, 'NULL')} AS VARCHAR)" for name in (by.source, by.slice)), "count(*)"]
    told += [f"{bound}({day})" for day in (typed.get(by.day, "CAST(NULL AS DATE)"), used) for bound in ("min", "max", "count")]
    columns = ", ".join((*map(quoted, reading.columns), FILE))
    asked = f"SELECT {', '.join(told + proofs)} FROM (SELECT {columns} FROM ({rows})){guard.clause} GROUP BY ALL"
    found: dict[str, _FileFacts] = defaultdict(_FileFacts)
    for file, source, key, count, *spans in cursor.execute(asked, dict(guard.values)).fetchall():
        first, last, with_day, used_first, used_last, with_use = spans[:6]
        proven = spans[6 + len(unsure) :]
        nothing = next((name for name, absent_in in zip(sorted(table.required), proven, strict=True) if absent_in), None)
        if nothing:
            raise Rejected(f"a row does not fit its table: NOT NULL constraint failed: {table.name}.{nothing}")
        one = found[file]
        one.slices.append(KeptSlice(source, key, count))
        one.rows += count
        # a row without its day may be asked for whatever day is asked for
        one.days = _wider(one.days, (first, last) if with_day == count else ALL_DAYS)
        one.used = _wider(one.used, (used_first, used_last) if with_use == count else ALL_DAYS)
    return dict(found)


def _wider(held: tuple[date, date], more: tuple[date, date]) -> tuple[date, date]:
    return min(held[0], more[0]), max(held[1], more[1])


def _fits(given: Column, wanted: str) -> bool:
    """Whether no value of the one type can fail to be of the other."""
    if given.sql in {wanted, '"NULL"'}:
        return True
    return given.scalar in WHOLE and not given.repeated and wanted in (*WHOLE, "BIGINT", "DECIMAL(38,9)", "DECIMAL(38,18)")


def digest_of(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(HASHED_AT_ONCE):
            found.update(piece)
    return found.hexdigest()


def _linked(move: tuple[Path, Path]) -> None:
    """A second name of the same file: who brought it still has it should the transaction come to nothing."""
    path, target = move
    target.parent.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
    _to_disk(path)
    draft = target.with_name(f"{DRAFT}{secrets.token_hex(8)}")
    try:
        try:
            draft.hardlink_to(path)
        except OSError as refused:
            if refused.errno not in NO_LINKS:
                raise
            shutil.copyfile(path, draft)
            _to_disk(draft)
        draft.chmod(OWNER_FILE)
        # one of these bytes may lie there already: it is the same
        draft.replace(target)
    finally:
        # where both are names of one file, the system keeps both
        draft.unlink(missing_ok=True)


def _folders_above(raw: Path, target: Path) -> list[Path]:
    """Those that a new file may have made, up to the store's own: a name is on disk when its folder is."""
    return [folder for folder in target.parents if folder == raw or folder.is_relative_to(raw)]


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
