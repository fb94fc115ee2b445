"""Reads what Anthropic tells of each day: use into one table, costs into another, and what is no use of the API into a third."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from src.core.base.window import Window
from src.core.providers.anthropic.days import DaysOfReports, Piece, days_of
from src.core.providers.http.buckets import widths
from src.core.step.credentials import OpenCredential
from src.core.step.prices.turns import turns
from src.core.step.source.by_day import AskDays, DaysLook, LookedAt
from src.core.step.source.days_processor import DayReport, DaysProcessor, ReportAsker

PROVIDER = "anthropic"
ANALYTICS_SINCE, ANALYTICS_DAYS = date(2026, 1, 1), 364
"""Further back the newer reports tell of nothing."""


def _asked(asking: ReportAsker) -> DaysOfReports:
    stored = asking.connection
    return days_of(asking.link, asking.key, stored.get("api") or "reports", children=bool(stored.get("children")))


def _usage(asking: ReportAsker) -> AskDays:
    def ask(window: Window) -> Iterable[Piece]:
        return _asked(asking).usage(window, widths(turns(asking.context.services, asking.tenant, PROVIDER)))

    return ask


def _costs(asking: ReportAsker) -> AskDays:
    return _asked(asking).costs


def _seats(asking: ReportAsker) -> AskDays:
    return _asked(asking).seats


def _looks_at_seats(asking: ReportAsker) -> LookedAt:
    """Of a report that is not offered nothing is said: neither that there was any, nor that there was none."""
    return lambda window: DaysLook(window if _asked(asking).tells_seats(window.start) else None)


REPORTS: Mapping[str, DayReport] = {
    "anthropic_usage_daily_raw": DayReport(_usage),
    "anthropic_costs_daily_raw": DayReport(_costs, beside=" costs"),
    "anthropic_claude_code_daily_raw": DayReport(_seats, beside=" claude code", counts=False, looks=_looks_at_seats),
}


class AnthropicDays(DaysProcessor):
    def since(self, credential: OpenCredential, today: date) -> date:
        if credential.connection.get("api") != "analytics":
            return super().since(credential, today)
        return max(ANALYTICS_SINCE, today - timedelta(ANALYTICS_DAYS))


def get_engine() -> AnthropicDays:
    return AnthropicDays(PROVIDER, REPORTS)
