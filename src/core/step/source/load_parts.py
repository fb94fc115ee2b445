"""What one step publishes, and what came of it."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from src.core.base.identity import Tenant
from src.core.base.schema import TableSchema
from src.core.base.window import Window
from src.core.engine.port import Params, Publication, Scalar
from src.core.step.books.completeness import Calendar, SourceState
from src.core.step.books.coverage import KnownSlices
from src.core.step.books.gaps import OF_LOAD_DAYS, Gap, told_again
from src.core.step.books.history import Restatement
from src.core.step.books.questions import Asking, Reload
from src.core.step.books.rules import Books, Raw
from src.core.step.books.shares import Share
from src.core.step.books.telling import By, DayFigures
from src.core.step.books.totals import ControlTotals
from src.core.step.context import StepContext
from src.core.step.counted import OpenedSource
from src.core.step.quality.judge import QualityVerdict
from src.core.step.source.fetching import Batch


@dataclass(frozen=True, slots=True)
class Landing:
    """Where rows go: `query` reads the staged source and gives the table's columns by name; without one they are there already."""

    raw: Raw
    query: str | None
    params: Mapping[str, Scalar]
    shape: TableSchema


@dataclass(frozen=True, slots=True)
class SourceStates:
    """Every source whose costs count today: those that were asked now, with what was just read, and the others as they are remembered."""

    asked: tuple[SourceState, ...]
    others: tuple[SourceState, ...]
    known: KnownSlices
    beside: frozenset[str] = frozenset()
    """Of those asked the ones of which no day is expected: how whole a day is, they do not say."""
    left: tuple[SourceState, ...] = ()
    """Those that no credential opens any more, and whose rows are here, or were never read."""
    named: Mapping[str, str | None] = field(default_factory=dict)
    """The account after which each of them is named, where sources are rivals."""
    gaps: Mapping[str, tuple[Gap, ...]] = field(default_factory=dict)
    """What is not known of a source with those whose place it took."""

    @property
    def counting(self) -> tuple[SourceState, ...]:
        return tuple(self._told(one) for one in (*(one for one in self.asked if one.source not in self.beside), *self.others))

    def settled(self, filled: Mapping[str, date], doubts: Mapping[str, tuple[Gap, ...]]) -> "SourceStates":
        """Some tell all of the days of use from a day on, whatever was written when; of some there are days in doubt."""

        def one(state: SourceState) -> SourceState:
            unknown = (gap for gap in state.gaps if gap.kind in OF_LOAD_DAYS)
            gaps = (*unknown, *doubts[state.source]) if state.source in doubts else state.gaps
            return replace(state, gaps=told_again(gaps, filled[state.source]) if state.source in filled else gaps)

        return replace(self, asked=tuple(one(state) for state in self.asked))

    @property
    def judged(self) -> tuple[SourceState, ...]:
        """By which it is told how whole a day is."""
        return (*self.counting, *self.left)

    def each(self, made: Callable[[SourceState], SourceState]) -> "SourceStates":
        asked, others, left = (tuple(made(state) for state in states) for states in (self.asked, self.others, self.left))
        return replace(self, asked=asked, others=others, left=left)

    def known_of(self, gaps: Mapping[str, tuple[Gap, ...]], others: Container[str]) -> "SourceStates":
        """`others` are the sources that others have taken the place of."""
        return replace(self, gaps=gaps, left=tuple(one for one in self.left if one.source not in others))

    def _told(self, state: SourceState) -> SourceState:
        # of one that does not begin, what was before is not unknown, only not read
        return replace(state, gaps=self.gaps.get(state.source, state.gaps)) if state.begins is not None else state


@dataclass(frozen=True, slots=True)
class SourceLoad:
    """What one step publishes."""

    books: Books
    destinations: Mapping[str, Landing]
    """By table."""
    window: Window
    reloads: tuple[Reload, ...]
    batches: tuple[Batch, ...]
    sources: SourceStates
    calendar: Calendar
    folder: Path
    """Of this attempt's own, where files are put to be staged."""
    given: Params = field(default_factory=dict)
    """What the provider's questions name beside days."""
    reprice: bool = False
    """Nothing is read: the days of the window that hold rows are made anew."""
    again: bool = False
    """What has not changed is read too, and taken at its word."""
    opened: Mapping[str, OpenedSource] = field(default_factory=dict)
    """What the stored credentials open, and days are judged by."""

    @property
    def source(self) -> str:
        if self.reprice and self.books.prices:
            return self.books.prices.seed.table
        return ", ".join(state.source for state in self.sources.asked)

    @property
    def rows(self) -> int:
        return sum(batch.rows for batch in self.batches)


@dataclass(frozen=True, slots=True)
class LaidRates:
    """What a publication priced by."""

    there: bool
    """Whether there is a book to price by."""
    changed_at: datetime | None
    """When a rate of it was last laid, closed or taken away."""


@dataclass(slots=True)
class Closed:
    days: tuple[DayFigures, ...]
    changed: tuple[dict[str, Any], ...]
    """The rows of the days of which anything is told differently than before."""
    restated: tuple[Restatement, ...]
    touched: tuple[date, ...]
    tables: dict[str, int]
    shares: tuple[Share, ...]
    rates: LaidRates | None = None
    unpriced: Sequence[Mapping[str, Any]] = ()
    """What has no price in the days made anew, and why."""
    tells: Sequence[Mapping[str, Any]] = ()
    """What the provider's books tell of these days in a run's result."""

    @property
    def days_changed(self) -> list[date]:
        """Those of which anything is told differently than before."""
        return sorted({row["usage_date"] for row in self.changed})


@dataclass(slots=True)
class Published:
    manifest: dict[str, Any]
    closed: Closed


@dataclass(slots=True)
class WrittenRows:
    tables: dict[str, int]
    read: ControlTotals = field(default_factory=ControlTotals)
    objects: list[dict[str, Any]] = field(default_factory=list)
    absent: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)

    @property
    def rows(self) -> int:
        return sum(self.tables.values())


@dataclass(frozen=True, slots=True)
class Work:
    """What the parts of the script share."""

    context: StepContext
    tenant: Tenant
    loading: SourceLoad
    publication: Publication
    asking: Asking
    by: By
    verdicts: list[QualityVerdict] = field(default_factory=list)

    @property
    def books(self) -> Books:
        return self.loading.books
