"""How complete each day is, from what the source lists and what of it is loaded. Pure: everything it goes by is given."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from src.core.providers.export import LoadDay

Completeness = Literal["complete", "provisional", "partial", "stale", "missing", "unpriced"]
MONTHS = 12
SHOWN_DAYS = 3


@dataclass(frozen=True, slots=True)
class SourceState:
    """One table of a source: what it lists by load day, and the versions that are loaded."""

    source: str
    listed: tuple[LoadDay, ...]
    loaded: Mapping[date, str]

    def changed(self, first: date, last: date, *, again: bool = False) -> tuple[LoadDay, ...]:
        return tuple(part for part in self.listed if first <= part.day <= last and (again or self.loaded.get(part.day) != part.version))

    def gone(self) -> tuple[date, ...]:
        """Loaded once and listed no more, between the first and the last day that are listed: a source that forgets keeps its rows here."""
        there = {part.day for part in self.listed}
        return tuple(sorted(day for day in self.loaded if there and min(there) <= day <= max(there) and day not in there))

    def with_loaded(self, parts: Iterable[LoadDay]) -> "SourceState":
        return SourceState(self.source, self.listed, {**self.loaded, **{part.day: part.version for part in parts}})


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


def standing(day: date, *, has_rows: bool, sources: Iterable[SourceState], calendar: Calendar) -> Standing:
    last = day + timedelta(calendar.late_days)
    never: set[date] = set()
    outdated: set[date] = set()
    for source in sources:
        for part in source.changed(day, calendar.today):
            if part.day <= last and part.day not in source.loaded:
                never.add(part.day)
            else:
                outdated.add(part.day)
    if not has_rows:
        unread = never | outdated
        why = f"load days {_days(unread)} have not been read" if unread else "the source holds no row of this day"
        return Standing("missing", why)
    if never:
        return Standing("partial", f"load days {_days(never)} have not been read")
    if outdated:
        return Standing("stale", f"the source has written on {_days(outdated)} since; corrections of this day may be among it")
    closes = calendar.closes(day)
    if calendar.today < closes:
        return Standing("provisional", f"rows of this day may arrive until {closes - timedelta(1)}")
    return Standing("complete", None)


def _days(days: set[date]) -> str:
    ordered = sorted(days)
    if len(ordered) <= SHOWN_DAYS:
        return ", ".join(str(day) for day in ordered)
    return f"{ordered[0]} to {ordered[-1]} ({len(ordered)} of them)"
