"""Which slices a run looks at, and which of them it reads. What it asks of a source is only its listing."""

from collections.abc import Iterable
from dataclasses import dataclass

from src.core.base.window import Window
from src.core.providers.slices import Slice
from src.core.step.books.completeness import Calendar, SourceState
from src.core.step.books.coverage import KnownSlices
from src.core.step.source.port import Source


@dataclass(frozen=True, slots=True)
class Planned:
    """One source: as it is after this look, and the slices of it that are to be written anew."""

    source: Source
    state: SourceState
    slices: tuple[Slice, ...]

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
        state = known.looked_at(source.name, source.slices(wanted, everything), calendar.today, calendar.axis)
        found.append(Planned(source, state, state.changed(wanted.start, wanted.end, again=again)))
    return tuple(found)
