"""Reads what DeepSeek tells: a sample of the balance from DeepSeek itself, use and cost by day from a file of its console."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from src.core.base.documents import read_text
from src.core.base.window import Window
from src.core.imports.console import ConsoleDays, FilePart
from src.core.providers.deepseek.client import balance
from src.core.providers.deepseek.samples import days_of, rows_by_day, sample_rows
from src.core.step.source.by_day import AskDays, DaysLook, LookedAt
from src.core.step.source.days_processor import DayReport, DaysProcessor, ReportAsker

PROVIDER = "deepseek"
SAMPLES = "deepseek/books/samples.sql"


def _balance(asking: ReportAsker) -> AskDays:
    def ask(window: Window) -> Iterable[tuple[date, Mapping[str, Any]]]:
        earlier, now = _samples(asking), asking.context.services.clock.now()
        yield from rows_by_day(earlier, sample_rows(now, balance(asking.link, asking.key)), window)

    return ask


def _at_once(asking: ReportAsker) -> LookedAt:
    return lambda _: DaysLook(days_of(_samples(asking), asking.context.services.clock.now()), reads=True)


def _samples(asking: ReportAsker) -> list[dict[str, Any]]:
    """The rows of the last day that is known. Of one pipeline a single run works at a time, so no other adds to them meanwhile."""
    services = asking.context.services
    query = read_text(services.settings.configs_dir / SAMPLES, f"configs/{SAMPLES}")
    found: list[dict[str, Any]] = services.warehouse.query(asking.tenant, query, {"source": asking.source}).to_pylist()
    return found


def _console(part: FilePart, beside: str = "", *, counts: bool = True) -> DayReport:
    def asks(asking: ReportAsker) -> AskDays:
        return ConsoleDays(asking, part).rows

    def looks(asking: ReportAsker) -> LookedAt:
        return ConsoleDays(asking, part).looked_at

    return DayReport(asks, beside, counts, looks=looks, asks_provider=False)


REPORTS = {
    "deepseek_usage_daily_raw": _console("amounts"),
    "deepseek_costs_daily_raw": _console("costs", " costs"),
    "deepseek_records_daily_raw": _console("records", " records", counts=False),
    "deepseek_balance_raw": DayReport(_balance, " balance", counts=False, looks=_at_once),
}


def get_engine() -> DaysProcessor:
    return DaysProcessor(PROVIDER, REPORTS)
