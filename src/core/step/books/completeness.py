"""How complete each day is, from what the sources list and what of it is loaded. Pure: everything it goes by is given."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Literal

from src.core.providers.slices import Slice
from src.core.step.books.axis import Axis, Holding
from src.core.step.books.looks import Looks
from src.core.step.books.shares import Reach

Completeness = Literal["complete", "provisional", "partial", "stale", "missing", "unpriced"]
EMPTY = "empty"
ONE_DAY = timedelta(1)
SHOWN_SLICES = 3


@dataclass(frozen=True)
class SourceState:
    """One source: what it lists, and what of it is loaded."""

    source: str
    looks: Looks
    """When each of its slices was last looked at."""
    listed: tuple[Slice, ...] = ()
    """One that it tells of no more, and whose rows are to go with it, is listed as EMPTY."""
    loaded: Mapping[str, Slice] = field(default_factory=dict)
    """By key; as EMPTY where the rows are gone."""
    begins: date | None = None
    """It has no slice before that day, so that nobody knows what was before it."""
    made: datetime | None = None
    """When the source itself was made, where it tells."""
    left: bool = False
    """Nobody reads it any more: of days of which it has no rows here nothing is expected of it."""
    removed: date | None = None
    """The day on which the last credential that opened it was removed, where that is known."""
    nameless: bool = False
    """Its provider did not say whose account it is: it may be one that is read under its name now."""

    @cached_property
    def pending(self) -> tuple[Slice, ...]:
        """Listed, and not loaded in the version that is listed."""
        return tuple(one for one in self.listed if self.version(one.key) != one.version)

    @cached_property
    def spans(self) -> tuple[tuple[date, date], ...]:
        """The days that its slices stand for, as ranges that do not touch, in order."""
        there = [*(one for one in self.listed if one.version != EMPTY), *(one for one in self.loaded.values() if one.version != EMPTY)]
        joined: list[tuple[date, date]] = []
        for first, last in sorted((one.first, one.last) for one in there):
            # a month may lie in two periods that follow each other, and is covered by both together
            if joined and first <= joined[-1][1] + ONE_DAY:
                joined[-1] = (joined[-1][0], max(joined[-1][1], last))
            else:
                joined.append((first, last))
        return tuple(joined)

    @cached_property
    def reach(self) -> Reach | None:
        """Loaded without a gap up to the latest, days on which the source had nothing included."""
        filled = [one for one in self.loaded.values() if one.version != EMPTY]
        if not filled:
            return None
        last = max(one.last for one in filled)
        # the source is whole only after its last gap: taken for whole before it, its older rival's rows would stop counting
        # and the part that was never read would be missing from the sum
        gaps = (one.last for one in self.pending if one.key not in self.loaded and one.last <= last)
        # of a period that runs the days to come were not looked at
        seen = min(last, self.looks.ranges[-1].last) if self.looks.ranges else last
        unknown = [self.begins - ONE_DAY] if self.begins else []
        since = max([self.looks.unseen_before(seen), *gaps, *unknown])
        firsts = [one.first for one in filled if one.first > since]
        at = self.looks.at(last)
        over = None if at is None or at > last else at - ONE_DAY
        return Reach(min(firsts), last, over) if firsts else None

    def version(self, key: str) -> str:
        """That is loaded; what was never read has nothing, as what is EMPTY has."""
        one = self.loaded.get(key)
        return one.version if one else EMPTY

    def changed(self, first: date, last: date, *, again: bool = False) -> tuple[Slice, ...]:
        there = (one for one in self.listed if one.version != EMPTY or self.version(one.key) != EMPTY) if again else self.pending
        return tuple(one for one in there if one.first <= last and one.last >= first)

    def held(self, first: date, last: date) -> tuple[Slice, ...]:
        """Those of these days of which rows are here."""
        there = (one for one in self.loaded.values() if one.version != EMPTY and one.first <= last and one.last >= first)
        return tuple(sorted(there, key=lambda one: one.first))

    def gone(self) -> tuple[str, ...]:
        """Loaded once and listed no more: a source that forgets keeps its rows here."""
        there = {one.key for one in self.listed}
        held = sorted((one.first, key) for key, one in self.loaded.items() if one.version != EMPTY)
        return tuple(key for _, key in held if key not in there)

    def covers(self, first: date, last: date) -> bool:
        """Whether every day of this range lies in a slice."""
        return any(start <= first and last <= end for start, end in self.spans)

    def with_loaded(self, slices: Iterable[Slice]) -> "SourceState":
        return replace(self, loaded={**self.loaded, **{one.key: one for one in slices}})


@dataclass(frozen=True, slots=True)
class Calendar:
    today: date
    axis: Axis


@dataclass(frozen=True, slots=True)
class Judgement:
    completeness: Completeness
    reason: str | None


def of_day(day: date, *, has_rows: bool, sources: Iterable[SourceState], calendar: Calendar) -> Judgement:
    holding = calendar.axis.of_day(day)
    unread = _unread(sources, holding, calendar)
    if not has_rows:
        unseen = f"{calendar.axis.slices} {_shown(unread.since)} have not been read" if unread.since else None
        # missing, never zero; and why: a day that nobody looked for is not told as one that the source has nothing of
        return Judgement("missing", unread.absent or unseen or unread.old or "the source holds no row of this day")
    return _stands(unread, calendar, holding.closes, "day")


def of_invoice_month(month: str, *, sources: Iterable[SourceState], calendar: Calendar) -> Judgement:
    """`month` as YYYYMM."""
    try:
        first = date(int(month[:4]), int(month[4:]), 1)
    except ValueError:
        # nobody knows which slices hold the rows of what is no month, so it is never told as whole
        return Judgement("partial", f"{month[:20]!r} is no month")
    holding = calendar.axis.of_month(first)
    return _stands(_unread(sources, holding, calendar), calendar, holding.closes, "invoice month")


@dataclass(frozen=True, slots=True)
class _Unread:
    """Slices that hold rows of a period and were never read; and those that may hold corrections of it and changed or came since."""

    never: frozenset[Slice]
    since: frozenset[Slice]
    before: date | None
    """Nothing older than this was ever read, and the period begins before it."""
    unseen: str | None
    """A source that was not looked at since the period began, has not delivered it, or began after it."""
    old: str | None
    """A source that was not looked at since, though rows of the period may have come."""
    slices: str
    """What they are called."""

    @property
    def absent(self) -> str | None:
        """What the period lacks for certain."""
        if self.unseen:
            return self.unseen
        if self.before:
            return f"{self.slices} before {self.before} have not been read"
        return f"{self.slices} {_shown(self.never)} have not been read" if self.never else None


def _unread(asked: Iterable[SourceState], holding: Holding, calendar: Calendar) -> _Unread:
    sources = tuple(asked)
    never: set[Slice] = set()
    since: set[Slice] = set()
    before: date | None = None
    unseen: str | None = None
    old: str | None = None
    axis, first = calendar.axis, holding.first
    for source in sources:
        if source.left:
            unseen = _left_unread(source, holding, calendar) or unseen
            old = _maybe_twice(source, sources, holding) or _left_too_early(source, holding, calendar) or old
            continue
        if source.looks.latest is None:
            unseen = f"{source.source} has never been read"
            continue
        looked_at = axis.to_look_at(holding, calendar.today)
        if source.begins is not None and first < source.begins:
            unseen = f"{source.source} begins on {source.begins}, and nobody knows what was before; no run can bring it"
        elif source.looks.since is not None and first < source.looks.since:
            # of several sources the one that begins last: from there on all of them have been read
            before = max(source.looks.since, before or source.looks.since)
        elif not source.looks.cover(*looked_at):
            unseen = _last_look(source, first)
        elif axis.covers and not source.covers(*looked_at):
            unseen = f"{source.source} has delivered nothing that covers {looked_at[0]}" + (
                f" to {looked_at[1]}" if looked_at[1] > looked_at[0] else ""
            )
        elif _too_long_ago(source, holding, calendar):
            old = f"{_last_look(source, first)}; run the pipeline again, more may have come"
        # never read where rows lie as a rule: a part is missing. Read once and written to since, or a later slice
        # that may correct: the figure was whole, and is old
        for one in source.changed(*holding.possible(calendar.today)):
            (never if one.first <= holding.last and one.key not in source.loaded else since).add(one)
    return _Unread(frozenset(never), frozenset(since), before, unseen, old, axis.slices)


def _too_long_ago(source: SourceState, holding: Holding, calendar: Calendar) -> bool:
    """Whether a slice that may hold rows of the period was not looked at since it may have changed."""
    last = min(calendar.today, holding.closes if holding.later else holding.last)
    looks = source.looks.within(holding.first, last)
    late = any(look.at < min(calendar.today, calendar.axis.needed(look.last, holding)) for look in looks)
    return late or (holding.later and not source.looks.cover(holding.first, last))


def _left_too_early(source: SourceState, holding: Holding, calendar: Calendar) -> str | None:
    """Its rows are a part of the period's figure, and some of them were told while they could change."""
    for one in source.held(holding.first, holding.last):
        at = source.looks.at(one.last)
        if at is None or at < min(calendar.today, calendar.axis.needed(one.last, holding)):
            told = f"{source.source} was last looked at on {at or source.looks.latest}, when {one.key} could still change"
            return f"{told}, and no credential reads it now; set one up and run the pipeline again"
    return None


