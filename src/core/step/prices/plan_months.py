"""What the plans of a book come to in a calendar month. Pure; a day is whole, in UTC, and of the rate that applies at its first instant.

Parts of one plan in one month are rounded together: each is what the month has come to with it, less what it had come to before it, both
rounded to the decimals that are kept. So they add up to the month as a whole, rounded once.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, Literal

from src.core.base.window import Window
from src.core.step.prices.rates import DECIMALS, EXACT, WHOLE_DIGITS, PlanRate, begin, end

Told = Literal["complete", "provisional", "unpriced"]
SMALLEST = Decimal(1).scaleb(-DECIMALS)
TOO_MUCH = Decimal(10) ** WHOLE_DIGITS
MONTHS_OF = {"month": 1, "year": 12}
"""How many months a price is for."""
DAY = timedelta(1)


@dataclass(frozen=True)
class PlanPart:
    """The days of a month that one rate is for; never none."""

    rate: PlanRate
    month: Window
    days: Window

    @property
    def axes(self) -> tuple[str, str, str]:
        return self.rate.plan_name, self.rate.billing_period, self.rate.currency

    @property
    def unknown(self) -> str | None:
        rate = self.rate
        lacking = [
            *(["its price is agreed with each customer, and nobody has said it"] if rate.price is None else []),
            *([f"nobody has said how many {rate.unit}s there are"] if rate.seats is None else []),
        ]
        return "; ".join(lacking) or None

    @property
    def warning(self) -> str | None:
        rate = self.rate
        if rate.seats is None:
            return None
        if rate.min_seats is not None and rate.seats < rate.min_seats:
            return f"{rate.seats} are fewer than the {rate.min_seats} that are sold at least; the bill may be for those"
        if rate.max_seats is not None and rate.seats > rate.max_seats:
            return f"{rate.seats} are more than the {rate.max_seats} that are sold at most"
        return None

    @property
    def weight(self) -> Decimal:
        """In days of the whole price."""
        return EXACT.multiply(EXACT.multiply(self.rate.price or Decimal(0), Decimal(self.rate.seats or 0)), Decimal(len(self.days)))


def months_of(window: Window) -> tuple[Window, ...]:
    """Every month with a day in it, whole."""
    return tuple(Window(first, _next(first) - DAY) for first in _firsts(window.start.replace(day=1), window.end))


def plan_rows(rates: Iterable[PlanRate], month: Window, today: date) -> list[dict[str, Any]]:
    """A row for each rate that has a day of the month; of rates that stand together in a book, none over another."""
    parts = [PlanPart(rate, month, days) for rate in rates if (days := _days(rate, month)) is not None]
    parts.sort(key=lambda part: (part.axes, part.days.start))
    return [_row(part, cost, today) for _, line in groupby(parts, lambda part: part.axes) for part, cost in _costs(line)]


def _costs(line: Iterable[PlanPart]) -> Iterator[tuple[PlanPart, Decimal | None]]:
    total = before = Decimal(0)
    for part in line:
        if part.unknown:
            yield part, None
            continue
        total = EXACT.add(total, part.weight)
        so_far = EXACT.quantize(EXACT.divide(total, Decimal(len(part.month) * MONTHS_OF[part.rate.billing_period])), SMALLEST)
        yield part, EXACT.subtract(so_far, before)
        before = so_far


def _row(part: PlanPart, cost: Decimal | None, today: date) -> dict[str, Any]:
    rate, over = part.rate, part.month.end < today
    fits = cost is None or cost < TOO_MUCH
    unpriced = part.unknown or (None if fits else f"it comes to more than {WHOLE_DIGITS} digits before the point")
    completeness: Told = "unpriced" if unpriced else "complete" if over else "provisional"
    running = None if over else f"the month goes on until {part.month.end}; this is what it comes to if nothing changes"
    columns: Mapping[str, Any] = {
        "invoice_month": f"{part.month.start:%Y%m}",
        "usage_date": part.days.start,
        "last_date": part.days.end,
        "plan_name": rate.plan_name,
        "billing_period": rate.billing_period,
        "rate_id": rate.rate_id,
        "unit": rate.unit,
        "seats": rate.seats,
        "price": rate.price,
        "currency": rate.currency,
        "days": len(part.days),
        "days_in_month": len(part.month),
        "cost": cost if unpriced is None else None,
        "completeness": completeness,
        "completeness_reason": unpriced or running,
        "warning": part.warning,
    }
    return dict(columns)


def _days(rate: PlanRate, month: Window) -> Window | None:
    first, after = (_first_day(moment, month) for moment in (begin(rate), end(rate)))
    return Window(first, after - DAY) if first < after else None


def _first_day(moment: datetime, month: Window) -> date:
    """The first day of the month, or the first after it, that begins at this moment or later."""
    start, stop = (datetime.combine(day, time(), UTC) for day in (month.start, month.end + DAY))
    within = min(max(moment, start), stop).astimezone(UTC)
    return within.date() if within.time() == time() else within.date() + DAY


def _firsts(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first = _next(first)


def _next(first: date) -> date:
    return (first + timedelta(31)).replace(day=1)
