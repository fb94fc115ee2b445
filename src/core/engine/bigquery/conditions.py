"""The part of a table that a replacement stands for, as a condition of GoogleSQL and as a check of Arrow rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import reduce
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from google.cloud.bigquery import SchemaField

from src.core.base.faults import Rejected
from src.core.base.names import did_you_mean
from src.core.engine.bigquery.types import quoted as quoted
from src.core.engine.bigquery.types import shown
from src.core.engine.conditions import OUTSIDE, Comparison, comparisons
from src.core.engine.port import TablePart

# What a day becomes beside a column of moments: its midnight, in UTC.
MIDNIGHT: Final = {"TIMESTAMP": "TIMESTAMP({})", "DATETIME": "DATETIME({})"}
COMPARE: Final = {">=": pc.greater_equal, "<": pc.less, "=": pc.equal}


@dataclass(frozen=True, slots=True)
class BigQueryCondition:
    """Without a text it is every row."""

    sql: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        return not self.sql


def condition(part: TablePart, fields: Sequence[SchemaField], prefix: str) -> BigQueryCondition:
    """The rows of the part; `prefix` keeps the names of its parameters apart from those of other parts."""
    return _condition(part, fields, {column.name: quoted(column.name) for column in fields}, prefix)


def guard(part: TablePart, fields: Sequence[SchemaField], given: Mapping[str, str], prefix: str) -> BigQueryCondition:
    """True, or an error: a row that the same replacement would not remove would stand twice when it is run twice."""
    kinds = {column.name: shown(column) for column in fields}
    sources = {name: f"CAST({quoted(source)} AS {kinds[name]})" for source, name in given.items()}
    inner = _condition(part, fields, sources, prefix)
    if inner.whole:
        return inner
    return BigQueryCondition(f"IF({inner.sql}, TRUE, ERROR(@{prefix}_outside))", {**inner.values, f"{prefix}_outside": OUTSIDE})


def _condition(part: TablePart, fields: Sequence[SchemaField], written: Mapping[str, str], prefix: str) -> BigQueryCondition:
    kinds = {column.name: shown(column) for column in fields}
    terms: list[str] = []
    values: dict[str, Any] = {}
    for number, (column, operator, value) in enumerate(comparisons(part)):
        _check(column, kinds, written)
        name = f"{prefix}_{number}"
        if value == []:
            terms.append("FALSE")
            continue
        shape = MIDNIGHT.get(kinds[column], "{}") if isinstance(value, date) else "{}"
        given = f"IN UNNEST(@{name})" if isinstance(value, list) else f"{operator} {shape.format(f'@{name}')}"
        terms.append(f"{written[column]} {given}")
        values[name] = value
    return BigQueryCondition(" AND ".join(terms), values)


def _check(column: str, known: Mapping[str, str], written: Mapping[str, str]) -> None:
    if column not in known:
        raise Rejected(f"there is no column {column[:80]!r} to replace by{did_you_mean(column, known)}")
    if column not in written:
        raise Rejected(f"the rows lack the column {column!r} that says which part of the table they replace")


def require_inside(part: TablePart, batch: pa.RecordBatch, given: Mapping[str, str]) -> None:
    """Rows that have the table's types already."""
    known = dict.fromkeys(batch.schema.names, "")
    terms = list(comparisons(part))
    for column, _, _ in terms:
        _check(column, known, dict.fromkeys(given.values(), ""))
    # a row without the value is in no part: a removal would leave it where it is
    masks = [pc.fill_null(_holds(term, batch.column(term[0])), fill_value=False) for term in terms]
    # of no rows Arrow answers NULL unless none are enough for it
    if masks and not pc.all(reduce(pc.and_, masks), min_count=0).as_py():
        raise Rejected(OUTSIDE)


def _holds(term: Comparison, column: pa.Array) -> pa.Array:
    _, operator, value = term
    if isinstance(value, list):
        return pc.is_in(column, value_set=pa.array([_beside(one, column.type) for one in value], column.type))
    return COMPARE[operator](column, pa.scalar(_beside(value, column.type), column.type))


def _beside(value: object, kind: pa.DataType) -> object:
    if isinstance(value, date) and pa.types.is_timestamp(kind):
        return datetime.combine(value, time.min, UTC if kind.tz else None)
    return value
