"""What of a book is asked for, a page at a time. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, Literal

from src.core.base.cursors import cursor_of, place_of
from src.core.step.prices.book import Book, BookRow
from src.core.step.prices.rates import D, begin, covers, end

RateState = Literal["over", "applies", "announced", "closed"]
Place = tuple[tuple[str, ...], datetime, str, int]


@dataclass(frozen=True)
class BookQuestion:
    equal: Mapping[str, str | int] = field(default_factory=dict)
    """Fields of a rate and what they must be."""
    at: datetime | None = None
    """Rates that are for this instant of use."""
    as_of: datetime | None = None
    """As the book was then."""
    history: bool = False
    """Rows that stand there no more too."""

    @property
    def fingerprint(self) -> str:
        told = [sorted(self.equal.items()), str(self.at), str(self.as_of), self.history]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class BookPage(Generic[D]):
    rows: tuple[BookRow[D], ...]
    as_of: datetime
    """The book of this moment; later pages are of the same."""
    next_cursor: str | None


def listed(book: Book[D], question: BookQuestion, now: datetime, limit: int | None = None, cursor: str | None = None) -> BookPage[D]:
    after: Place | None = None
    # not the clock's: what is being published while this is read has a moment before it, and would stand on later pages alone;
    # nor one to come, of which there is no book yet
    newest = book.last or now
    as_of = newest if question.as_of is None else min(question.as_of, newest)
    if cursor is not None:
        as_of, after = place_of(cursor, question.fingerprint, _told)
    rows = [row for row in book.rows if row.recorded_at <= as_of] if question.history else book.as_of(as_of)
    fitting = sorted((row for row in rows if _fits(row, question)), key=_place)
    rest = fitting if after is None else [row for row in fitting if _place(row) > after]
    shown = rest[:limit]
    more = len(rest) > len(shown)
    return BookPage(tuple(shown), as_of, _cursor(as_of, shown[-1], question.fingerprint) if more else None)


def latest(book: Book[D], now: datetime) -> datetime:
    """The moment of the last change, where it is ahead of the clock that is asked."""
    return now if book.last is None else max(now, book.last)


def state_of(row: BookRow[D], now: datetime) -> RateState:
    if not row.stands:
        return "closed"
    if begin(row.rate) > now:
        return "announced"
    return "applies" if now < end(row.rate) else "over"


def _fits(row: BookRow[D], question: BookQuestion) -> bool:
    equal = all(getattr(row.rate, name) == value for name, value in question.equal.items())
    return equal and (question.at is None or covers(row.rate, question.at))


def _place(row: BookRow[D]) -> Place:
    # numbers as texts of one length, so that whatever a cursor says can be compared
    axes = tuple(f"{value:020}" if isinstance(value, int) else value for value in row.rate.axes)
    return axes, begin(row.rate), row.rate.rate_id, row.edition


def _cursor(as_of: datetime, row: BookRow[D], fingerprint: str) -> str:
    axes, start, rate_id, edition = _place(row)
    return cursor_of(fingerprint, [as_of.astimezone(UTC).isoformat(), axes, start.isoformat(), rate_id, edition])


def _told(parts: list[Any]) -> tuple[datetime, Place]:
    as_of, axes, start, rate_id, edition = parts
    moments = datetime.fromisoformat(as_of), datetime.fromisoformat(start)
    texts = isinstance(axes, list) and all(isinstance(part, str) for part in (*axes, rate_id))
    if any(moment.tzinfo is None for moment in moments) or not texts or not isinstance(edition, int):
        raise ValueError(parts)
    return moments[0], (tuple(axes), moments[1], rate_id, edition)
