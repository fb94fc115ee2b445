"""How complete each day is, from what the sources list and what of it is loaded. Pure: everything it goes by is given."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Literal

from src.core.providers.export import LoadDay
from src.core.step.books.axis import Axis, Holding
from src.core.step.books.looks import Looks
from src.core.step.books.shares import Reach

Completeness = Literal["complete", "provisional", "partial", "stale", "missing", "unpriced"]
EMPTY = "empty"
ONE_DAY = timedelta(1)
SHOWN_DAYS = 3


@dataclass(frozen=True)
class SourceState:
    """One table of a source: what it lists by load day, and the versions that are loaded."""

    source: str
    looks: Looks
    """When each of its slices was last looked at."""
    listed: tuple[LoadDay, ...] = ()
    loaded: Mapping[date, str] = field(default_factory=dict)
    """A day that was read and had nothing is loaded as EMPTY."""

    @cached_property
    def pending(self) -> tuple[LoadDay, ...]:
        """Listed, and not loaded in the version that is listed."""
        return tuple(part for part in self.listed if self.loaded.get(part.day) != part.version)

    @cached_property
    def reach(self) -> Reach | None:
        """Loaded without a gap up to the latest, days on which the source had nothing included."""
        if not self.loaded:
            return None
        last = first = max(self.loaded)
        while first - ONE_DAY in self.loaded:
            first -= ONE_DAY
        filled = [day for day in self.loaded if first <= day <= last and self.loaded[day] != EMPTY]
        return Reach(min(filled), max(filled)) if filled else None

    def changed(self, first: date, last: date, *, again: bool = False) -> tuple[LoadDay, ...]:
        return tuple(part for part in (self.listed if again else self.pending) if first <= part.day <= last)

    def gone(self) -> tuple[date, ...]:
        """Loaded once and listed no more, between the first and the last day that are listed: a source that forgets keeps its rows here."""
        there = {part.day for part in self.listed}
        held = (day for day, version in self.loaded.items() if version != EMPTY)
        return tuple(sorted(day for day in held if there and min(there) <= day <= max(there) and day not in there))

    def with_loaded(self, parts: Iterable[LoadDay], first: date, last: date) -> "SourceState":
        """After these were read, and with them all there was from `first` to `last`."""
        listed = {part.day for part in self.listed}
        empty = {day: EMPTY for day in _days_between(first, last) if day not in listed and day not in self.loaded}
        return SourceState(self.source, self.looks, self.listed, {**self.loaded, **empty, **{part.day: part.version for part in parts}})


@dataclass(frozen=True, slots=True)
class Calendar:
    today: date
    axis: Axis


@dataclass(frozen=True, slots=True)
class Standing:
    completeness: Completeness
    reason: str | None


def of_day(day: date, *, has_rows: bool, sources: Iterable[SourceState], calendar: Calendar) -> Standing:
    holding = calendar.axis.of_day(day)
    unread = _unread(sources, holding, calendar)
    if not has_rows:
        unseen = f"load days {_days(unread.since)} have not been read" if unread.since else "the source holds no row of this day"
        return Standing("missing", unread.absent or unseen)
    return _stands(unread, calendar.today, holding.closes, "day")


def of_invoice_month(month: str, *, sources: Iterable[SourceState], calendar: Calendar) -> Standing:
    """`month` as YYYYMM."""
    try:
        first = date(int(month[:4]), int(month[4:]), 1)
    except ValueError:
        return Standing("partial", f"{month[:20]!r} is no month")
    holding = calendar.axis.of_month(first)
    return _stands(_unread(sources, holding, calendar), calendar.today, holding.closes, "invoice month")


@dataclass(frozen=True, slots=True)
class _Unread:
    """Load days that hold rows of a period and were never read; and those that may hold corrections of it and changed or came since."""

    never: frozenset[date]
    since: frozenset[date]
    before: date | None
    """Nothing older than this was ever read, and the period begins before it."""
    unseen: str | None
    """A source that was not looked at since the period began."""
    old: str | None
    """A source that was not looked at since, though rows of the period may have come."""

    @property
    def absent(self) -> str | None:
        """What the period lacks for certain."""
        if self.unseen:
            return self.unseen
        if self.before:
            return f"load days before {self.before} have not been read"
        return f"load days {_days(self.never)} have not been read" if self.never else None


def _unread(sources: Iterable[SourceState], holding: Holding, calendar: Calendar) -> _Unread:
    never: set[date] = set()
    since: set[date] = set()
    before: date | None = None
    unseen: str | None = None
    old: str | None = None
    first, today = holding.first, calendar.today
    for source in sources:
        if source.looks.latest is None:
            unseen = f"{source.source} has never been read"
            continue
        if source.looks.since is not None and first < source.looks.since:
            before = max(source.looks.since, before or source.looks.since)
        elif not source.looks.cover(*calendar.axis.to_look_at(holding, today)):
            unseen = _last_look(source, first)
        elif _too_long_ago(source, holding, calendar):
            old = f"{_last_look(source, first)}; run the pipeline again, more may have come"
        for part in source.changed(*holding.possible(today)):
            (never if part.day <= holding.last and part.day not in source.loaded else since).add(part.day)
    return _Unread(frozenset(never), frozenset(since), before, unseen, old)


def _too_long_ago(source: SourceState, holding: Holding, calendar: Calendar) -> bool:
    """Whether a slice that may hold rows of the period was not looked at since it may have changed."""
    last = min(calendar.today, holding.closes if holding.later else holding.last)
    looks = source.looks.within(holding.first, last)
    late = any(look.at < min(calendar.today, calendar.axis.needed(look.last, holding)) for look in looks)
    return late or (holding.later and not source.looks.cover(holding.first, last))


def _last_look(source: SourceState, first: date) -> str:
    at = source.looks.at(first)
    if at is None:
        return f"{source.source} was last looked at on {source.looks.latest}, and not at {first}"
    return f"{source.source} was last looked at on {at}"


def _stands(unread: _Unread, today: date, closes: date, what: str) -> Standing:
    if unread.absent:
        return Standing("partial", unread.absent)
    if unread.since:
        return Standing(
            "stale", f"the source has written on {_days(unread.since)} since, maybe corrections of this {what}; load these days too"
        )
    if unread.old:
        return Standing("stale", unread.old)
    if today < closes:
        return Standing("provisional", f"rows of this {what} may arrive until {closes - ONE_DAY}")
    return Standing("complete", None)


def _days(days: frozenset[date]) -> str:
    ordered = sorted(days)
    if len(ordered) <= SHOWN_DAYS:
        return ", ".join(str(day) for day in ordered)
    return f"{ordered[0]} to {ordered[-1]} ({len(ordered)} of them)"


def _days_between(first: date, last: date) -> Iterable[date]:
    return (first + timedelta(number) for number in range((last - first).days + 1))
