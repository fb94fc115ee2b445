"""How complete each day is, from what the source lists and what of it is loaded. Pure: everything it goes by is given."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Literal

from src.core.providers.export import LoadDay

Completeness = Literal["complete", "provisional", "partial", "stale", "missing", "unpriced"]
MONTHS = 12
ONE_DAY = timedelta(1)
SHOWN_DAYS = 3


@dataclass(frozen=True)
class SourceState:
    """One table of a source: what it lists by load day, and the versions that are loaded."""

    source: str
    since: date
    """Before this day nothing was listed, nor was anything ever loaded."""
    listed: tuple[LoadDay, ...]
    loaded: Mapping[date, str]

    @cached_property
    def pending(self) -> tuple[LoadDay, ...]:
        """Listed, and not loaded in the version that is listed."""
        return tuple(part for part in self.listed if self.loaded.get(part.day) != part.version)

    def changed(self, first: date, last: date, *, again: bool = False) -> tuple[LoadDay, ...]:
        return tuple(part for part in (self.listed if again else self.pending) if first <= part.day <= last)

    def gone(self) -> tuple[date, ...]:
        """Loaded once and listed no more, between the first and the last day that are listed: a source that forgets keeps its rows here."""
        there = {part.day for part in self.listed}
        return tuple(sorted(day for day in self.loaded if there and min(there) <= day <= max(there) and day not in there))

    def with_loaded(self, parts: Iterable[LoadDay]) -> "SourceState":
        return SourceState(self.source, self.since, self.listed, {**self.loaded, **{part.day: part.version for part in parts}})


@dataclass(frozen=True, slots=True)
class Calendar:
    today: date
    late_days: int
    closing_day: int

    def closes(self, day: date) -> date:
        """From this day on no more rows of `day` are expected: late ones have had their time, and its month's invoice is closed."""
        year, month = (day.year, day.month + 1) if day.month < MONTHS else (day.year + 1, 1)
        return max(date(year, month, self.closing_day), day + timedelta(self.late_days + 1))


@dataclass(frozen=True, slots=True)
class Standing:
    completeness: Completeness
    reason: str | None


def of_day(day: date, *, has_rows: bool, sources: Iterable[SourceState], calendar: Calendar) -> Standing:
    unread = _unread(sources, day, day + timedelta(calendar.late_days), calendar.today)
    if not has_rows:
        days = unread.never | unread.since
        why = f"load days {_days(days)} have not been read" if days else "the source holds no row of this day"
        return Standing("missing", why)
    return _stands(unread, calendar, calendar.closes(day), "day")


def of_invoice_month(month: str, *, sources: Iterable[SourceState], calendar: Calendar) -> Standing:
    """`month` as YYYYMM. Its rows are written from its first day until it is closed."""
    first = date(int(month[:4]), int(month[4:]), 1)
    closes = calendar.closes(first)
    return _stands(_unread(sources, first, closes - ONE_DAY, calendar.today), calendar, closes, "invoice month")


@dataclass(frozen=True, slots=True)
class _Unread:
    """Load days that hold rows of a period and were never read; and those that may hold corrections of it and changed or came since."""

    never: frozenset[date]
    since: frozenset[date]
    before: date | None
    """Nothing older than this was ever read, and the period begins before it."""


def _unread(sources: Iterable[SourceState], first: date, last: date, today: date) -> _Unread:
    never: set[date] = set()
    since: set[date] = set()
    before: date | None = None
    for source in sources:
        if first < source.since:
            before = max(source.since, before or source.since)
        for part in source.changed(first, today):
            (never if part.day <= last and part.day not in source.loaded else since).add(part.day)
    return _Unread(frozenset(never), frozenset(since), before)


def _stands(unread: _Unread, calendar: Calendar, closes: date, what: str) -> Standing:
    if unread.before:
        return Standing("partial", f"load days before {unread.before} have not been read")
    if unread.never:
        return Standing("partial", f"load days {_days(unread.never)} have not been read")
    if unread.since:
        return Standing("stale", f"the source has written on {_days(unread.since)} since; corrections of this {what} may be among it")
    if calendar.today < closes:
        return Standing("provisional", f"rows of this {what} may arrive until {closes - ONE_DAY}")
    return Standing("complete", None)


def _days(days: frozenset[date]) -> str:
    ordered = sorted(days)
    if len(ordered) <= SHOWN_DAYS:
        return ", ".join(str(day) for day in ordered)
    return f"{ordered[0]} to {ordered[-1]} ({len(ordered)} of them)"
