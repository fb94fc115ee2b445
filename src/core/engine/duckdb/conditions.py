"""The part of a table that a replacement stands for, as a condition with bound values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from src.core.base.faults import Rejected
from src.core.base.names import did_you_mean
from src.core.engine.conditions import OUTSIDE, comparisons
from src.core.engine.duckdb.types import quoted
from src.core.engine.port import TablePart


@dataclass(frozen=True, slots=True)
class DuckDBCondition:
    clause: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


def conditions(part: TablePart, columns: Mapping[str, str]) -> DuckDBCondition:
    """The rows to remove."""
    terms, values = _terms(part, columns, {name: quoted(name) for name in columns})
    return DuckDBCondition(f" WHERE {' AND '.join(terms)}" if terms else "", values)


def guarded(part: TablePart, columns: Mapping[str, str], given: Mapping[str, str]) -> DuckDBCondition:
    """Refuses a row that the same replacement would not remove: run twice, it would stand twice."""
    # judged as it will stand in the table: an INSERT casts, and makes of a moment the day that is compared
    sources = {name: f"CAST({quoted(source)} AS {columns[name]})" for source, name in given.items()}
    terms, values = _terms(part, columns, sources)
    if not terms:
        return DuckDBCondition()
    return DuckDBCondition(f" WHERE CASE WHEN {' AND '.join(terms)} THEN true ELSE error($x_outside) END", {**values, "x_outside": OUTSIDE})


def _terms(part: TablePart, columns: Mapping[str, str], written: Mapping[str, str]) -> tuple[list[str], dict[str, Any]]:
    terms: list[str] = []
    values: dict[str, Any] = {}
    for number, (column, operator, value) in enumerate(comparisons(part)):
        shown = f"ANY($x_part_{number})" if isinstance(value, list) else f"$x_part_{number}"
        if column not in columns:
            raise Rejected(f"there is no column {column[:80]!r} to replace by{did_you_mean(column, columns)}")
        if column not in written:
            raise Rejected(f"the rows lack the column {column!r} that says which part of the table they replace")
        terms.append(f"{written[column]} {operator} {shown}")
        values[f"x_part_{number}"] = value
    return terms, values
