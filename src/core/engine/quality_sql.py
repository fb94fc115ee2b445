"""What is asked of one table in one pass, as a tree that knows no dialect, and the GoogleSQL that asks it.

A predicate is true, false or unknown, as in SQL; only rows for which it is true are counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Literal, TypeAlias

from src.core.base.faults import Rejected
from src.core.base.names import identifier
from src.core.engine.port import Params, Scalar

Path: TypeAlias = tuple[str, ...]
"""A column, or a field inside structs: the names from the outside in."""
Operator: TypeAlias = Literal["<", "<=", ">", ">=", "="]
Part: TypeAlias = Mapping[str, "Scalar | Sequence[str] | Sequence[int] | Sequence[date]"]
"""The rows looked at: each column is one value, or one of a list of days, texts or whole numbers. None stands for NULL."""

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Absent:
    column: Path


@dataclass(frozen=True, slots=True)
class Compared:
    column: Path
    operator: Operator
    value: Scalar


@dataclass(frozen=True, slots=True)
class OneOf:
    column: Path
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Matching:
    """Some part of the text matches the RE2 pattern."""

    column: Path
    pattern: str


@dataclass(frozen=True, slots=True)
class Equal:
    left: Path
    right: Path


@dataclass(frozen=True, slots=True)
class Different:
    """As Equal turned round, except that NULL is a value, equal to itself alone."""

    left: Path
    right: Path


@dataclass(frozen=True, slots=True)
class AddsUp:
    """The column holds the sum of the others."""

    total: Path
    parts: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Not:
    of: "Predicate"


@dataclass(frozen=True, slots=True)
class Every:
    of: "tuple[Predicate, ...]"


@dataclass(frozen=True, slots=True)
class Some:
    of: "tuple[Predicate, ...]"


Predicate: TypeAlias = Absent | Compared | OneOf | Matching | Equal | Different | AddsUp | Not | Every | Some
EVERY_ROW = Every(())


@dataclass(frozen=True, slots=True)
class Count:
    rows: Predicate = EVERY_ROW


@dataclass(frozen=True, slots=True)
class Aggregate:
    function: Literal["SUM", "MIN", "MAX"]
    column: Path
    rows: Predicate = EVERY_ROW


@dataclass(frozen=True, slots=True)
class Newest:
    """The greatest value in the whole table, whatever part of it is looked at."""

    column: Path


@dataclass(frozen=True, slots=True)
class Repeated:
    """Rows that share their values in these columns with another row; NULL is a value here."""

    columns: tuple[Path, ...]
    rows: Predicate = EVERY_ROW


Measure: TypeAlias = Count | Aggregate | Newest | Repeated


@dataclass(frozen=True, slots=True)
class QualityQuery:
    sql: str
    params: Params


def question(table: str, part: Part, measures: Sequence[Measure]) -> QualityQuery:
    """One statement with one row: the measures under `m0`, `m1`, ... Its text does not change from one window to the next of its kind."""
    text = _Text(table, part)
    columns = ", ".join(f"{text.measure(measure)} AS m{number}" for number, measure in enumerate(measures))
    return QualityQuery(f"SELECT {columns} FROM {text.source}", text.params)


class _Text:
    def __init__(self, table: str, part: Part) -> None:
        self.params: dict[str, Scalar | list[str] | list[int] | list[date]] = {}
        self._names: dict[tuple[type, Scalar], str] = {}
        self._table = _quoted((table,))
        self._limits = [term for column, value in part.items() for term in self._limit(column, value)]
        self.source = self._table + _where(self._limits)

    def measure(self, measure: Measure) -> str:
        match measure:
            case Count(rows):
                return "COUNT(*)" if rows == EVERY_ROW else f"COUNTIF({self.predicate(rows)})"
            case Aggregate(function, column, rows):
                name = _quoted(column)
                return f"{function}({name if rows == EVERY_ROW else f'IF({self.predicate(rows)}, {name}, NULL)'})"
            case Newest(column):
                return f"(SELECT MAX({_quoted(column)}) FROM {self._table})"
            case Repeated(columns, rows):
                where = _where([*self._limits, *([] if rows == EVERY_ROW else [self.predicate(rows)])])
                keys = ", ".join(_quoted(column) for column in columns)
                groups = f"SELECT COUNT(*) AS x_rows FROM {self._table}{where} GROUP BY {keys} HAVING COUNT(*) > 1"
                return f"(SELECT COALESCE(SUM(x_group.x_rows), 0) FROM ({groups}) AS x_group)"

    def predicate(self, predicate: Predicate) -> str:
        match predicate:
            case Not(of):
                return f"NOT ({self.predicate(of)})"
            case Every(of):
                return " AND ".join(f"({self.predicate(one)})" for one in of) or "TRUE"
            case Some(of):
                return " OR ".join(f"({self.predicate(one)})" for one in of) or "FALSE"
            case Equal() | Different() | AddsUp():
                return _between_columns(predicate)
            case _:
                return self._test(predicate)

    def _test(self, predicate: Absent | Compared | OneOf | Matching) -> str:
        match predicate:
            case Absent(column):
                return f"{_quoted(column)} IS NULL"
            case Compared(column, operator, value):
                return f"{_quoted(column)} {operator} {self._bound(value)}"
            case OneOf(column, values):
                return f"{_quoted(column)} IN ({', '.join(self._bound(value) for value in values)})" if values else "FALSE"
            case Matching(column, pattern):
                return f"REGEXP_CONTAINS({_quoted(column)}, {self._bound(pattern)})"

    def _limit(self, column: str, value: "Scalar | Sequence[str] | Sequence[int] | Sequence[date]") -> list[str]:
        name = _quoted((column,))
        if value is None:
            return [f"{name} IS NULL"]
        if isinstance(value, str | bytes) or not isinstance(value, Sequence):
            return [f"{name} = {self._bound(value)}"]
        values = _listed(column, value)
        if not values:
            return ["FALSE"]
        # the bounds let an engine pass over whole partitions, which it does not for a list
        terms = [f"{name} >= {self._named(f'from_{column}', values[0])}", f"{name} <= {self._named(f'to_{column}', values[-1])}"]
        if not _unbroken(values):
            terms.append(f"{name} IN UNNEST({self._named(f'in_{column}', values)})")
        return terms

    def _bound(self, value: Scalar) -> str:
        # by type too: to a dict 1 and True are one key
        name = self._names.setdefault((type(value), value), f"p{len(self._names)}")
        return self._named(name, value)

    def _named(self, name: str, value: Scalar | list[str] | list[int] | list[date]) -> str:
        self.params[name] = value
        return f"@{name}"


def _between_columns(predicate: Equal | Different | AddsUp) -> str:
    match predicate:
        case Equal(left, right):
            return f"{_quoted(left)} = {_quoted(right)}"
        case Different(left, right):
            return f"{_quoted(left)} IS DISTINCT FROM {_quoted(right)}"
        case AddsUp(total, parts):
            return f"{_quoted(total)} = {' + '.join(_quoted(part) for part in parts)}"


def _quoted(column: Path) -> str:
    return ".".join(f"`{identifier(name)}`" for name in column)


def _where(terms: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(f'({term})' for term in terms)}" if terms else ""


def _listed(column: str, values: Sequence[object]) -> list[str] | list[int] | list[date]:
    # by the very type: to Python a datetime is a date, and True an int
    days = sorted({value for value in values if type(value) is date})
    texts = sorted({value for value in values if isinstance(value, str)})
    numbers = sorted({value for value in values if type(value) is int})
    if (
        len(values) != sum(isinstance(value, str) or type(value) in (date, int) for value in values)
        or sum(map(bool, (days, texts, numbers))) > 1
    ):
        raise Rejected(
            f"the rows looked at are limited by a list of days, of texts or of whole numbers, and the list of {column} is not one"
        )
    return days or texts or numbers


def _unbroken(values: list[str] | list[int] | list[date]) -> bool:
    return all(isinstance(one, date) and isinstance(other, date) and other - one == ONE_DAY for one, other in pairwise(values))
