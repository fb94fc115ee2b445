"""Numbers that a provider tells, as tables keep them. Pure."""

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

import msgspec

# what BIGNUMERIC keeps on every engine
SMALLEST = Decimal("1e-18")
DIGITS = Context(prec=60, rounding=ROUND_HALF_EVEN)
WHOLE_DIGITS = 20
"""Of an amount, before its point."""
_json = msgspec.json.Encoder(decimal_format="number", order="sorted")


def require_number(value: Decimal) -> None:
    # msgspec tells the place of it; as a text NaN and Infinity come too
    if not value.is_finite() or value.adjusted() >= WHOLE_DIGITS:
        raise ValueError("no amount")


def exact(value: Decimal) -> Decimal:
    """As it is kept; what is told with more decimals is rounded."""
    return value.quantize(SMALLEST, context=DIGITS)


def whole(value: object) -> object:
    """1250000.0 is the number 1250000."""
    # of a number without bounds the digits alone would fill the memory
    if not isinstance(value, Decimal) or not value.is_finite() or value.adjusted() >= WHOLE_DIGITS:
        return value
    return int(value) if value == value.to_integral_value() else value


def numbers(told: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, int | Decimal]]:
    """Those that are not 0, however deep they lie, by the path that leads there."""
    for name, value in told.items():
        if isinstance(value, Mapping):
            yield from numbers(value, f"{before}{name}.")
        elif isinstance(value, int | Decimal) and not isinstance(value, bool) and value:
            found = whole(value)
            yield f"{before}{name}", found if isinstance(found, int) else value


def as_json(others: Mapping[str, Any]) -> str | None:
    return _json.encode(others).decode() if others else None
