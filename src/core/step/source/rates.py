"""The rates by which a publication prices use, laid beside its tables."""

from collections.abc import Iterable
from datetime import date

from src.core.base.faults import Missing
from src.core.engine import write_rows
from src.core.engine.files.disk_space import room_for_files
from src.core.engine.port import ParquetFiles
from src.core.step.books.rules import Prices
from src.core.step.prices.book import Book
from src.core.step.prices.kinds import Seed
from src.core.step.prices.rate_card import rate_card
from src.core.step.prices.rates import Rate
from src.core.step.prices.store import BookStore
from src.core.step.source.load_parts import LaidRates, Work

RELATION = "rates"


def lay_rates(work: Work, prices: Prices, days: Iterable[date]) -> LaidRates:
    """The rates of every kind of use of these days, as the book stands now."""
    uses = work.asking.uses(prices, days)
    book, absent = _book(work, prices.seed)
    card = rate_card(uses, prices.seed, book, absent)
    path = work.loading.folder / f"{RELATION}.parquet"
    with room_for_files():
        write_rows(path, card.shape.fields, card.rows)
    work.publication.stage(RELATION, ParquetFiles((path,)), card.shape)
    return LaidRates(absent is None, book.last)


def _book(work: Work, seed: Seed[Rate]) -> tuple[Book[Rate], str | None]:
    """And why there is none: what was loaded must not be lost for want of prices."""
    try:
        return BookStore(work.context.services, work.tenant, seed).read(), None
    except Missing as missing:
        return Book(), missing.detail
