"""Any sequence of changes, from several callers, on small books: what must hold of every one of them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from src.core.base.faults import Conflict
from src.core.step.prices.book import Book, BookRequest, BookRow
from src.core.step.prices.changes import Add, Delete, Discount, LayOver, OwnList, Release, Reset, Update, Withdraw
from src.core.step.prices.price_list import PriceList, Use
from src.core.step.prices.rates import ALWAYS, NEVER, Rate, begin, end
from src.core.step.prices.timeline import clashes, span, without
from tests.core.step.prices.books import day, number, rate

LAST = 12
DAYS = range(-1, LAST)
MODELS, KINDS = ("m", "n"), ("input", "output")
SEEDS: Sequence[Sequence[Rate]] = (
    [rate(10), rate(20, kind="output")],
    [rate(10, None, 6), rate(9, 6), rate(20, kind="output"), rate(30, model="n")],
    [rate(10, None, 6), rate(11, 6, 9), rate(8, 9), rate(30, None, 4, model="n"), rate(31, 7, model="n")],
)

prices = st.integers(0, 9).map(Decimal)
moments = st.integers(0, LAST - 1).map(day)
since = st.one_of(st.none(), moments)
chosen = st.fixed_dictionaries({}, optional={"model": st.sampled_from(MODELS), "token_kind": st.sampled_from(KINDS)})


@st.composite
def rates(draw: st.DrawFn) -> Rate:
    ends = sorted(draw(st.lists(st.integers(0, LAST), min_size=2, max_size=2, unique=True)))
    first, last = draw(st.sampled_from([(None, None), (None, ends[1]), (ends[0], None), (ends[0], ends[1])]))
    return rate(str(draw(prices)), first, last, model=draw(st.sampled_from(MODELS)), kind=draw(st.sampled_from(KINDS)))


lists = st.lists(rates(), min_size=1, max_size=3)
requests: st.SearchStrategy[BookRequest[Rate]] = st.one_of(
    st.builds(Add, lists),
    st.builds(LayOver, lists),
    st.builds(Update, chosen, st.builds(lambda price: {"price": price}, prices), since, since),
    st.builds(Delete, chosen, since),
    st.builds(Withdraw, chosen),
    st.builds(Reset, st.sampled_from(SEEDS)),
    st.builds(Release, st.sampled_from(SEEDS)),
    st.builds(Discount, st.sampled_from(SEEDS), st.sampled_from([Decimal(10), Decimal(50)]), chosen, since, since),
    st.builds(OwnList, lists, chosen, since),
)
steps = st.lists(st.tuples(requests, st.integers(0, 2)), max_size=8)


def played(done: Sequence[tuple[BookRequest[Rate], int]]) -> list[tuple[Book[Rate], datetime]]:
    """Each book on the way, and the moment of the change that made it; what changes nothing leaves none."""
    book, at, books = Book[Rate](), 0, []
    for request, later in [(Reset(SEEDS[0]), 0), *done]:
        at += later
        change = book.change(request, day(at))
        assert not (change.flaws and change.changes)
        if change.changes:
            book = book.after(change)
            books.append((book, change.at))
    return books


def told(rates_: Sequence[Rate]) -> dict[tuple[str, str, int], tuple[Decimal, str] | None]:
    listed = PriceList(rates_)
    cells = [(model, kind, number_) for model in MODELS for kind in KINDS for number_ in DAYS]
    found = {cell: listed.rate(Use("openai", *cell[:2]), day(cell[2])) for cell in cells}
    return {cell: None if one is None else (one.price, one.origin) for cell, one in found.items()}


def as_opened(row: BookRow[Rate]) -> BookRow[Rate]:
    return replace(row, closed_at=None, closed_by=None, closed_because=None, replaced_by=None)


@given(steps)
def test_at_no_moment_two_rates_apply_on_the_same_axes(done):
    for book, _ in played(done):
        assert not list(book.flaws())
        assert not list(clashes(book.rates))


@given(steps, st.data())
def test_whatever_comes_at_once_from_two_callers_leaves_one_rate(done, data):
    book = Book[Rate]()
    waiting = [Reset(SEEDS[0]), *(request for request, _ in done)]
    while waiting:
        both = [waiting.pop(0) for _ in range(min(2, len(waiting)))]
        changes = [(request, book.change(request, day(1))) for request in both]
        for request, change in data.draw(st.permutations(changes)):
            try:
                book = book.after(change)
            except Conflict:
                book = book.after(book.change(request, day(1)))
            assert not list(book.flaws())


@given(steps)
def test_nothing_is_ever_lost(done):
    before: Book[Rate] = Book()
    for book, at in played(done):
        for was, now in zip(before.rows, book.rows, strict=False):
            assert as_opened(was) == as_opened(now)
            assert was == now or (was.stands and now.closed_at == at)
        assert len(book.rows) >= len(before.rows)
        assert len({row.key for row in book.rows}) == len(book.rows)
        said = {(row.rate.rate_id, row.rate.axes, row.rate.price, row.rate.effective_from, row.rate.origin) for row in book.rows}
        assert len({one[0] for one in said}) == len(said)
        before = book


@given(steps)
def test_the_book_of_any_moment_is_told_by_its_rows(done):
    books = played(done)
    last = books[-1][0]
    for book, at in books:
        assert {as_opened(row) for row in last.as_of(at)} == set(book.standing)
    assert [at for _, at in books] == sorted({at for _, at in books})


@given(steps)
def test_a_reset_is_the_seed_and_a_release_of_the_seed_that_stands_changes_nothing(done):
    book = played(done)[-1][0]
    reset = book.after(book.change(Reset(SEEDS[1]), day(30)))
    assert set(reset.rates) == set(SEEDS[1])
    assert not reset.change(Release(SEEDS[1]), day(31)).changes

    released = book.after(book.change(Release(SEEDS[1]), day(30)))
    assert not released.change(Release(SEEDS[1]), day(31)).changes
    own = {(one.rate_id, one.effective_to) for one in book.rates if one.origin == "own"}
    assert own == {(one.rate_id, one.effective_to) for one in released.rates if one.origin == "own"}
    seed = PriceList(SEEDS[1])
    for (model, kind, number_), found in told(released.rates).items():
        listed = seed.rate(Use("openai", model, kind), day(number_))
        assert found is None or found[1] == "own" or (listed is not None and found[0] == listed.price)


@given(steps, chosen, prices, st.sampled_from([None, day(50)]))
def test_what_is_announced_and_withdrawn_leaves_what_was(done, axes, new, until):
    book = played(done)[-1][0]
    announced = book.change(Update(axes, {"price": new}, effective_from=day(40), effective_to=until), day(30))
    laid = book.after(announced)
    ids = frozenset(row.rate.rate_id for row in announced.opened if begin(row.rate) == day(40))
    withdrawn = laid.change(Withdraw(rate_ids=ids), day(31)) if ids else None

    after = laid.after(withdrawn) if withdrawn else laid
    assert {(one.rate_id, one.effective_to) for one in after.rates} == {(one.rate_id, one.effective_to) for one in book.rates}


ahead = rates().map(lambda one: one.but(effective_from=one.effective_from or day(0)))


@given(st.lists(ahead, min_size=1, max_size=5))
def test_however_much_is_announced_all_of_it_is_withdrawn_at_once(laid):
    seed = SEEDS[0]
    book: Book[Rate] = Book()
    book = book.after(book.change(Reset(seed), day(-3)))
    for one in laid:
        book = book.after(book.change(LayOver([one]), day(-2)))

    assert set(book.after(book.change(Withdraw(), day(-1))).rates) == set(seed)


class Plain:
    """What a book ought to tell of each day, from what is asked of it alone. A run of one mark is one rate."""

    def __init__(self, rates_: Sequence[Rate]) -> None:
        self.days: dict[tuple[str, str, int], tuple[Decimal, object]] = {}
        for one in rates_:
            self.lay(one.model, one.token_kind, one.effective_from, one.effective_to, one.price)

    def lay(self, model: str, kind: str, start: datetime | None, stop: datetime | None, price_: Decimal | None) -> None:
        mark = object()
        for number_ in DAYS:
            if (start or ALWAYS) <= day(number_) < (stop or NEVER):
                self.days.pop((model, kind, number_), None)
                if price_ is not None:
                    self.days[model, kind, number_] = (price_, mark)

    def until(self, model: str, kind: str, number_: int) -> int:
        mark = self.days[model, kind, number_][1]
        while self.days.get((model, kind, number_), (None, None))[1] is mark:
            number_ += 1
        return number_

    def carry_out(self, request: Any, at: int) -> None:
        if isinstance(request, Add | LayOver):
            for one in request.rates:
                self.lay(one.model, one.token_kind, one.effective_from, one.effective_to, one.price)
        elif isinstance(request, Update):
            start = at if request.effective_from is None else int(number(request.effective_from) or 0)
            found = [(model, kind) for model, kind, number_ in self._chosen(request.chosen) if number_ == max(start, at)]
            for model, kind in found:
                stop = request.effective_to or day(self.until(model, kind, max(start, at)))
                self.lay(model, kind, day(start), stop, request.anew["price"])
        elif isinstance(request, Delete):
            for model, kind in {(model, kind) for model, kind, _ in self._chosen(request.chosen)}:
                self.lay(model, kind, request.effective_from or day(at), None, None)

    def _chosen(self, axes: Any) -> list[tuple[str, str, int]]:
        return [one for one in self.days if axes.get("model", one[0]) == one[0] and axes.get("token_kind", one[1]) == one[1]]


@given(steps)
def test_each_day_has_the_price_that_was_asked_for(done):
    book, at = Book[Rate](), 0
    for request, later in [(Reset(SEEDS[0]), 0), *done]:
        at += later
        if at >= LAST or any(row.recorded_at >= day(at) or (row.closed_at or ALWAYS) >= day(at) for row in book.rows):
            at += 1
        if at >= LAST:
            return
        change = book.change(request, day(at))
        known = isinstance(request, Add | LayOver | Update | Delete)
        plain = Plain(book.rates)
        book = book.after(change)
        if known and not change.flaws:
            plain.carry_out(request, at)
            found = {key: one and one[0] for key, one in told(book.rates).items()}
            assert found == {key: (plain.days.get(key) or (None,))[0] for key in found}


@given(rates(), st.lists(st.tuples(st.integers(-1, LAST), st.integers(1, 5)), max_size=4))
def test_what_is_left_outside_of_spans_is_all_that_no_span_covers(one, cuts):
    spans = [(day(start), day(start + length)) for start, length in cuts]
    parts = without(one, spans)
    for number_ in DAYS:
        covered = begin(one) <= day(number_) < end(one) and not any(start <= day(number_) < stop for start, stop in spans)
        assert sum(begin(part) <= day(number_) < end(part) for part in parts) == covered
    assert all(span(part)[0] < span(part)[1] for part in parts)
