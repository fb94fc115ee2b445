"""How complete each day is, from what the sources list and what of it is loaded. Pure: everything it goes by is given."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Final, Literal

from src.core.base.window import Window
from src.core.providers.slices import EMPTY, Slice, SliceDays
from src.core.step.books.axis import Axis, Holding, month_end
from src.core.step.books.gaps import FILLS, OF_LOAD_DAYS, Gap, month_before, told_of
from src.core.step.books.looks import Looks
from src.core.step.books.reasons import NO_CALL, NO_RUN, LoadedRows, Remedy, Why, named, shown, written_since
from src.core.step.books.shares import Reach

Completeness = Literal["complete", "provisional", "partial", "stale", "missing", "unpriced"]
ONE_DAY = timedelta(1)
SHOWN_FINDINGS: Final = 2
NOTHING_HELD: Final = SliceDays()
NO_FIX: Final = "no run can tell which of both is meant"


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
    """Its first slice, where it has none before it."""
    gaps: tuple[Gap, ...] = ()
    """What was written then nobody knows: before it began, and before it was made anew."""
    made: datetime | None = None
    """When the source itself was made, where it tells."""
    left: bool = False
    """Nobody reads it any more: of days of which it has no rows here nothing is expected of it."""
    removed: date | None = None
    """The day on which the last credential that opened it was removed, where that is known."""
    here: Mapping[str, LoadedRows] = field(default_factory=dict)
    """What was loaded of slices that are listed in another version by now, where it was asked."""
    older: frozenset[str] = frozenset()
    """The keys of what another one of its name told, which was there before it."""
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
        lost = [gap for gap in self.gaps if gap.kind in OF_LOAD_DAYS]
        since = max([self.looks.unseen_before(seen), *gaps, *(gap.last - ONE_DAY for gap in lost)])
        firsts = [one.first for one in filled if one.first > since]
        at = self.looks.at(last)
        over = None if at is None or at > last else at - ONE_DAY
        if not firsts:
            return None
        told = [gap.whole_from for gap in lost if gap.whole_from]
        partly = any(gap.last == min(firsts) for gap in lost)
        own = max(told) if told and len(told) == len(lost) else None
        return Reach(min(firsts), last, over, partly, own, self.fills_from, at - ONE_DAY if at else None, self.gaps)

    @property
    def fills_from(self) -> date | None:
        """What was used from this day on may be written to it yet."""
        at, made = self.looks.latest, self.made and self.made.date()
        return month_before(made) if made and at and at <= made + FILLS else None

    def gap(self, first: date, last: date, written: date) -> Gap | None:
        """What of the days of use from `first` to `last`, whose rows are written until `written`, nobody knows."""
        return next((gap for gap in self.gaps if gap.swallows(first, last, written)), None)

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

    @cached_property
    def put_away(self) -> tuple[Slice, ...]:
        """By the source itself, and not by whoever made it anew."""
        there = {one.key for one in self.listed} | self.older
        held = (one for one in self.loaded.values() if one.version != EMPTY and one.key not in there)
        return tuple(sorted(held, key=lambda one: (one.first, one.key)))

    def covers(self, first: date, last: date) -> bool:
        """Whether every day of this range lies in a slice."""
        return any(start <= first and last <= end for start, end in self.spans)

    def with_loaded(self, slices: Iterable[Slice]) -> "SourceState":
        return replace(self, loaded={**self.loaded, **{one.key: one for one in slices}})


@dataclass(frozen=True, slots=True)
class Calendar:
    today: date
    axis: Axis
    remedy: Remedy = NO_CALL


@dataclass(frozen=True, slots=True)
class Judgement:
    completeness: Completeness
    reason: str | None
    why: Why | None = None


def of_day(day: date, *, has_rows: bool, sources: Iterable[SourceState], calendar: Calendar) -> Judgement:
    period, states = JudgedPeriod(day, day, calendar.axis.of_day(day)), tuple(sources)
    found = _findings(states, period, calendar)
    if has_rows:
        return _stands(found, states, period, calendar)
    # missing, never zero; and why: a day that nobody looked for is not told as one that the source has nothing of
    return _told(found, "missing") if found else Judgement("missing", _no_row(states, period, calendar), Why.NO_ROW)


def of_invoice_month(month: str, *, sources: Iterable[SourceState], calendar: Calendar) -> Judgement:
    """`month` as YYYYMM."""
    try:
        first = date(int(month[:4]), int(month[4:]), 1)
    except ValueError:
        # nobody knows which slices hold the rows of what is no month, so it is never told as whole
        return Judgement("partial", f"{month[:20]!r} is no month; {NO_RUN}", Why.NO_MONTH)
    period, states = JudgedPeriod(first, month_end(first), calendar.axis.of_month(first), month), tuple(sources)
    return _stands(_findings(states, period, calendar), states, period, calendar)


@dataclass(frozen=True, slots=True)
class JudgedPeriod:
    """A day of use or an invoice month, and the slices that may hold rows of it."""

    first: date
    last: date
    holding: Holding
    month: str | None = None

    def __str__(self) -> str:
        return "invoice month" if self.month else "day"

    def within(self, holds: SliceDays) -> bool:
        return self.month in holds.months if self.month else self.first in holds.days


@dataclass(frozen=True, slots=True)
class _Finding:
    """What of one source keeps a period from being whole."""

    why: Why
    source: str
    text: str


LACKS: Final = frozenset(
    {Why.NEVER_READ, Why.BEGINS, Why.BEFORE, Why.NOT_LOOKED_AT, Why.NOT_DELIVERED, Why.UNREAD, Why.MAYBE_TWICE, Why.REMOVED_UNREAD}
)
"""Of these a part is not here, or nobody knows; of the others all was read, and is old."""


def _findings(sources: tuple[SourceState, ...], period: JudgedPeriod, calendar: Calendar) -> list[_Finding]:
    """Of each source at most one, the worst of all kinds first."""
    found = []
    for source in sources:
        own = _of_left(source, sources, period, calendar) if source.left else _of_read(source, period, calendar)
        found += [own] if own else []
    return sorted(found, key=lambda one: (one.why not in LACKS, [*Why].index(one.why), one.source))


def _of_read(source: SourceState, period: JudgedPeriod, calendar: Calendar) -> _Finding | None:
    anew = calendar.remedy.run(period.first, max(period.first, min(period.last, calendar.today)), source.source)
    return (
        _not_seen(source, period, calendar, anew)
        or _not_read(source, period, calendar)
        or _put_away(source, period, calendar)
        or _seen_early(source, period, calendar, anew)
    )


def _not_seen(source: SourceState, period: JudgedPeriod, calendar: Calendar, anew: str) -> _Finding | None:
    """Nobody knows what the source has of it; `anew` is the call that asks for it."""
    name, axis, first, since = source.source, calendar.axis, period.first, source.looks.since
    if since is None:
        return _Finding(Why.NEVER_READ, name, f"{name} has never been read; {anew}")
    looked_at = axis.to_look_at(period.holding, calendar.today)
    gap = source.gap(first, period.last, period.holding.last)
    if gap is not None:
        told = told_of(name, gap, during=source.begins == gap.last)
        mends = {"mixed": f"{anew}, with reload: true where the new one tells all", "filling": f"after that, {anew}"}
        mend = mends.get(gap.kind, NO_RUN)
        return _Finding(Why.MAYBE_TWICE if gap.kind in ("mixed", "beside") else Why.BEGINS, name, f"{told}; {mend}")
    if first < since:
        load = calendar.remedy.run(first, max(first, min(period.last, since - ONE_DAY)), name)
        return _Finding(Why.BEFORE, name, f"{axis.slices} of {name} before {since} have not been read; {load}")
    if not source.looks.cover(*looked_at):
        return _Finding(Why.NOT_LOOKED_AT, name, f"{_last_look(source, first)}; {anew}")
    if axis.covers and not source.covers(*looked_at):
        covers = f"{looked_at[0]}" + (f" to {looked_at[1]}" if looked_at[1] > looked_at[0] else "")
        return _Finding(Why.NOT_DELIVERED, name, f"{name} has delivered nothing that covers {covers}; when it has, {anew}")
    return None


def _not_read(source: SourceState, period: JudgedPeriod, calendar: Calendar) -> _Finding | None:
    # never read where rows lie as a rule: a part is missing. Read once and written to since, or a later slice
    # that may correct: the figure was whole, and is old
    name, slices, holding = source.source, calendar.axis.slices, period.holding
    touching = [one for one in source.changed(*holding.possible(calendar.today)) if _touches(source, one, period)]
    if never := [one for one in touching if one.first <= holding.last and one.key not in source.loaded]:
        return _Finding(Why.UNREAD, name, f"{slices} {shown(never)} of {name} have not been read; {_load(never, name, calendar)}")
    if touching:
        since = written_since(name, touching, source.loaded, source.here, slices)
        return _Finding(Why.CHANGED, name, f"{since}; {_load(touching, name, calendar)}")
    return None


def _put_away(source: SourceState, period: JudgedPeriod, calendar: Calendar) -> _Finding | None:
    """What a slice said last that is gone from its source, and was read before it had said all, is not known."""
    name, holding = source.source, period.holding
    for one in source.put_away:
        at = min((look.at for look in source.looks.within(one.first, one.last)), default=one.first)
        if one.first <= holding.last and one.last >= holding.first and at < min(calendar.today, calendar.axis.final(one.last)):
            told = f"{name} tells no more of {one.key}, which was last read on {at}, when it could still change"
            return _Finding(Why.PUT_AWAY, name, f"{told}; {NO_RUN}")
    return None


def _seen_early(source: SourceState, period: JudgedPeriod, calendar: Calendar, anew: str) -> _Finding | None:
    if not _too_long_ago(source, period.holding, calendar):
        return None
    return _Finding(Why.LOOKED_EARLY, source.source, f"{_last_look(source, period.first)}, and more may have come since; {anew}")


def _touches(source: SourceState, one: Slice, period: JudgedPeriod) -> bool:
    """Whether a slice that is not here as it is listed may hold rows of the period, or held some."""
    if not period.holding.later or (one.first <= period.holding.last and one.key not in source.loaded):
        return True
    now = NOTHING_HELD if one.version == EMPTY else one.holds
    before = source.here.get(one.key)
    was = NOTHING_HELD if source.version(one.key) == EMPTY else before.holds if before else None
    # what was not looked at is not known
    return now is None or was is None or period.within(now) or period.within(was)


def _load(slices: Sequence[Slice], source: str, calendar: Calendar) -> str:
    first = min(one.first for one in slices)
    return calendar.remedy.run(first, max(first, min(calendar.today, max(one.last for one in slices))), source)


def _too_long_ago(source: SourceState, holding: Holding, calendar: Calendar) -> bool:
    """Whether a slice that may hold rows of the period was not looked at since it may have changed."""
    last = min(calendar.today, holding.closes if holding.later else holding.last)
    looks = source.looks.within(holding.first, last)
    # of what is put away no look can be newer
    spans = ((max(one.first, holding.first), min(one.last, last)) for one in source.put_away)
    gone = {day for begin, end in spans if begin <= end for day in Window(begin, end)}
    seen = [look for look in looks if not gone.issuperset(Window(look.first, look.last))]
    late = any(look.at < min(calendar.today, calendar.axis.needed(look.last, holding)) for look in seen)
    return late or (holding.later and not source.looks.cover(holding.first, last))


def _of_left(source: SourceState, sources: Iterable[SourceState], period: JudgedPeriod, calendar: Calendar) -> _Finding | None:
    """Of one that no credential reads any more."""
    return (
        _left_unread(source, period, calendar) or _maybe_twice(source, sources, period.holding) or _left_too_early(source, period, calendar)
    )


def _left_too_early(source: SourceState, period: JudgedPeriod, calendar: Calendar) -> _Finding | None:
    """Its rows are a part of the period's figure, and some of them were told while they could change."""
    name, holding = source.source, period.holding
    for one in source.held(holding.first, holding.last):
        at = source.looks.at(one.last)
        if at is None or at < min(calendar.today, calendar.axis.needed(one.last, holding)):
            told = f"{name} was last looked at on {at or source.looks.latest}, when {one.key} could still change"
            again = calendar.remedy.run(one.first, max(one.first, min(one.last, calendar.today)), name)
            return _Finding(Why.REMOVED_EARLY, name, f"{told}, and no credential reads it now; set one up and {again}")
    # where it told nothing of a day that it could still tell of, it may have told of it since
    if source.removed is not None and period.first <= source.removed and _too_long_ago(source, holding, calendar):
        told = f"{_last_look(source, period.first)}, when rows of this {period} could still come"
        again = calendar.remedy.run(period.first, max(period.first, min(period.last, calendar.today)), name)
        return _Finding(Why.REMOVED_EARLY, name, f"{told}, and no credential reads it now; set one up and {again}")
    return None


