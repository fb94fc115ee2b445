"""Statements compiled once and run on the driver itself: a third of the time they take through the toolkit."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Date, Select
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.types import TypeEngine

from src.core.ledger.columns import Instant, day_text, instant_text
from src.core.ledger.unit import Params

Process = Callable[[Any], Any]
TEXTS: dict[type, Process] = {Instant: instant_text, Date: day_text}


class Compiled:
    __slots__ = ("_given", "_sql", "_told")

    def __init__(self, statement: Executable, dialect: Dialect, columns: Sequence[str] | None = None) -> None:
        if not isinstance(statement, ClauseElement):
            raise TypeError(f"a {type(statement).__name__} cannot be compiled")
        compiled: Any = statement.compile(dialect=dialect, column_keys=columns)
        self._sql = str(compiled)
        if "POSTCOMPILE" in self._sql:
            raise TypeError("a kept statement takes no lists: `in_` is written out anew at each execution")
        # what the statement says itself is made ready once; the rest is told at each run
        self._given: list[Any] = []
        self._told: list[tuple[int, str, Process | None]] = []
        for at, name in enumerate(compiled.positiontup or ()):
            bind = compiled.binds[name]
            process = _process(bind.type, dialect)
            if bind.required:
                self._told.append((at, name, process))
            value = None if bind.required else bind.effective_value
            self._given.append(process(value) if process else value)

    def run(self, raw: sqlite3.Connection, params: Params | None) -> sqlite3.Cursor:
        return raw.execute(self._sql, self.bound(params))

    def bound(self, params: Params | None) -> list[Any]:
        values, told = self._given.copy(), params or {}
        for at, name, process in self._told:
            values[at] = process(told[name]) if process else told[name]
        return values


def _process(kind: TypeEngine[Any], dialect: Dialect) -> Process | None:
    """Days and moments take a shorter way than the toolkit's to the same text."""
    for known, text in TEXTS.items():
        if isinstance(kind, known):
            return text
    return kind.dialect_impl(dialect).bind_processor(dialect)


class RowChange(Compiled):
    """An INSERT, UPDATE or DELETE."""

    __slots__ = ()

    def rows(self, raw: sqlite3.Connection, params: Params | None) -> int:
        return self.run(raw, params).rowcount


class Point(Compiled):
    """A select of which the first row is wanted."""

    __slots__ = ("_results",)

    def __init__(self, select: Select[Any], dialect: Dialect) -> None:
        super().__init__(select, dialect)
        processors = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in select.selected_columns]
        self._results = [(at, process) for at, process in enumerate(processors) if process]

    def first(self, raw: sqlite3.Connection, params: Params) -> Sequence[Any] | None:
        row = self.run(raw, params).fetchone()
        if row is None:
            return None
        values = list(row)
        for at, process in self._results:
            if values[at] is not None:
                values[at] = process(values[at])
        return values
