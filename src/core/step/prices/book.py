"""A price book: every rate that ever stood in it, and what a change does to it. Pure: rows and a moment in, rows out.

A row is one edition of a rate. Nothing in it is altered but that it is closed, once; a rate whose end or source changes is closed and
opened again as its next edition under the same id, so that a cost that names the rate finds its price for ever, and the book of any moment
is told by the rows alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Generic, Literal, Protocol

from src.core.base.faults import Conflict, Flaw
from src.core.step.prices.rates import Axes, D, DatedRate, begin
from src.core.step.prices.timeline import Span, Timelines, clashes, overlap, span, without

Because = Literal["replaced", "corrected", "deleted", "withdrawn", "extended", "reset", "released"]
INSTANT = timedelta(microseconds=1)
# what took the place of a replaced one may have been of a shorter time
TAKEN_AWAY = frozenset({"replaced", "corrected", "deleted"})


@dataclass(frozen=True, kw_only=True)
class BookRow(Generic[D]):
    rate: D
    edition: int
    recorded_at: datetime
    """From then on it stood in the book."""
    recorded_by: str | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None
    closed_because: Because | None = None
    replaced_by: str | None = None
    """The rate that took its place, or the first of them."""

    @property
    def key(self) -> tuple[str, int]:
        return self.rate.rate_id, self.edition

    @property
    def stands(self) -> bool:
        return self.closed_at is None

    def stood(self, at: datetime) -> bool:
        return self.recorded_at <= at and (self.closed_at is None or at < self.closed_at)

    @property
    def announced(self) -> bool:
        """It came into the book before it applied."""
        return begin(self.rate) > self.recorded_at

    def ahead(self, now: datetime) -> bool:
        return begin(self.rate) > now


@dataclass(frozen=True)
class BookChange(Generic[D]):
    """What is to be written: the rows to close, and those to open. With flaws it is neither."""

    at: datetime
    """The moment of the change, after that of every change before it."""
    follows: datetime | None
    """The moment of the last change that it knows of: where a later one was written meanwhile, it is to be asked for anew."""
    closed: tuple[BookRow[D], ...] = ()
    opened: tuple[BookRow[D], ...] = ()
    flaws: tuple[Flaw, ...] = ()

    @property
    def changes(self) -> bool:
        return bool(self.closed or self.opened)


class BookRequest(Protocol[D]):
    """What somebody wants of a book; `changes.py` has them all."""

    @property
    def because(self) -> Because | None:
        """Why rows close by it, where it is not told by what becomes of them."""
        ...

    def carry_out(self, sheet: "Sheet[D]") -> list[Flaw]:
        """Changes the sheet, or says what is wrong with the request."""
        ...


class Sheet(Timelines[D]):
    """The rates that stand, to be changed; the book they stand in, and the moment of the change."""

    def __init__(self, book: "Book[D]", at: datetime) -> None:
        super().__init__(book.rates)
        self.book = book
        self.at = at


@dataclass(frozen=True)
class Book(Generic[D]):
    rows: tuple[BookRow[D], ...] = ()

    @cached_property
    def standing(self) -> tuple[BookRow[D], ...]:
        return tuple(row for row in self.rows if row.stands)

    @cached_property
    def rates(self) -> tuple[D, ...]:
        return tuple(row.rate for row in self.standing)

    def as_of(self, moment: datetime) -> tuple[BookRow[D], ...]:
        """The rows that stood then: what was known, of whatever day."""
        return tuple(row for row in self.rows if row.stood(moment))

    def change(self, request: BookRequest[D], now: datetime, by: str | None = None) -> BookChange[D]:
        at = self._moment(now)
        sheet = Sheet(self, at)
        flaws = tuple(request.carry_out(sheet))
        if flaws:
            return BookChange(at, self.last, flaws=flaws)
        return self._difference(sheet, at, by, request.because)

    @cached_property
    def last(self) -> datetime | None:
        """The moment of the last change."""
        return max((moment for row in self.rows for moment in (row.recorded_at, row.closed_at) if moment), default=None)

    def after(self, change: BookChange[D]) -> "Book[D]":
        if change.follows != self.last:
            raise Conflict("the price book was changed meanwhile; ask again")
        closed = {row.key: row for row in change.closed}
        return Book((*(closed.get(row.key, row) for row in self.rows), *change.opened))

    def flaws(self) -> Iterator[Flaw]:
        """What must never be: two rates at one moment on the same axes."""
        for one, two in clashes(self.rates):
            yield Flaw(f"{one.rate_id} and {two.rate_id} apply at one moment", field="/".join(map(str, one.axes)))

    def lost(self) -> Mapping[Axes, list[Span]]:
        """Spans in which whoever owns the book took a rate away and nothing was laid since: no seed fills them again."""
        spans: dict[Axes, list[Span]] = {}
        for row in self.rows:
            if row.closed_because in TAKEN_AWAY or (row.closed_because == "withdrawn" and row.rate.origin == "seed"):
                later = [span(one.rate) for one in self._on(row.rate.axes) if row.closed_at and one.recorded_at >= row.closed_at]
                spans.setdefault(row.rate.axes, []).extend(span(part) for part in without(row.rate, later))
        return spans

    def closed_for(self, row: BookRow[D]) -> list[BookRow[D]]:
        """What was closed in the moment in which this rate came into the book, on its axes."""
        editions = {one.edition: one for one in self._on(row.rate.axes) if one.rate.rate_id == row.rate.rate_id}
        first = row
        while (before := editions.get(first.edition - 1)) is not None and before.closed_at == first.recorded_at:
            first = before
        return [one for one in self._on(row.rate.axes) if one.closed_at == first.recorded_at and one.rate.rate_id != row.rate.rate_id]

    @cached_property
    def _by_axes(self) -> Mapping[Axes, list[BookRow[D]]]:
        found: dict[Axes, list[BookRow[D]]] = {}
        for row in self.rows:
            found.setdefault(row.rate.axes, []).append(row)
        return found

    def _on(self, axes: Axes) -> list[BookRow[D]]:
        return self._by_axes.get(axes, [])

    def _moment(self, now: datetime) -> datetime:
        # two changes of one moment could not be told apart afterwards
        return now if self.last is None or self.last < now else self.last + INSTANT

    def _difference(self, sheet: Timelines[D], at: datetime, by: str | None, because: Because | None) -> BookChange[D]:
        wanted = {_told(rate): rate for rate in sheet}
        kept = {_told(row.rate) for row in self.standing}
        opened = tuple(
            BookRow(rate=rate, edition=self._next_edition(rate), recorded_at=at, recorded_by=by)
            for key, rate in wanted.items()
            if key not in kept
        )
        gone = [row for row in self.standing if _told(row.rate) not in wanted]
        return BookChange(at, self.last, tuple(_closed(row, sheet, at, by, because) for row in gone), opened)

    def _next_edition(self, rate: D) -> int:
        return 1 + max((row.edition for row in self._on(rate.axes) if row.rate.rate_id == rate.rate_id), default=0)


def _told(rate: DatedRate) -> tuple[Any, ...]:
    """All that a row says of a rate: one whose source is another is written anew too."""
    return rate.rate_id, rate.effective_to, rate.source, rate.source_date, rate.note


def _closed(row: BookRow[D], sheet: Timelines[D], at: datetime, by: str | None, because: Because | None) -> BookRow[D]:
    line = sheet.on(row.rate.axes)
    same = [span(rate) for rate in line if rate.rate_id == row.rate.rate_id]
    away = [span(part) for part in without(row.rate, same)]
    successors = [rate for rate in line if any(overlap(span(rate), part) for part in away)]
    replaced_by = successors[0].rate_id if successors else None
    return replace(
        row,
        closed_at=at,
        closed_by=by,
        closed_because=_reason(away, successors, at, because) if away else "extended",
        replaced_by=replaced_by,
    )


def _reason(away: Iterable[Span], successors: list[D], at: datetime, because: Because | None) -> Because:
    if because is not None:
        return because
    if not successors:
        return "deleted"
    # costs of days that are over have named the old rate, and would come out otherwise by the new one
    return "corrected" if min(start for start, _ in away) < at and begin(successors[0]) < at else "replaced"
