"""Samples of a balance, day by day. Pure.

A day holds its samples, the last one before it and the first one after it: so what was spent on it can be told from its own rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from src.core.base.faults import StepFailed
from src.core.base.window import Window
from src.core.providers.deepseek.client import CurrencyBalance

Row = Mapping[str, Any]


def sample_rows(now: datetime, balances: Sequence[CurrencyBalance]) -> list[dict[str, Any]]:
    return [{"sampled_at": now, **asdict(one)} for one in balances]


def days_of(earlier: Sequence[Row], now: datetime) -> Window:
    """`earlier` are the rows of the last day that is known: it may lack the first sample after it."""
    today = now.date()
    known = {row["usage_date"] for row in earlier}
    if known and max(known) > today:
        # written anew, a day before the last one would lose what it holds
        raise StepFailed(
            f"samples of {max(known)} are there already and this machine's clock says {today}: it went back; see that it is right"
        )
    return Window(min([today, *known]), today)


def rows_by_day(earlier: Sequence[Row], new: Sequence[Row], window: Window) -> Iterator[tuple[date, Row]]:
    last_before = _last(earlier)
    for day in window:
        known = [row for row in earlier if row["usage_date"] == day]
        # a day on which nobody asked lies between the last sample before it and the first one after it
        for row in [*(known or last_before), *new]:
            yield day, {**row, "usage_date": day}


def _last(rows: Sequence[Row]) -> list[Row]:
    latest = max((row["sampled_at"] for row in rows), default=None)
    return [row for row in rows if row["sampled_at"] == latest]
