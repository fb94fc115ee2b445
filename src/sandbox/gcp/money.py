"""Amounts as CAST(FLOAT64 AS NUMERIC) counts them: each one alone, to nine places, half away from zero, before any sum."""

from decimal import ROUND_HALF_UP, Decimal

PLACES = 9
_ONE = Decimal(1)


def nanos(amount: float) -> int:
    return int(Decimal(repr(amount)).scaleb(PLACES).quantize(_ONE, ROUND_HALF_UP))


def numeric(count: int) -> Decimal:
    return Decimal(count).scaleb(-PLACES)
