"""The part of a table that a replacement stands for, as a condition with bound values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from src.core.base.faults import Rejected
from src.core.base.names import did_you_mean
from src.core.engine.duckdb_types import quoted
from src.core.engine.port import Slice

ONE_DAY = timedelta(days=1)
OUTSIDE = "a row lies outside the part of the table that it replaces"


@dataclass(frozen=True, slots=True)
class Condition:
    clause: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


def conditions(part: Slice, columns: Mapping[str, str]) -> Condition:
    """The rows to remove."""
    terms, values = _terms(part, columns, {name: quoted(name) for name in columns})
    return Condition(f" WHERE {' AND '.join(terms)}" if terms else "", values)


def guarded(part: Slice, columns: Mapping[str, str], given: Mapping[str, str]) -> Condition:
    """Refuses a row that the same replacement would not remove: run twice, it would stand twice."""
    sources = {name: f"CAST({quoted(source)} AS {columns[name]})" for source, name in given.items()}
    terms, values = _terms(part, columns, sources)
    if not terms:
        return Condition()
    return Condition(f" WHERE CASE WHEN {' AND '.join(terms)} THEN true ELSE error($x_outside) END", {**values, "x_outside": OUTSIDE})


def _terms(part: Slice, columns: Mapping[str, str], written: Mapping[str, str]) -> tuple[list[str], dict[str, Any]]:
    terms: list[str] = []
    values: dict[str, Any] = {}
    for number, (column, operator, value) in enumerate(_comparisons(part)):
        shown = f"ANY($x_part_{number})" if isinstance(value, list) else f"$x_part_{number}"
        if column not in columns:
            raise Rejected(f"there is no column {column[:80]!r} to replace by{did_you_mean(column, columns)}")
        if column not in written:
            raise Rejected(f"the rows lack the column {column!r} that says which part of the table they replace")
        terms.append(f"{written[column]} {operator} {shown}")
        values[f"x_part_{number}"] = value
    return terms, values


def _comparisons(part: Slice) -> Iterator[tuple[str, str, str | int | date | list[str | date]]]:
    if part.column is None and (part.start or part.end):
        raise Rejected("a part with a start or an end names the column they are of")
    if part.start and part.end and part.start > part.end:
        raise Rejected(f"the part ends on {part.end} before it starts on {part.start}")
    if part.column and part.start:
        yield part.column, ">=", part.start
    if part.column and part.end:
        # below the next midnight: a moment on the last day belongs to it
        yield part.column, "<", part.end + ONE_DAY
    for column, value in (part.equal or {}).items():
        yield column, "=", list(value) if isinstance(value, tuple) else value
