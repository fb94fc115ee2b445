"""Values of a suite as values of the column they are held against."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal

from src.core.base.schema import Field, FieldType
from src.core.engine.port import Scalar

# What BigQuery's types hold: digits before the point, digits after it.
NUMERIC, BIGNUMERIC, FLOAT = (29, 9), (20, 18), (300, 300)
# written out, 1E+999999999 would take a gigabyte
LONGEST = 400
NOT_COMPARED: frozenset[FieldType] = frozenset({"JSON", "STRUCT", "BYTES", "TIME"})


def fitted(value: object, field: Field) -> Scalar:
    """Raises ValueError with what is wrong."""
    convert = CONVERTERS.get(field.type)
    if convert is None:
        raise ValueError(f"{field.name} is {field.type}, whose values are not compared")
    return convert(value)


def shown(value: object) -> str:
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime | date):
        return value.isoformat()
    return f"{value:,}" if type(value) is int else str(value)


def _text(value: object) -> Scalar:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text, and the column holds texts")  # noqa: TRY004 one kind of refusal
    return value


def _number(value: object, digits: tuple[int, int]) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"{value!r} is not a number, and the column holds numbers")  # noqa: TRY004 one kind of refusal
    exact = Decimal(value)
    before, after = digits
    # by its digits: arithmetic would round to the context's precision
    whole, _, fraction = (
        format(exact, "f").lstrip("-").partition(".") if exact.is_finite() and abs(exact.adjusted()) < LONGEST else ("x" * LONGEST, "", "")
    )
    if len(whole.lstrip("0")) > before or len(fraction.rstrip("0")) > after:
        raise ValueError(f"{value} has more digits than the column holds: {before} before the point, {after} after it")
    return exact


def _whole(value: object) -> Scalar:
    exact = _number(value, NUMERIC)
    # 12.5 is no value of such a column and still a bound that its values can be held against
    return int(exact) if exact == int(exact) and -(2**63) <= exact < 2**63 else exact


def _float(value: object) -> Scalar:
    return float(_number(value, FLOAT))


def _day(value: object) -> Scalar:
    if isinstance(value, str):
        return date.fromisoformat(value)
    if type(value) is date:
        return value
    raise ValueError(f"{value!r} is not a day such as 2026-11-21")


def _moment(value: object) -> datetime:
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value
    raise ValueError(f"{value!r} is not a moment such as 2026-11-21T08:00:00Z")


def _instant(value: object) -> Scalar:
    moment = _moment(value)
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} lacks its time zone")
    return moment


def _wall_time(value: object) -> Scalar:
    moment = _moment(value)
    if moment.tzinfo is not None:
        raise ValueError(f"{value!r} has a time zone, and the column has none")
    return moment


def _truth(value: object) -> Scalar:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")  # noqa: TRY004 one kind of refusal
    return value


CONVERTERS: Mapping[FieldType, Callable[[object], Scalar]] = {
    "STRING": _text,
    "INT64": _whole,
    "FLOAT64": _float,
    "NUMERIC": lambda value: _number(value, NUMERIC),
    "BIGNUMERIC": lambda value: _number(value, BIGNUMERIC),
    "BOOL": _truth,
    "DATE": _day,
    "DATETIME": _wall_time,
    "TIMESTAMP": _instant,
}
