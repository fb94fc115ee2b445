"""The analyzer's wire values as plain JSON, exact: numbers that JSON would round are texts."""

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, localcontext
from typing import Any

from zetasql.wasi._pb2.zetasql.public import type_pb2  # type: ignore[import-not-found]  # of the analyzer's Python

EPOCH = date(1970, 1, 1)
SCALES = {"NUMERIC": 9, "BIGNUMERIC": 38}
NAMES = {"DOUBLE": "FLOAT64", "FLOAT": "FLOAT32"}


def kind_of(declared: Any) -> str:
    name: str = type_pb2.TypeKind.Name(declared.type_kind).removeprefix("TYPE_")
    return NAMES.get(name, name)


def type_name(declared: Any) -> str:
    kind = kind_of(declared)
    if kind == "ARRAY":
        return f"ARRAY<{type_name(declared.array_type.element_type)}>"
    if kind == "STRUCT":
        inner = ", ".join(f"{field.field_name} {type_name(field.field_type)}".strip() for field in declared.struct_type.field)
        return f"STRUCT<{inner}>"
    return kind


def plain(value: Any, declared: Any) -> Any:
    """None for NULL, lists for arrays, lists of values for structs."""
    held = value.WhichOneof("value")
    if held is None:
        return None
    kind = kind_of(declared)
    if kind == "ARRAY":
        return [plain(one, declared.array_type.element_type) for one in value.array_value.element]
    if kind == "STRUCT":
        fields = zip(value.struct_value.field, declared.struct_type.field, strict=True)
        return [plain(one, field.field_type) for one, field in fields]
    return _scalar(kind, getattr(value, held))


def _scalar(kind: str, given: Any) -> Any:
    if kind in SCALES:
        return _decimal(given, SCALES[kind])
    if isinstance(given, bytes):
        return given.hex()
    if isinstance(given, float):
        return given if math.isfinite(given) else str(given)
    return MOMENTS[kind](given).isoformat() if kind in MOMENTS else given


def _timestamp(given: Any) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=given.seconds, microseconds=given.nanos // 1_000)


def _decimal(given: bytes, scale: int) -> str:
    with localcontext(prec=100):
        number = Decimal(int.from_bytes(given, "little", signed=True)).scaleb(-scale)
        return format(number.normalize() if number else Decimal(0), "f")


def _time(packed: int, nanos: int) -> time:
    return time(packed >> 12 & 31, packed >> 6 & 63, packed & 63, nanos // 1_000)


def _datetime(given: Any) -> datetime:
    packed = given.bit_field_datetime_seconds
    day = date(packed >> 26, packed >> 22 & 15, packed >> 17 & 31)
    return datetime.combine(day, _time(packed & (2**17 - 1), given.nanos))


MOMENTS: dict[str, Callable[[Any], date | time]] = {
    "DATE": lambda days: EPOCH + timedelta(days=days),
    "TIMESTAMP": _timestamp,
    "TIME": lambda given: _time(given >> 30, given & (2**30 - 1)),
    "DATETIME": _datetime,
}