def _left_unread(source: SourceState, period: JudgedPeriod, calendar: Calendar) -> _Finding | None:
    """What was not read of a period while there was a credential that could; of later ones nothing is expected."""
    if source.removed is None or period.first > source.removed:
        return None
    then = replace(calendar, today=min(calendar.today, source.removed))
    found = _of_read(replace(source, left=False, removed=None), period, then)
    if found is None or found.why is Why.LOOKED_EARLY:
        return None
    if found.why in (Why.BEGINS, Why.PUT_AWAY):
        return found
    lack, _, load = found.text.rpartition("; ")
    told = f"{lack}; the credential was removed on {source.removed}: set it up again and {load}"
    return _Finding(Why.REMOVED_UNREAD, source.source, told)


def _maybe_twice(source: SourceState, sources: Iterable[SourceState], holding: Holding) -> _Finding | None:
    if not source.nameless:
        return None
    own = {one.key for one in source.held(holding.first, holding.last)}
    for other in sources:
        both = own & {one.key for one in other.held(holding.first, holding.last)}
        if both and not other.left:
            before = f"{source.source} has told of it while nobody named its account"
            return _Finding(
                Why.MAYBE_TWICE, other.source, f"{other.source} tells of {min(both)}, and {before}: it may count twice; {NO_FIX}"
            )
    return None


