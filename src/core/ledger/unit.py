from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeAlias, TypeVar

from sqlalchemy import Row as SqlRow
from sqlalchemy import Select, Table, Update, bindparam, update
from sqlalchemy.engine import Connection
from sqlalchemy.sql.base import Executable

from src.core.ledger.bootstrap import Structure

Row: TypeAlias = SqlRow[*tuple[Any, ...]]
Tables: TypeAlias = Mapping[str, Table]
Params: TypeAlias = Mapping[str, Any]
Statement = TypeVar("Statement", bound=Executable)
T = TypeVar("T")
Build: TypeAlias = Callable[[Tables], Statement]


@dataclass(frozen=True, slots=True)
class LedgerTraits:
    """Facts about an engine that its callers act on."""

    inline_reads: bool
    """A point read is cheap enough for the event loop."""
    one_machine: bool
    undoes: bool
    """What a writing unit did is undone when it ends in an error, and nobody saw it before its end."""
    polled: bool
    """Workers look by themselves for runs that wait. Where looking and claiming cost too much, they do when told to process the queue."""
    news_seconds: float
    """How often the progress of a run may be written."""


class Undone(Exception):
    """The engine undid the whole unit for a reason that may be gone at once: `Ledger.read` and `Ledger.write` do it again."""


class Unit(ABC):
    """One unit of work on the ledger, handed to every operation.

    Statements are built once per ledger by a function of the tables and kept: building one costs more than running it.
    """

    def __init__(self, connection: Connection, tables: Tables, kept: dict[Build[Any], Any], *, writes: bool) -> None:
        self._connection = connection
        self._kept = kept
        self._writes = writes
        self.tables = tables

    @abstractmethod
    def insert_once(self, table: Table, values: Params) -> bool:
        """False when a row with that key, or another unique value of it, is there already."""

    def prepared(self, build: Build[Statement]) -> Statement:
        statement: Statement | None = self._kept.get(build)
        if statement is None:
            statement = self._kept[build] = build(self.tables)
        return statement

    def change(self, statement: Executable | Build[Any], params: Params | Sequence[Params] | None = None) -> int:
        """The number of rows one INSERT, UPDATE or DELETE touched. One given by its build is kept, and takes the engine's shortest way."""
        self._check_writes()
        whole = statement if isinstance(statement, Executable) else self.prepared(statement)
        # without `preserve_rowcount` SQLAlchemy keeps the count of an UPDATE or DELETE and not that of an INSERT
        result: Any = self._connection.execute(whole, params, execution_options={"preserve_rowcount": True})
        return int(result.rowcount)

    def change_later(self, build: Build[Any], params: Params) -> None:
        """A change whose count nobody needs: it may go to the engine with what comes next, at the latest with the commit."""
        self.change(build, params)

    def changed(self, build: Build[Update], seen: Build[Select[Any]], params: Params) -> Sequence[Any] | None:
        """A change of one row, and the row as the select has it then; None when nothing was changed. Both find it by the same values."""
        return self.point(seen, params) if self.change(build, params) == 1 else None

    def change_surely(self, build: Build[Any], params: Params, otherwise: Exception) -> None:
        """A change of one row, for a unit of an engine that undoes: where there is no such row, `otherwise` is raised, at the latest by the
        commit, and nothing of the unit is kept."""
        if self.change(build, params) != 1:
            raise otherwise

    def insert_surely(self, table: Table, values: Params, otherwise: Exception) -> None:
        """`insert_once`, in the manner of `change_surely`."""
        if not self.insert_once(table, values):
            raise otherwise

    def changed_soon(self, build: Build[Update], seen: Build[Select[Any]], params: Params) -> Callable[[], Sequence[Any] | None]:
        """`changed`, answered when the unit is over."""
        row = self.changed(build, seen, params)
        return lambda: row

    def forgettable(self) -> None:  # noqa: B027 most engines have nothing to do
        """Should the machine of the ledger stop at this moment, this unit may be as if it had not been: its commit need not wait for the
        disk. What is committed after it never outlasts it."""

    def insert_later(self, table: Table, values: Params) -> None:
        """`insert_once`, where it is all the same whether the row was there already."""
        self.insert_once(table, values)

    def insert_all(self, table: Table, rows: Sequence[Params], rivals: str) -> int:  # noqa: ARG002 others need it
        """`insert_once` of each: how many were. Whoever may insert one of these rows at the same time names the same `rivals`."""
        return sum(self.insert_once(table, values) for values in rows)

    def renew(self, table: Table, rows: Sequence[Params], by: str) -> int:
        """Each, a whole row, takes the place of the one with its key, unless that is newer by this column: how many did."""
        renewed = _renewed(table.name, by)
        return sum(self.change(renewed, {f"new_{name}": value for name, value in values.items()}) for values in rows)

    def _check_writes(self) -> None:
        if not self._writes:
            raise RuntimeError("a reading unit does not write; open a writing one")

    def first(self, select: Executable, params: Params | None = None) -> Row | None:
        return self._connection.execute(select, params).first()

    def rows(self, select: Executable, params: Params | None = None) -> list[Row]:
        return list(self._connection.execute(select, params).all())

    def point(self, build: Build[Select[Any]], params: Params) -> Sequence[Any] | None:
        """The first row of a kept select, by the engine's shortest way."""
        return self.first(self.prepared(build), params)

    def hold(self, name: str) -> None:  # noqa: B027 most engines have nothing to do
        """Until this unit ends, others that hold the same wait here, and what they then read is what this one left."""

    def pick(self, build: Build[Select[Any]], params: Params, apart: Sequence[str]) -> Sequence[Any] | None:  # noqa: ARG002 others need it
        """`point`, of a row that this unit is about to change. Where several write at once, it passes over rows that others are changing,
        and over those that are equal to one of them in the columns `apart`."""
        return self.point(build, params)


@cache
def _renewed(table_name: str, by: str) -> Build[Update]:
    def build(tables: Tables) -> Update:
        table = tables[table_name]
        # SQLAlchemy keeps parameters that are named as a column for its own SET clause
        new = {column.name: bindparam(f"new_{column.name}", type_=column.type) for column in table.columns}
        same = (column == new[column.name] for column in table.primary_key)
        # the same told again counts as renewed; left out of the count it would be taken for gone
        return update(table).where(*same, table.c[by] <= new[by]).values(new)

    return build


class LedgerEngine(Protocol):
    """What an engine brings: how units are opened and what its errors mean."""

    @property
    def traits(self) -> LedgerTraits: ...

    def reading(self) -> AbstractContextManager[Unit]: ...

    def glance(self, op: Callable[[Unit], T]) -> T:
        """Runs an operation of one statement, which needs no snapshot of its own."""
        ...

    def writing(self) -> AbstractContextManager[Unit]: ...

    def restructuring(self) -> AbstractContextManager[tuple[Connection | Structure, Unit]]:
        """For changes of tables and views, and a unit of the same transaction; one process at a time."""
        ...

    def inspecting(self) -> AbstractContextManager[Connection | Structure]: ...

    def check(self) -> None: ...

    def close(self) -> None: ...
