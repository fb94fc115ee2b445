"""Statements compiled once and run on the driver itself: a third of the time they take through the toolkit."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Select
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.elements import ClauseElement

from src.core.ledger.unit import Params

Bind = tuple[str, Any, Callable[[Any], Any] | None]


class Compiled:
    __slots__ = ("_binds", "_sql")

    def __init__(self, statement: Executable, dialect: Dialect, columns: Sequence[str] | None = None) -> None:
        if not isinstance(statement, ClauseElement):
            raise TypeError(f"a {type(statement).__name__} cannot be compiled")
        compiled: Any = statement.compile(dialect=dialect, column_keys=columns)
        self._sql = str(compiled)
        if "POSTCOMPILE" in self._sql:
            raise TypeError("a kept statement takes no lists: `in_` is written out anew at each execution")
        given = compiled.params
        self._binds: list[Bind] = [
            (
                name,
                given.get(name),
                compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect) if name in compiled.binds else None,
            )
            for name in compiled.positiontup or ()
        ]

    def run(self, raw: sqlite3.Connection, params: Params | None) -> sqlite3.Cursor:
        return raw.execute(self._sql, self.bound(params))

    def bound(self, params: Params | None) -> list[Any]:
        told = params or {}
        return [process(told.get(name, default)) if process else told.get(name, default) for name, default, process in self._binds]


class Change(Compiled):
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
