"""Small books to try: rates of made-up models, days by their number."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from src.core.step.prices.book import Book, BookRequest
from src.core.step.prices.rates import Rate, begin

FIRST = datetime(2026, 11, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    return FIRST + timedelta(number)


def rate(
    price: str | int, since: float | None = None, until: float | None = None, *, model: str = "m", kind: str = "input", **more: Any
) -> Rate:
    return Rate(
        provider="openai",
        model=model,
        token_kind=kind,
        price=Decimal(price),
        effective_from=None if since is None else day(since),
        effective_to=None if until is None else day(until),
        **more,
    )


def after(book: Book[Rate], request: BookRequest[Rate], now: float, by: str | None = None) -> Book[Rate]:
    change = book.change(request, day(now), by)
    assert not change.flaws, change.flaws
    return book.after(change)


def shown(book: Book[Rate]) -> list[tuple[str, float | None, float | None, str]]:
    """The rates that stand: price, days, whose they are."""
    return [
        (f"{one.price.normalize():f}", number(one.effective_from), number(one.effective_to), one.origin)
        for one in sorted(book.rates, key=lambda one: (one.axes, begin(one)))
    ]


def number(moment: datetime | None) -> float | None:
    return None if moment is None else (moment - FIRST) / timedelta(1)


def closed(book: Book[Rate]) -> Mapping[str, str | None]:
    """Why each rate of a price stands no more."""
    return {f"{row.rate.price.normalize():f}": row.closed_because for row in book.rows if not row.stands}
