"""What is told of each day and month after a publication, and which of it differs from what was told before. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any

from src.core.base.window import Window
from src.core.step.books.completeness import Calendar, Judgement, SourceState, of_day, of_invoice_month
from src.core.step.books.doubts import Doubts, doubt_of_month, doubted
from src.core.step.books.history import BILLED, NOTHING, Figures, Key
from src.core.step.books.totals import ZERO, ControlTotal

PARTIAL = "partial"
# a day without rows is told as well, and its row needs a currency: the column is REQUIRED
NO_CURRENCY = "XXX"  # ISO 4217's code for no currency
MONEY = ("billed_cost", "credits", "net_cost", "row_count")
TOLD = ("currency", *MONEY, "completeness", "completeness_reason", "source_as_of", "figure")


@dataclass(frozen=True, slots=True)
class By:
    """Who tells it, and when."""

    provider: str
    run_id: str
    at: datetime

    def stamped(self, row: dict[str, Any], said: Figures | None) -> dict[str, Any]:
        """With the run that said these figures first, and when."""
        run_id, since = (said.run_id, said.since) if said else (None, None)
        return {"provider": self.provider, **row, "pipeline_logging_id": run_id or self.run_id, "published_at": since or self.at}


@dataclass(frozen=True)
class Before:
    """What was told until now."""

    days: list[dict[str, Any]]
    months: list[dict[str, Any]]

    @cached_property
    def said_days(self) -> dict[Key, Figures]:
        return figures_by_period(self.days, "usage_date")

    @cached_property
    def said_months(self) -> dict[Key, Figures]:
        return figures_by_period(self.months, "invoice_month")

    @cached_property
    def whole_days(self) -> frozenset[str]:
        """A figure that was told as partial is completed, not restated."""
        return frozenset(str(row["usage_date"]) for row in self.days if row["completeness"] != PARTIAL)

    @cached_property
    def whole_months(self) -> frozenset[str]:
        return frozenset(row["invoice_month"] for row in self.months if row["completeness"] != PARTIAL)


@dataclass(frozen=True, slots=True)
class DayFigures:
    day: date
    currency: str
    said: Figures | None
    standing: Judgement

    @property
    def row(self) -> dict[str, Any]:
        # NULL, not zero: a day without rows is missing, and zero would say that it cost nothing
        figures = money(self.said) if self.said else dict.fromkeys(MONEY)
        return {
            "usage_date": self.day,
            "currency": self.currency,
            **figures,
            "completeness": self.standing.completeness,
            "completeness_reason": self.standing.reason,
            "source_as_of": self.said.as_of if self.said else None,
            "figure": self.said.figure if self.said else None,
        }


def days_to_tell(figures: Iterable[Key], before: Before, window: Window, today: date) -> set[date]:
    """Every day that was told before, every day that has figures, and every day asked for that has begun."""
    known = {date.fromisoformat(day) for day, _ in figures} | {row["usage_date"] for row in before.days}
    # a day that was asked for and has no rows would else be told of nowhere, and its lack not be seen
    return known | {day for day in window if day <= today}


def judged_days(
    known: Iterable[date], figures: Mapping[Key, Figures], sources: Iterable[SourceState], calendar: Calendar, doubts: Doubts
) -> tuple[DayFigures, ...]:
    states = tuple(sources)
    by_day: dict[date, list[str]] = {}
    for text, currency in figures:
        by_day.setdefault(date.fromisoformat(text), []).append(currency)
    told = []
    for day in sorted(known):
        stands = doubted(of_day(day, has_rows=day in by_day, sources=states, calendar=calendar), doubts.get(day))
        # a day without rows is told all the same, once: what is left out of an answer would be taken for nought
        for currency in sorted(by_day.get(day, [NO_CURRENCY])):
            told.append(DayFigures(day, currency, figures.get((str(day), currency)), stands))
    return tuple(told)


def settled_days(days: Iterable[date], sources: Iterable[SourceState], calendar: Calendar) -> list[date]:
    """Those for which every source was last looked at when it could change no more."""
    states = tuple(sources)
    return [day for day in sorted(days) if of_day(day, has_rows=True, sources=states, calendar=calendar).completeness == "complete"]


def changed_days(days: Iterable[DayFigures], before: Before, by: By) -> list[dict[str, Any]]:
    """The rows of the days of which anything is told differently than before."""
    # whole days are held against each other: a currency that is gone from a day has no row that would show it
    then: dict[date, set[tuple[Any, ...]]] = {}
    for row in before.days:
        then.setdefault(row["usage_date"], set()).add(tuple(row[name] for name in TOLD))
    now: dict[date, list[DayFigures]] = {}
    for told in days:
        now.setdefault(told.day, []).append(told)
    # a day without rows that is told so in other words is told so since it was first
    silent = {(row["usage_date"], row["completeness"]): row for row in before.days if row["billed_cost"] is None}
    since = {key: replace(NOTHING, since=row["published_at"], run_id=row["pipeline_logging_id"]) for key, row in silent.items()}
    return [
        by.stamped(one.row, one.said or since.get((one.day, one.standing.completeness)))
        for day, told in now.items()
        if then.get(day) != {tuple(one.row[name] for name in TOLD) for one in told}
        for one in told
    ]


def month_rows(
    figures: Mapping[Key, Figures], sources: Iterable[SourceState], calendar: Calendar, by: By, doubts: Doubts
) -> list[dict[str, Any]]:
    states = tuple(sources)
    rows = []
    for (month, currency), one in figures.items():
        stands = doubted(of_invoice_month(month, sources=states, calendar=calendar), doubt_of_month(month, doubts))
        words = {"completeness": stands.completeness, "completeness_reason": stands.reason, "figure": one.figure}
        rows.append(by.stamped({"invoice_month": month, "currency": currency, **money(one), **words}, one))
    return rows


def dated(figures: Mapping[Key, Figures], before: Mapping[Key, Figures]) -> dict[Key, Figures]:
    """Figures that did not change have been said since they were first."""

    def one(key: Key, now: Figures) -> Figures:
        then = before.get(key)
        # only money makes it new: a reload that gave the same says nothing that was not said
        return replace(now, since=then.since, run_id=then.run_id) if then is not None and then.same_money(now) else now

    return {key: one(key, now) for key, now in figures.items()}


def figures_by_period(rows: Iterable[Mapping[str, Any]], period: str, by: By | None = None) -> dict[Key, Figures]:
    """By period and currency; days that had no rows had no figures either. `by` whoever says it now."""
    return {
        (str(row[period]), row["currency"]): Figures(
            row["billed_cost"],
            row["credits"] or ZERO,
            row["net_cost"],
            int(row["row_count"]),
            by.at if by else row["published_at"],
            row.get("source_as_of"),
            by.run_id if by else row["pipeline_logging_id"],
            row.get("figure", BILLED),
        )
        for row in rows
        if row["billed_cost"] is not None
    }


def money(one: Figures) -> dict[str, Any]:
    return {"billed_cost": one.billed, "credits": one.credits, "net_cost": one.net, "row_count": one.rows}


def in_all(figures: Mapping[Key, Figures], sums: Iterable[str]) -> dict[str | None, ControlTotal]:
    """What the figures come to, by currency where sums are named, else their rows."""
    names, found = tuple(sums), dict[str | None, ControlTotal]()
    for (_, currency), one in figures.items():
        place = currency if names else None
        every = money(one)
        found[place] = found.get(place, ControlTotal()) + ControlTotal(one.rows, {name: every[name] for name in names})
    return found
