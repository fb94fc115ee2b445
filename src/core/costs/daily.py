from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from src.core.base.window import Window
from src.core.costs.amounts import Amounts, Figure
from src.core.costs.completeness import CompletenessCalendar, DayCompleteness, Status, calendar_of
from src.core.costs.cursor import PageEnd, cursor_of, parameters_after, place_of
from src.core.costs.question import CostQuestion
from src.core.costs.reader import COSTS_VIEW, CostReader

NEEDED: Final = (COSTS_VIEW, "x_load_manifests", "x_cost_daily")
# where `daily.sql` puts a day without rows, so that a cursor from before the first load fits after it
NO_KEYS: Final = ("0", "0", "")


@dataclass(frozen=True, slots=True)
class DailyLine:
    usage_date: date
    keys: Mapping[str, str | None]
    currency: str | None
    amounts: Amounts
    figure: Figure | None
    """None where there are no rows, or no run has recorded them."""
    standing: DayCompleteness


@dataclass(frozen=True, slots=True)
class CurrencyTotal:
    currency: str
    amounts: Amounts
    figure: Figure | None


@dataclass(frozen=True, slots=True)
class Daily:
    lines: tuple[DailyLine, ...]
    totals: tuple[CurrencyTotal, ...]
    completeness: Mapping[Status, int]
    as_of: datetime | None
    next_cursor: str | None


def read_daily(reader: CostReader, question: CostQuestion, limit: int, cursor: str | None = None) -> Daily:
    """Every day of the window; one without rows appears once, with what is known of it and no amounts."""
    fingerprint = question.fingerprint(reader.tenant)
    after = place_of(cursor, fingerprint) if cursor else None
    if reader.has(*NEEDED):
        # one row more than is shown tells whether another page follows
        unread = [name for name in reader.sight.unread if question.filters.provider in (None, name)]
        # a list of nothing has no type on BigQuery
        given = {**question.parameters(), **parameters_after(after), "unread": ["", *unread], "used_since": reader.used.parameter}
        found = reader.ask("daily", {**given, "page_rows": limit + 1})
    else:
        found = reader.seen(_nothing(question.window, after, limit + 1), question.parameters())
    calendar = calendar_of(found["marks"], found["unmarked"], found["spans"], reader.now)
    # the statement gathers its rows with ARRAY_AGG, which promises no order
    rows = sorted(found["page"], key=_order)
    shown = rows[:limit]
    return Daily(
        lines=tuple(_line(row, question, calendar) for row in shown),
        totals=tuple(
            CurrencyTotal(row["currency"], Amounts.now(row), row["figure"])
            for row in sorted(found["totals"], key=lambda row: str(row["currency"]))
        ),
        completeness=calendar.counts(question.window),
        as_of=calendar.as_of,
        next_cursor=cursor_of(PageEnd(shown[-1]["usage_date"], _order(shown[-1])[1:]), fingerprint) if len(rows) > limit else None,
    )


def _order(row: Mapping[str, Any]) -> tuple[date, str, str, str]:
    return row["usage_date"], row["place_1"], row["place_2"], row["place_3"]


def _line(row: Mapping[str, Any], question: CostQuestion, calendar: CompletenessCalendar) -> DailyLine:
    keys = dict(zip(question.groups, (row["key_1"], row["key_2"]), strict=False))
    provider = keys.get("provider")
    standing = calendar.standing(row["usage_date"], provider)
    return DailyLine(row["usage_date"], keys, row["currency"], Amounts.now(row), row["figure"], standing)


def _nothing(window: Window, after: PageEnd | None, most: int) -> dict[str, list[dict[str, Any]]]:
    """The statement's answer before anything was loaded."""
    empty = dict.fromkeys(("key_1", "key_2", "currency", "billed_cost", "credits", "net_cost", "row_count", "figure"))
    places = dict(zip(("place_1", "place_2", "place_3"), NO_KEYS, strict=True))
    days = [day for day in window if after is None or (day, *NO_KEYS) > (after.day, *after.keys)]
    page = [{"usage_date": day, **empty, **places} for day in days[:most]]
    return {"page": page, "totals": [], "marks": [], "unmarked": [], "spans": []}
