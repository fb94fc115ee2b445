"""Values on their way to BigQuery, and Arrow as it comes from there made like DuckDB's."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import pyarrow as pa
from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from src.core.base.faults import Rejected
from src.core.engine.bigquery.nulls import without_comparisons
from src.core.engine.dialect.types import NUMERIC_SCALE, NUMERIC_WHOLE
from src.core.engine.port import Params
from src.core.engine.values import bound_values

LABEL: Final = re.compile(r"[^a-z0-9_-]")
LABEL_LENGTH: Final = 63

Parameter = ScalarQueryParameter | ArrayQueryParameter


def label(text: str) -> str:
    """A label's value takes these letters alone; what does not fit is cut, for labels only group what was spent."""
    return LABEL.sub("-", text.lower())[:LABEL_LENGTH]


@lru_cache(maxsize=512)
def named_parameters(sql: str) -> tuple[tuple[str, int, int], ...]:
    """Each `@name` with where it begins and ends, in order; `@@name` is a variable of BigQuery's and none of ours."""
    try:
        # not by a pattern: an @ in a text, a comment or a quoted name begins no parameter
        tokens = BigQuery().tokenize(sql)
    except SqlglotError as wrong:
        raise Rejected("this is not GoogleSQL") from wrong
    kinds = [None, *(token.token_type for token in tokens)]
    return tuple(
        (word.text, sign.start, word.end + 1)
        for before, sign, word in zip(kinds, tokens, tokens[1:], strict=False)
        if sign.token_type == TokenType.PARAMETER and TokenType.PARAMETER not in (before, word.token_type)
    )


def with_parameters(sql: str, params: Params | None) -> tuple[str, list[Parameter]]:
    """The text as it was given, but for values that have no type of their own: NULL and `[]` stand in the text itself."""
    places = named_parameters(sql)
    values = bound_values(params, tuple(sorted({name for name, _, _ in places})))
    untyped = {name: "NULL" if value is None else "[]" for name, value in values.items() if value is None or value == []}
    text = without_comparisons(sql, frozenset(name for name, word in untyped.items() if word == "NULL"))
    if text != sql:
        places = named_parameters(text)
    return _replaced(text, places, untyped), [parameter(name, value) for name, value in values.items() if name not in untyped]


def _replaced(sql: str, places: tuple[tuple[str, int, int], ...], texts: Mapping[str, str]) -> str:
    pieces, at = [], 0
    for name, start, end in places:
        if name in texts:
            pieces += [sql[at:start], texts[name]]
            at = end
    return "".join([*pieces, sql[at:]])


def parameter(name: str, value: Any) -> Parameter:
    if isinstance(value, list):
        kinds = {_kind(one) for one in value}
        if len(kinds) != 1:
            raise Rejected(f"the parameter @{name} holds values of different types: {', '.join(sorted(kinds))}")
        return ArrayQueryParameter(name, kinds.pop(), value)
    return ScalarQueryParameter(name, _kind(value), value)


def _kind(value: object) -> str:
    if isinstance(value, Decimal):
        return _decimal_kind(value)
    if isinstance(value, datetime):
        return "TIMESTAMP" if value.tzinfo else "DATETIME"
    choices = ((bool, "BOOL"), (int, "INT64"), (float, "FLOAT64"), (str, "STRING"), (date, "DATE"), (bytes, "BYTES"))
    return next(kind for accepted, kind in choices if isinstance(value, accepted))


def _decimal_kind(value: Decimal) -> str:
    _, digits, exponent = value.as_tuple()
    scale = max(-int(exponent), 0)
    fits = scale <= NUMERIC_SCALE and len(digits) + int(exponent) <= NUMERIC_WHOLE
    return "NUMERIC" if fits else "BIGNUMERIC"


def plain_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """In the types of `schema`, which is how BigQuery's rows come out of every engine."""
    try:
        columns = [column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)]
    except pa.ArrowInvalid as wrong:
        raise Rejected("a BIGNUMERIC is longer than 20 digits before and 18 after the point, which is the most served") from wrong
    return pa.RecordBatch.from_arrays(columns, schema=schema)
