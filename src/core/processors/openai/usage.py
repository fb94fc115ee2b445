"""Reads what OpenAI tells of each day: its usage reports into one table, its cost report into another."""

from collections.abc import Iterable
from datetime import date

from src.core.base.documents import read_text
from src.core.base.window import Window
from src.core.providers.http.buckets import widths
from src.core.providers.openai.days import Piece, cost_days, usage_days
from src.core.step.prices.turns import turns
from src.core.step.source.by_day import AskDays
from src.core.step.source.days_processor import DayReport, DaysProcessor, ReportAsker

PROVIDER = "openai"
REFUSED = "openai/books/refused.sql"


def _usage(asking: ReportAsker) -> AskDays:
    def ask(window: Window) -> Iterable[Piece]:
        return usage_days(asking.link, asking.key, window, widths(turns(asking.context.services, asking.tenant, PROVIDER)))

    return ask


def _costs(asking: ReportAsker) -> AskDays:
    def ask(window: Window) -> Iterable[Piece]:
        return cost_days(asking.link, asking.key, window, _refused_on(asking))

    return ask


def _refused_on(asking: ReportAsker) -> date | None:
    """When OpenAI last refused to tell this organisation's costs by key, as the rows loaded since then say."""
    services = asking.context.services
    query = read_text(services.settings.configs_dir / REFUSED, f"configs/{REFUSED}")
    (found,) = services.warehouse.query(asking.tenant, query, {"source": asking.source}).to_pylist()
    refused: date | None = found["refused_on"]
    return refused


REPORTS = {"openai_usage_daily_raw": DayReport(_usage), "openai_costs_daily_raw": DayReport(_costs, beside=" costs")}


def get_engine() -> DaysProcessor:
    return DaysProcessor(PROVIDER, REPORTS)
