"""What a publication does to tables of raw rows: it changes their lists, and the views with them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, Literal

import duckdb
import sqlglot
from sqlglot import exp

from src.core.base.faults import Rejected
from src.core.engine.duckdb.conditions import DuckDBCondition, conditions
from src.core.engine.duckdb.staging import StagedFiles
from src.core.engine.duckdb.store.damage import is_whole, lost_rows
from src.core.engine.duckdb.store.landing import AnsweredRows, FileLanding, reading_of
from src.core.engine.duckdb.store.listing import (
    FILE,
    USED,
    KeptFile,
    SlicedTable,
    add_files,
    files_of,
    readings_of,
    sliced_tables,
    still_listed,
    take_files,
)
from src.core.engine.duckdb.store.views import make_views, rows_of, rows_view
from src.core.engine.duckdb.types import quoted
from src.core.engine.port import TablePart

Coverage = Literal["all", "some", "none"]
NOT_CHANGED: Final = "its rows are replaced by slices, or deleted; UPDATE and MERGE are not served for it"


@dataclass(slots=True)
class RawWriting:
    """Of one publication. What it put into the store, and what left the list by it, is settled at its end."""

    cursor: duckdb.DuckDBPyConnection
    raw: Path
    run_id: str
    at: datetime
    claim: Callable[[str], None]
    claimed: list[str] = field(default_factory=list)
    _left: set[str] = field(default_factory=set)
    _tables: dict[str, SlicedTable] = field(default_factory=dict)
    _stale: set[str] = field(default_factory=set)

    def show(self) -> None:
        """Lets statements see what the lists say by now."""
        for name in sorted(self._stale):
            make_views(self.cursor, self.raw, self._table(name))
        self._stale.clear()

    def left(self) -> set[str]:
        """The files that no list names any more."""
        return self._left - still_listed(self.cursor, self._left)

    def remove(self, table: str, part: TablePart) -> int:
        sliced = self._table(table)
        where = conditions(part, sliced.columns)
        held = [(one, covers(part, one, sliced)) for one in files_of(self.cursor, table)]
        whole = [one for one, how in held if how == "all"]
        parted = [one for one, how in held if how == "some"]
        gone = sum(one.rows for one in whole)
        self._take(table, whole)
        return gone + self._rewrite(sliced, parted, where.clause.removeprefix(" WHERE ") or "true", where.values)

    def change(self, statement: str, values: Mapping[str, Any]) -> int:
        """A DELETE or an INSERT in SQL."""
        found = sqlglot.parse_one(statement, dialect="duckdb")
        self.show()
        if isinstance(found, exp.Delete):
            return self._delete(found, values)
        if isinstance(found, exp.Insert):
            return self._insert(found, values)
        raise Rejected(NOT_CHANGED)

    def _delete(self, statement: exp.Delete, values: Mapping[str, Any]) -> int:
        """What is left of the files that have such rows is written anew."""
        target, where = statement.this, statement.args.get("where")
        sliced, name = self._table(target.name), quoted(target.alias_or_name)
        condition = where.this.sql(dialect="duckdb", identify=True) if where else "true"
        asked = f"SELECT DISTINCT {FILE} FROM {quoted(rows_view(sliced.name))} AS {name} WHERE {condition}"
        met = {path for (path,) in self.cursor.execute(asked, dict(values)).fetchall()}
        touched = [one for one in files_of(self.cursor, sliced.name) if str(self.raw / one.file) in met]
        return self._rewrite(sliced, touched, condition, values, name)

    def _insert(self, statement: exp.Insert, values: Mapping[str, Any]) -> int:
        named = isinstance(statement.this, exp.Schema)
        table = statement.this.this.name if named else statement.this.name
        columns = [column.name for column in statement.this.expressions] if named else list(self._table(table).columns)
        rows = statement.expression.sql(dialect="duckdb", identify=True)
        return self.write(table, f"SELECT * FROM ({rows}) AS x ({', '.join(map(quoted, columns))})", values)

    def adopt(self, table: str, files: Sequence[StagedFiles], staged: str, answer: AnsweredRows, guard: DuckDBCondition) -> int | None:
        """Keeps staged files as they came, of each row what the statement says; None where it does not answer row by row."""
        sliced = self._table(table)
        readings = [reading_of(answer, staged, one.casts) for one in files]
        known = [reading for reading in readings if reading is not None]
        if len(known) < len(readings):
            return None
        landing = self._landing(sliced)
        kept = [taken for one, reading in zip(files, known, strict=True) for taken in landing.take(one.paths, reading, guard)]
        return self._add(table, kept)

    def write(self, table: str, rows: str, values: Mapping[str, Any]) -> int:
        return self._add(table, self._landing(self._table(table)).write(rows, values))

    def _rewrite(
        self, sliced: SlicedTable, files: Sequence[KeptFile], condition: str, values: Mapping[str, Any], name: str | None = None
    ) -> int:
        """Without the rows of the condition, which may be none of them."""
        if not files:
            return 0
        for one in files:
            # one that has another byte would be a whole file with false rows from then on
            if not is_whole(self.raw, one.file):
                raise lost_rows(self.raw.parent, sliced.name, one)
        rows = rows_of(self.raw, sliced, files, readings_of(self.cursor, sliced.name))
        columns = ", ".join(quoted(column) for column in sliced.columns)
        left = f"SELECT {columns} FROM ({rows}) AS {name or quoted(sliced.name)} WHERE ({condition}) IS NOT TRUE"
        kept = self._landing(sliced).write(left, values)
        self._take(sliced.name, files)
        return sum(one.rows for one in files) - self._add(sliced.name, kept)

    def _landing(self, sliced: SlicedTable) -> FileLanding:
        return FileLanding(self.cursor, self.raw, sliced, self._claimed)

    def _claimed(self, file: str) -> None:
        self.claim(file)
        self.claimed.append(file)

    def _add(self, table: str, files: Sequence[KeptFile]) -> int:
        add_files(self.cursor, table, files, self.run_id, self.at)
        self._stale.add(table)
        return sum(one.rows for one in files)

    def _take(self, table: str, files: Sequence[KeptFile]) -> None:
        take_files(self.cursor, table, files)
        self._left |= {one.file for one in files}
        if files:
            self._stale.add(table)

    def _table(self, table: str) -> SlicedTable:
        if table not in self._tables:
            self._tables = sliced_tables(self.cursor)
        return self._tables[table]


def covers(part: TablePart, one: KeptFile, table: SlicedTable) -> Coverage:
    """How many of a file's rows are of this part, as far as the list tells."""
    by, held = table.slices, list(one.slices)
    unsure = False
    for column, value in (part.equal or {}).items():
        wanted = {str(each) for each in (value if isinstance(value, tuple) else (value,))}
        if column == by.source:
            held = [each for each in held if each.source in wanted]
        elif column == by.slice:
            held = [each for each in held if each.slice in wanted]
        else:
            unsure = True
    spans = {by.day: one.days, USED: one.used}
    if part.column in spans:
        first, last = spans[part.column]
        start, end = part.start or date.min, part.end or date.max
        if last < start or first > end:
            return "none"
        unsure = unsure or first < start or last > end
    elif part.column is not None:
        unsure = True
    if not held:
        return "none"
    return "some" if unsure or len(held) < len(one.slices) else "all"
