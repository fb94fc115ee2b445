"""Which slices a run looks at, and which of them it reads. What it asks of a source is only its listing."""

from collections.abc import Iterable
from dataclasses import dataclass

from src.core.base.window import Window
from src.core.providers.slices import Listing, Slice
from src.core.step.books.completeness import EMPTY, Calendar, SourceState
from src.core.step.books.coverage import KnownSlices
from src.core.step.source.port import Source


@dataclass(frozen=True, slots=True)
class Planned:
    """One source: as it is after this look, and the slices of it that are to be written anew."""

    source: Source
    listing: Listing
    state: SourceState
    slices: tuple[Slice, ...]
    """One that the source tells of no more is EMPTY."""

    @property
    def filled(self) -> tuple[Slice, ...]:
        """Those that are to be brought."""
        return tuple(one for one in self.slices if one.version != EMPTY)

    @property
    def loaded(self) -> SourceState:
        """As it is once they are."""
        return self.state.with_loaded(self.slices)


def planned(
    sources: Iterable[Source], known: KnownSlices, window: Window, calendar: Calendar, *, late_days: int | None = None, again: bool = False
) -> tuple[Planned, ...]:
    """`again` reads also what has not changed."""
    first, last = calendar.axis.to_read(window.start, window.end, late_days)
    wanted = Window(first, max(first, min(calendar.today, last)))
    everything = Window(min(wanted.start, known.since or wanted.start), max(calendar.today, wanted.end))
    found = []
    for source in sources:
        listing = source.slices(wanted, everything)
        state = known.looked_at(source.name, listing, calendar.today, calendar.axis)
        found.append(Planned(source, listing, state, state.changed(wanted.start, wanted.end, again=again)))
    return tuple(found)