def _left_unread(source: SourceState, holding: Holding, calendar: Calendar) -> str | None:
    """What was not read of a period while there was a credential that could; of later ones nothing is expected."""
    if source.removed is None or holding.first > source.removed:
        return None
    then = replace(calendar, today=min(calendar.today, source.removed))
    unread = _unread([replace(source, left=False, removed=None)], holding, then)
    told = unread.absent or (f"{source.source} has written on {_shown(unread.since)}, which was not read" if unread.since else None)
    return f"{told}; the credential was removed on {source.removed}: set it up again and run the pipeline" if told else None


def _maybe_twice(source: SourceState, sources: Iterable[SourceState], holding: Holding) -> str | None:
    if not source.nameless:
        return None
    own = {one.key for one in source.held(holding.first, holding.last)}
    for other in sources:
        both = own & {one.key for one in other.held(holding.first, holding.last)}
        if both and not other.left:
            before = f"{source.source} has told of it while nobody named its account"
            return f"{other.source} tells of {min(both)}, and {before}: it may count twice"
    return None


def _last_look(source: SourceState, first: date) -> str:
    at = source.looks.at(first)
    if at is None:
        return f"{source.source} was last looked at on {source.looks.latest}, and not at {first}"
    return f"{source.source} was last looked at on {at}"


def _stands(unread: _Unread, calendar: Calendar, closes: date, what: str) -> Judgement:
    # the worst first: a sum that lacks a part must not be told as one that is only old or may still grow
    if unread.absent:
        return Judgement("partial", unread.absent)
    if unread.since:
        return Judgement(
            "stale",
            f"the source has written on {_shown(unread.since)} since, maybe corrections of this {what}; load these {unread.slices} too",
        )
    if unread.old:
        return Judgement("stale", unread.old)
    if calendar.today < closes:
        return Judgement("provisional", f"rows of this {what} may arrive until {closes - ONE_DAY}")
    return Judgement("complete", None)


def _shown(slices: frozenset[Slice]) -> str:
    keys = [one.key for one in sorted(slices, key=lambda one: (one.first, one.key))]
    if len(keys) <= SHOWN_SLICES:
        return ", ".join(keys)
    return f"{keys[0]} to {keys[-1]} ({len(keys)} of them)"
