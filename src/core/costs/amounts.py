"""Money as it leaves: exact, in plain digits."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, Literal, Self

# A NUMERIC has 38 digits; Python's own context would round a difference to 28.
EXACT = Context(prec=80)
Figure = Literal["billed", "reported", "computed", "estimated", "mixed"]
"""What an amount is: what the provider bills, or in its place what it reports, what we computed of use, or estimated of balances; of
several of these, mixed."""
CENTS, HUNDRED = Decimal("0.01"), Decimal(100)


@dataclass(frozen=True, slots=True)
class Amounts:
    """Of one currency. All are empty where there are no rows, which is not the same as costing nothing."""

    billed_cost: Decimal | None = None
    credits: Decimal | None = None
    net_cost: Decimal | None = None
    row_count: int | None = None

    @classmethod
    def now(cls, row: Mapping[str, Any]) -> Self:
        return cls(row["billed_cost"], row["credits"], row["net_cost"], row["row_count"])

    @classmethod
    def before(cls, row: Mapping[str, Any]) -> Self:
        return cls(row["billed_before"], row["credits_before"], row["net_before"], row["rows_before"])


@dataclass(frozen=True, slots=True)
class AmountChange:
    """From one range to the next; empty where one of the two has no rows, or the earlier lacks some for certain."""

    billed_cost: Decimal | None
    net_cost: Decimal | None
    net_percent: Decimal | None

    @classmethod
    def between(cls, before: Amounts, now: Amounts) -> Self:
        net = _less(now.net_cost, before.net_cost)
        percent = None
        if net is not None and before.net_cost:
            # without its sign: from a negative net, growth would be told as a fall
            ratio = EXACT.divide(EXACT.multiply(net, HUNDRED), before.net_cost.copy_abs())
            percent = ratio.quantize(CENTS, context=EXACT)
        return cls(_less(now.billed_cost, before.billed_cost), net, percent)


UNKNOWN = AmountChange(None, None, None)


def _less(now: Decimal | None, before: Decimal | None) -> Decimal | None:
    return None if now is None or before is None else EXACT.subtract(now, before)


def money(value: Decimal | None) -> str | None:
    """Two decimals, or as many more as it has."""
    if value is None:
        return None
    # str() writes small amounts with an exponent
    whole, _, part = format(value, "f").partition(".")
    return f"{whole}.{part.rstrip('0').ljust(2, '0')}"


def cents(value: Decimal) -> str:
    """For the eye: beside it stands the amount with every digit."""
    return f"{value.quantize(CENTS, rounding='ROUND_HALF_UP', context=EXACT):,}"
