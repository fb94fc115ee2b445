"""Statements compiled once, prepared once by each connection and run by libpq itself: a quarter of the time the driver takes for them."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache, partial
from json import loads
from typing import Any

from psycopg.pq.abc import PGresult
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.types import TypeEngine

from src.core.ledger.columns import Json, Money, json_text, money_text
from src.core.ledger.postgresql.wire import PostgresqlWire, Said
from src.core.ledger.unit import Params

Writer = Callable[[Any], bytes]
Reader = Callable[[bytes], Any]

NUL, STANDS_FOR_NUL = "\x00", "\ufffd"  # PostgreSQL keeps no NUL in a text, and libpq would cut it off there without a word


def text_bytes(value: str) -> bytes:
    return (value.replace(NUL, STANDS_FOR_NUL) if NUL in value else value).encode()


@lru_cache(maxsize=64)  # one moment goes into many statements of a unit
def _moment(value: datetime) -> bytes:
    if value.tzinfo is None:
        raise ValueError("the ledger keeps aware datetimes only")
    return value.isoformat().encode()


def _plain(value: Any) -> bytes:
    writer = WRITERS.get(type(value))
    if writer is not None:
        return writer(value)
    for kind, writer in WRITERS.items():
        if isinstance(value, kind):
            return writer(value)
    raise TypeError(f"a {type(value).__name__} cannot be sent to the ledger")


# what a class is comes before what it derives from: a bool is an int, a datetime is a date
WRITERS: dict[type, Writer] = {
    str: text_bytes,
    bool: lambda value: b"t" if value else b"f",
    int: lambda value: b"%d" % value,
    datetime: _moment,
    date: lambda value: value.isoformat().encode(),
    Decimal: lambda value: format(value, "f").encode(),
}

# by the type's number in pg_type, the same in every database
READERS: dict[int, Reader] = {
    16: lambda told: told == b"t",
    20: int,
    21: int,
    23: int,
    114: loads,
    1082: lambda told: date.fromisoformat(told.decode()),
    1184: lambda told: datetime.fromisoformat(told.decode()).astimezone(UTC),
    1700: lambda told: Decimal(told.decode()),
}


def _writer(kind: TypeEngine[Any] | None) -> Writer:
    if isinstance(kind, Json):
        return lambda value: json_text(value).encode()
    if isinstance(kind, Money):
        return lambda value: money_text(value).encode()
    return _plain


class PreparedStatement:
    __slots__ = ("_binds", "_name", "_readers", "sql")

    def __init__(self, number: int, statement: Executable, dialect: Dialect, columns: Sequence[str] | None = None) -> None:
        if not isinstance(statement, ClauseElement):
            raise TypeError(f"a {type(statement).__name__} cannot be compiled")
        compiled: Any = statement.compile(dialect=dialect, column_keys=columns)
        if "POSTCOMPILE" in str(compiled):
            raise TypeError("a kept statement takes no lists: `in_` is written out anew at each execution")
        self._name = b"kept%d" % number
        self.sql = str(compiled).encode()
        given, binds = compiled.params, compiled.binds
        names = compiled.positiontup or ()
        self._binds = [(name, given.get(name), _writer(binds[name].type if name in binds else None)) for name in names]
        self._readers: list[Reader] | None = None

    def rows(self, wire: PostgresqlWire, params: Params | None) -> int:
        """How many one INSERT, UPDATE or DELETE touched."""
        return wire.say(self.sql, self._name, self.bound(params)).command_tuples or 0

    def first(self, wire: PostgresqlWire, params: Params | None) -> Sequence[Any] | None:
        return self.row(wire.say(self.sql, self._name, self.bound(params)))

    def row(self, result: PGresult) -> Sequence[Any] | None:
        if result.ntuples == 0:
            return None
        readers = self._readers
        if readers is None:
            readers = self._readers = [READERS.get(result.ftype(at), bytes.decode) for at in range(result.nfields)]
        values = map(partial(result.get_value, 0), range(len(readers)))
        return [None if value is None else read(value) for read, value in zip(readers, values, strict=True)]

    def later(
        self,
        wire: PostgresqlWire,
        params: Params | None,
        otherwise: Exception | None = None,
        told: Callable[[PGresult], None] | None = None,
    ) -> None:
        wire.later(Said(self.sql, self._name, self.bound(params), otherwise, told))

    def bound(self, params: Params | None) -> list[Any]:
        told = params or {}
        values = [(write, told.get(name, default)) for name, default, write in self._binds]
        return [None if value is None else write(value) for write, value in values]
