"""Which slices a run looks at, and which of them it reads. What it asks of a source is only its listing."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

from src.core.base.faults import StepFailed
from src.core.base.identity import Tenant
from src.core.base.window import Window
from src.core.providers.slices import EMPTY, Listing, Slice
from src.core.step.books.completeness import Calendar, SourceState
from src.core.step.books.coverage import KnownSlices
from src.core.step.books.gaps import FILLS
from src.core.step.books.questions import Reload
from src.core.step.books.reasons import Remedy
from src.core.step.books.rules import Books, Raw
from src.core.step.counted import OpenedSource
from src.core.step.credentials import DEFAULT_NAME
from src.core.step.source.port import Source

# a slice's name becomes part of a file's
MOST_ASKED = 10  # more are not worth a question: a backfill reads them soon, and to ask of hundreds costs as much as to read them
UNFIT = re.compile(r"[/\\\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Planned:
    """One source: as it is after this look, and the slices of it that are to be written anew."""

    source: Source
    listing: Listing
    at: date
    """The day of this look."""
    state: SourceState
    slices: tuple[Slice, ...]
    """One that the source tells of no more is EMPTY."""
    anew: bool = False
    """It is another source of the name of the one that was read."""

    @property
    def filled(self) -> tuple[Slice, ...]:
        """Those that are to be brought."""
        return tuple(one for one in self.slices if one.version != EMPTY)

    @property
    def loaded(self) -> SourceState:
        """As it is once they are."""
        return self.state.with_loaded(self.slices)


def plan_sources(
    sources: Iterable[Source], known: KnownSlices, window: Window, calendar: Calendar, *, late_days: int | None = None, again: bool = False
) -> tuple[Planned, ...]:
    """`again` reads also what has not changed."""
    first, last = calendar.axis.to_read(window.start, window.end, late_days)
    wanted = Window(first, max(first, min(calendar.today, last)))
    # back to the first slice ever seen, also before the window: how whole each day told of is, only a listing of all can say
    everything = Window(min(wanted.start, known.since or wanted.start), max(calendar.today, wanted.end))
    found = []
    for source in sources:
        listing = source.slices(wanted, everything)
        _require_names(source.name, listing.slices)
        at = listing.at or calendar.today
        state = known.looked_at(source.name, listing, at, calendar.axis)
        reads = listing.reads or wanted
        # what the old one told goes, so all that the new one has is read, whatever days the run is of
        anew = known.made_anew(source.name, listing, again=again)
        slices = listing.slices if anew else state.changed(reads.start, reads.end, again=again)
        found.append(Planned(source, listing, at, _with_days(state, listing, slices), slices, anew))
    return tuple(found)


def _with_days(state: SourceState, listing: Listing, read: Iterable[Slice]) -> SourceState:
    """With what slices hold that are not read now: days and months of which they hold nothing need not wait for them."""
    reads, listed = {one.key for one in read}, {one.key for one in listing.slices}
    unknown = [one for one in state.pending if one.holds is None and one.key in listed - reads]
    if listing.holds is None or not 0 < len(unknown) <= MOST_ASKED:
        return state
    told = listing.holds(unknown)
    return replace(state, listed=tuple(replace(one, holds=told[one.key]) if one.key in told else one for one in state.listed))


def _require_names(source: str, slices: Iterable[Slice]) -> None:
    """A slice that is listed twice would count twice; and a name may become that of a file."""
    seen: set[str] = set()
    for one in slices:
        if one.key in seen:
            raise StepFailed(f"{source} lists {one.key[:80]!r} twice, so that it cannot be known which of the two counts")
        if not one.key or one.key in (".", "..") or UNFIT.search(one.key) or one.version == EMPTY or one.first > one.last:
            raise StepFailed(f"{source} lists {one.key[:80]!r}, version {one.version[:40]!r}, which is no name, version or span of a slice")
        seen.add(one.key)


def left_sources(
    books: Books, known: KnownSlices, counting: frozenset[str] | set[str], removed: Mapping[str, date]
) -> Iterator[SourceState]:
    """Sources whose credential is gone, and whose rows count all the same; of rivals their shares say whose rows do."""
    for source in sorted((known.held | removed.keys()) - counting):
        # as DaysProcessor calls an account that its provider does not name
        nameless = not books.rivals and source.startswith(f"{books.provider}-")
        yield replace(known.state(source), left=True, nameless=nameless, removed=removed.get(source))


def remedy_of(books: Books, tenant: Tenant, opened: Mapping[str, OpenedSource], sources_of: Callable[[str], Iterable[str]]) -> Remedy:
    """The call that loads days of each source that the stored credentials open."""
    named = {source: one.record.credential_name for account, one in opened.items() for source in sources_of(account)}
    return Remedy(str(tenant.org_slug), books.brought_by, {source: name for source, name in named.items() if name != DEFAULT_NAME})


def reload_of(raw: Raw, plan: Planned, known: KnownSlices) -> Reload:
    before = known.state(plan.state.source)
    looked = before.looks.latest
    read = frozenset(key for key, one in before.loaded.items() if one.version != EMPTY)
    # of one that told when it was made all that was read is the old one's
    there = {one.key for one in plan.listing.slices} if before.made is None else frozenset[str]()
    # what stayed of the old one is held against all that comes later: a table is filled again over days
    of_old = read - there if plan.anew else known.of_old(plan.state.source, plan.listing)
    anew = {one.key for one in plan.slices}
    old, fills = of_old - anew, _may_be_filled(plan, looked)
    stays = sorted(read - of_old - anew) if old or fills else []
    return Reload(
        raw,
        plan.state.source,
        plan.slices,
        restated=tuple(one.key for one in plan.slices if one.key in read and known.read_over(plan.state.source, one)),
        first_read=tuple(one.key for one in plan.slices if one.key not in read and looked is not None and one.first < looked),
        new=tuple(one.key for one in plan.slices) if looked is None else (),
        before=tuple(before.loaded[one.key] for one in plan.slices if one.key in before.loaded),
        old=tuple(before.loaded[key] for key in sorted(old)),
        stays=tuple(before.loaded[key] for key in stays),
        fills=fills,
    )


def _may_be_filled(plan: Planned, looked: date | None) -> bool:
    """Whether what was used before it was made may have been written to it, and it is not known yet."""
    if plan.state.made is None or all(gap.whole_from for gap in plan.state.gaps):
        return False
    over = plan.state.made.date() + FILLS
    return plan.at > over and (looked is None or looked <= over or any(one.first <= over for one in plan.slices))