def _last_look(source: SourceState, first: date) -> str:
    at = source.looks.at(first)
    if at is None:
        return f"{source.source} was last looked at on {source.looks.latest}, and not at {first}"
    return f"{source.source} was last looked at on {at}"


def _stands(found: Sequence[_Finding], sources: Sequence[SourceState], period: JudgedPeriod, calendar: Calendar) -> Judgement:
    if found:
        # the worst first: a sum that lacks a part must not be told as one that is only old or may still grow
        return _told(found, "partial" if found[0].why in LACKS else "stale")
    if calendar.today < period.holding.closes:
        return Judgement("provisional", f"rows of this {period} may arrive{_within(sources)} until {_awaited(period)}", Why.MAY_ARRIVE)
    return Judgement("complete", None)


def _told(found: Sequence[_Finding], word: Completeness) -> Judgement:
    """Those that are as bad as the worst, a few of them."""
    alike = [one for one in found if (one.why in LACKS) == (found[0].why in LACKS)]
    more = len(alike) - SHOWN_FINDINGS
    text = "; ".join(one.text for one in alike[:SHOWN_FINDINGS])
    return Judgement(word, text + (f"; and {more} more sources" if more > 0 else ""), found[0].why)


def _no_row(sources: Sequence[SourceState], period: JudgedPeriod, calendar: Calendar) -> str:
    held = [one.source for one in sources if not one.left]
    told = (
        f"{named(held)} {'holds' if len(held) == 1 else 'hold'} no row of this day" if held else "no source that is read tells of this day"
    )
    return f"{told}; {NO_RUN if calendar.today >= period.holding.closes else f'rows may arrive until {_awaited(period)}'}"


def _within(sources: Sequence[SourceState]) -> str:
    held = [one.source for one in sources if not one.left]
    return f" in {named(held)}" if held else ""


def _awaited(period: JudgedPeriod) -> str:
    return f"{period.holding.closes - ONE_DAY}; run the pipeline after that day"
