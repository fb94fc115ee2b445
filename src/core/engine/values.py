"""Values on their way in: bound parameters, and rows made into Arrow by their table's schema."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any

import pyarrow as pa

from src.core.base.faults import Flaw, Rejected
from src.core.base.names import did_you_mean
from src.core.engine.port import Params, Row

BATCH_ROWS = 8_192
INT64 = range(-(2**63), 2**63)
NUMERIC_DIGITS = 38
WHOLE = re.compile(r"[+-]?\d{1,19}")


def bound_values(params: Params | None, named: tuple[str, ...]) -> dict[str, Any]:
    """The values a statement names. BigQuery ignores a parameter that is not named; DuckDB would refuse it."""
    given = params or {}
    missing = [name for name in named if name not in given]
    if missing:
        raise Rejected(f"the parameter @{missing[0]} has no value{did_you_mean(missing[0], given)}")
    for name in named:
        value = given[name]
        for one in value if isinstance(value, list) else [value]:
            _check(name, one)
    return {name: given[name] for name in named}


def _check(name: str, value: object) -> None:
    if isinstance(value, Decimal):
        # DuckDB would bind a longer decimal as DOUBLE
        if not value.is_finite() or len(format(value, "f").lstrip("-").replace(".", "").lstrip("0")) > NUMERIC_DIGITS:
            raise Rejected(f"the parameter @{name} is not a number of {NUMERIC_DIGITS} digits or fewer")
    elif isinstance(value, int) and value not in INT64:
        raise Rejected(f"the parameter @{name} does not fit INT64")
    elif not isinstance(value, str | int | float | date | bytes | None):
        raise Rejected(f"the parameter @{name} is a {type(value).__name__}, which cannot be bound")


def _json(value: object) -> object:
    return value if value is None or isinstance(value, str) else json.dumps(value, default=str)


def _aware(value: object) -> object:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if isinstance(moment, datetime) and moment.tzinfo is None:
        raise ValueError("a TIMESTAMP needs its time zone")
    return moment


def _day(value: object) -> object:
    # to Python it is a date, and Arrow would take its day without a word
    if isinstance(value, datetime):
        raise TypeError("a DATE is not a moment")
    return date.fromisoformat(value) if isinstance(value, str) else value


def _whole(value: object) -> object:
    if isinstance(value, str):
        if not WHOLE.fullmatch(value):
            raise ValueError(f"{value[:40]!r} is not a whole number")
        return int(value)
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    # Arrow would cut a fraction off without a word
    if isinstance(value, bool | float | Decimal):
        raise TypeError(f"{value} is not a whole number")
    return value


def _exact(value: object) -> object:
    if isinstance(value, bool | float):
        raise TypeError("money is Decimal, never float")
    return Decimal(value) if isinstance(value, str) else value


def _truth(value: object) -> object:
    if isinstance(value, str):
        return {"true": True, "false": False}[value.lower()]
    return value


Converter = Callable[[object], object]


def _converter(kind: pa.DataType) -> Converter | None:
    """Texts become values strictly here: the engine's own casts round and guess."""
    choices: tuple[tuple[bool, Converter], ...] = (
        (pa.types.is_timestamp(kind) and kind.tz is not None, _aware),
        (pa.types.is_timestamp(kind), lambda value: datetime.fromisoformat(value) if isinstance(value, str) else value),
        (pa.types.is_date(kind), _day),
        (pa.types.is_time(kind), lambda value: time.fromisoformat(value) if isinstance(value, str) else value),
        (pa.types.is_integer(kind), _whole),
        (pa.types.is_decimal(kind), _exact),
        (pa.types.is_floating(kind), lambda value: float(value) if isinstance(value, str) else value),
        (pa.types.is_boolean(kind), _truth),
        (pa.types.is_list(kind), lambda value: _each(value, kind)),
        (pa.types.is_struct(kind), lambda value: _fields(value, kind)),
    )
    return next((convert for fits, convert in choices if fits), None)


def _each(value: object, kind: pa.ListType) -> object:
    convert = _converter(kind.value_type)
    return [None if one is None else convert(one) for one in value] if convert and isinstance(value, list | tuple) else value


def _fields(value: object, kind: pa.StructType) -> object:
    if not isinstance(value, Mapping):
        return value
    converters = {field.name: _converter(field.type) for field in kind}
    return {name: convert(one) if one is not None and (convert := converters.get(name)) else one for name, one in value.items()}


def reader_of(rows: Iterable[Row], schema: pa.Schema, json_columns: frozenset[str]) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(schema, _batches(rows, schema, json_columns))


def _batches(rows: Iterable[Row], schema: pa.Schema, json_columns: frozenset[str]) -> Iterator[pa.RecordBatch]:
    names = {name.lower(): name for name in schema.names}
    converters = {field.name: _json if field.name in json_columns else _converter(field.type) for field in schema}
    source, first = iter(rows), 1
    while chunk := list(islice(source, BATCH_ROWS)):
        # not RecordBatch.from_pylist, which passes over a name that the schema has not
        columns: dict[str, list[object]] = {name: [None] * len(chunk) for name in schema.names}
        for position, row in enumerate(chunk):
            _place(row, position, columns, names, first + position)
        yield pa.record_batch([_array(columns[field.name], field, converters[field.name], first) for field in schema], schema=schema)
        first += len(chunk)


def _place(row: Mapping[str, object], position: int, columns: dict[str, list[object]], names: dict[str, str], number: int) -> None:
    for given, value in row.items():
        name = names.get(given.lower())
        if name is None:
            raise Rejected(f"row {number} has a column {given[:80]!r} that its table has not{did_you_mean(given, names.values())}")
        columns[name][position] = value


def _array(values: list[object], field: pa.Field, convert: Converter | None, first: int) -> pa.Array:
    try:
        return pa.array([None if value is None else convert(value) for value in values] if convert else values, type=field.type)
    except (pa.ArrowException, TypeError, ValueError, KeyError, OverflowError, InvalidOperation):
        raise _misfit(values, field, convert, first) from None


def _misfit(values: list[object], field: pa.Field, convert: Converter | None, first: int) -> Rejected:
    """Finds the row that does not fit, so that its number and not its batch is named."""
    for number, value in enumerate(values, start=first):
        try:
            pa.array([None if value is None else convert(value) if convert else value], type=field.type)
        except (pa.ArrowException, TypeError, ValueError, KeyError, OverflowError, InvalidOperation) as wrong:
            said = str(wrong).splitlines()[0] if str(wrong) else "it is not one of its values"
            return Rejected("a row does not fit its table", flaws=[Flaw(f"row {number}, {field.type}: {said[:200]}", field=field.name)])
    return Rejected("a row does not fit its table", flaws=[Flaw(f"not {field.type}", field=field.name)])


def plain_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """DuckDB sums integers as HUGEINT, which is 38 digits without decimals in Arrow; in BigQuery they are INT64."""
    wide = [position for position, kind in enumerate(batch.schema.types) if kind == pa.decimal128(38, 0)]
    for position in wide:
        batch = batch.set_column(position, pa.field(batch.schema.names[position], pa.int64()), batch.column(position).cast(pa.int64()))
    return batch


def plain_table(table: pa.Table) -> pa.Table:
    if pa.decimal128(38, 0) not in table.schema.types:
        return table
    return pa.Table.from_batches([plain_batch(batch) for batch in table.to_batches()] or [], schema=_plain_schema(table.schema))


def _plain_schema(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_type(pa.int64()) if field.type == pa.decimal128(38, 0) else field for field in schema])
