from datetime import datetime
from decimal import Decimal

import pytest

from src.core.base.faults import Conflict
from src.core.step.prices.book import Book
from src.core.step.prices.changes import Add, Delete, Discount, LayOver, OwnList, Release, Reset, Update, Withdraw
from src.core.step.prices.rates import PlanRate, Rate
from tests.core.step.prices.books import after, closed, day, rate, shown

SEED = [rate("2"), rate("8", kind="output")]
M = {"model": "m"}
INPUT = {"model": "m", "token_kind": "input"}


@pytest.fixture
def book() -> Book[Rate]:
    return after(Book(), Reset(SEED), 0)


def test_an_update_closes_the_old_rate_and_opens_a_new_one_of_the_owner(book):
    old = book.rates[0].rate_id
    book = after(book, Update(INPUT, {"price": Decimal(3)}), 5, "ann")

    assert shown(book) == [("2", None, 5, "seed"), ("3", 5, None, "own"), ("8", None, None, "seed")]
    was = next(row for row in book.rows if not row.stands)
    assert (was.closed_at, was.closed_by, was.closed_because, was.rate.rate_id) == (day(5), "ann", "replaced", old)
    assert was.replaced_by == next(one.rate_id for one in book.rates if one.origin == "own")
    # what costs of the days before have named is found under the same name, at the same price
    assert [(row.edition, row.rate.price) for row in book.rows if row.rate.rate_id == old] == [(1, 2), (2, 2)]


def test_an_update_that_names_no_axes_is_for_all_rates_of_the_model(book):
    book = after(after(book, Add([rate(7, model="n")]), 1), Update(M, {"price": Decimal(1)}), 5)

    assert shown(book) == [
        ("2", None, 5, "seed"),
        ("1", 5, None, "own"),
        ("8", None, 5, "seed"),
        ("1", 5, None, "own"),
        ("7", None, None, "own"),
    ]


def test_an_update_may_be_for_a_while(book):
    book = after(book, Update(INPUT, {"price": Decimal(1)}, effective_from=day(7), effective_to=day(9)), 5)

    assert shown(book)[:3] == [("2", None, 7, "seed"), ("1", 7, 9, "own"), ("2", 9, None, "seed")]


def test_what_is_announced_still_comes_after_an_update_before_it(book):
    book = after(book, Update(INPUT, {"price": Decimal(3)}, effective_from=day(20)), 5)
    book = after(book, Update(INPUT, {"price": Decimal("2.5")}), 6)

    assert shown(book)[:3] == [("2", None, 6, "seed"), ("2.5", 6, 20, "own"), ("3", 20, None, "own")]


def test_an_update_that_dates_back_corrects_all_rates_since_and_loses_none(book):
    book = after(book, Update(INPUT, {"price": Decimal(3)}), 5)
    book = after(book, Update(INPUT, {"price": Decimal(4)}, effective_from=day(2)), 9)

    assert shown(book)[:2] == [("2", None, 2, "seed"), ("4", 2, None, "own")]
    corrected = [row for row in book.rows if row.closed_because == "corrected"]
    four = next(one.rate_id for one in book.rates if one.price == 4)
    assert [(f"{row.rate.price}", row.replaced_by, row.closed_at) for row in corrected] == [("2", four, day(9)), ("3", four, day(9))]


def test_a_delete_ends_what_applies_and_takes_back_what_is_announced(book):
    book = after(book, Update(INPUT, {"price": Decimal(3)}, effective_from=day(20)), 5)
    book = after(book, Delete(INPUT), 6)

    assert shown(book) == [("2", None, 6, "seed"), ("8", None, None, "seed")]
    assert closed(book) == {"2": "deleted", "3": "deleted"}


@pytest.mark.parametrize("announced", [{"price": Decimal(3)}, {"price": Decimal(3), "note": "cancelled later"}])
def test_an_announced_rate_is_withdrawn_and_that_it_was_is_kept(book, announced):
    before = shown(book)
    book = after(book, Update(INPUT, announced, effective_from=day(20)), 5, "ann")
    told = book.as_of(day(6))
    book = after(book, Withdraw(INPUT), 10, "bob")

    assert shown(book) == before
    withdrawn = next(row for row in book.rows if row.closed_because == "withdrawn")
    assert (withdrawn.rate.price, withdrawn.announced, withdrawn.closed_by) == (3, True, "bob")
    assert {(row.rate.rate_id, row.rate.effective_to) for row in told} == {
        (row.rate.rate_id, row.rate.effective_to) for row in book.as_of(day(9))
    }


def test_one_of_two_announced_rates_is_withdrawn_by_its_id(book):
    book = after(book, LayOver([rate(3, 10, 20), rate(4, 20)]), 5)
    last = next(one.rate_id for one in book.rates if one.price == 4)

    assert shown(after(book, Withdraw(rate_ids=frozenset({last})), 6))[:3] == [
        ("2", None, 10, "seed"),
        ("3", 10, 20, "own"),
        ("2", 20, None, "seed"),
    ]
    assert shown(after(book, Withdraw(M), 6))[:1] == [("2", None, None, "seed")]


def test_announced_rates_laid_over_each_other_are_withdrawn_together(book):
    laid = after(after(book, LayOver([rate(3, 10)]), 1), LayOver([rate(4, 12, 14)]), 2)

    assert shown(after(laid, Withdraw(INPUT), 3))[:1] == [("2", None, None, "seed")]


def test_what_went_on_after_an_announced_while_is_one_rate_again_when_it_is_withdrawn(book):
    before = shown(book)
    book = after(book, Update(INPUT, {"price": Decimal(1)}, effective_from=day(10), effective_to=day(20)), 5)

    assert shown(book)[:3] == [("2", None, 10, "seed"), ("1", 10, 20, "own"), ("2", 20, None, "seed")]
    assert shown(after(book, Withdraw(INPUT), 6)) == before


def test_what_the_seed_announces_is_withdrawn_with_what_was_laid_into_its_time(book):
    book = after(book, Release([rate("2", None, 10), rate("3", 10), SEED[1]]), 1)
    book = after(book, Update(INPUT, {"price": Decimal(1)}, effective_from=day(12), effective_to=day(20)), 2)

    assert shown(book)[:4] == [("2", None, 10, "seed"), ("3", 10, 12, "seed"), ("1", 12, 20, "own"), ("3", 20, None, "seed")]
    withdrawn = after(book, Withdraw(INPUT), 3)
    assert {line[0] for line in shown(withdrawn)[:-1]} == {"2"}
    assert shown(withdrawn)[-2][2] is None


def test_what_has_begun_is_not_withdrawn(book):
    book = after(book, Update(INPUT, {"price": Decimal(3)}), 5)

    change = book.change(Withdraw(INPUT), day(6))
    assert not change.changes
    assert "openai/m/input/standard/0/any/any applies from 2026-11-06: delete or update it" in str(change.flaws[0])


def test_a_rate_that_the_seed_announces_is_withdrawn_for_good(book):
    seed = [rate("2", None, 20), rate("3", 20), SEED[1]]
    book = after(after(book, Release(seed), 1), Withdraw(INPUT), 2)

    assert shown(book)[:2] == [("2", None, 20, "seed"), ("2", 20, None, "own")]
    assert shown(after(book, Release(seed), 3)) == shown(book)
    assert shown(after(book, Reset(seed), 3))[:2] == [("2", None, 20, "seed"), ("3", 20, None, "seed")]


def test_a_release_of_the_seed_leaves_what_the_owner_laid_and_took_away(book):
    book = after(after(book, Update(INPUT, {"price": Decimal("1.5")}), 5), Delete({"token_kind": "output"}), 6)
    newer = [rate("2", None, 10), rate("1", 10), rate("8", None, 10, kind="output"), rate("4", 10, kind="output"), rate(9, model="new")]
    book = after(book, Release(newer), 12)

    assert shown(book) == [("2", None, 5, "seed"), ("1.5", 5, None, "own"), ("8", None, 6, "seed"), ("9", None, None, "seed")]


def test_a_release_changes_rates_of_the_seed(book):
    book = after(book, Release([rate("2", None, 10), rate("1", 10), SEED[1]]), 12)

    assert shown(book)[:2] == [("2", None, 10, "seed"), ("1", 10, None, "seed")]
    assert closed(book) == {"2": "released"}
    assert not book.change(Release([rate("2", None, 10), rate("1", 10), SEED[1]]), day(13)).changes


def test_a_reset_restores_the_seed_and_says_what_it_changed(book):
    changed = after(after(book, Update(INPUT, {"price": Decimal(3)}), 5), Delete({"token_kind": "output"}), 6)
    change = changed.change(Reset(SEED), day(8), "ann")

    assert {f"{row.rate.price}": row.closed_because for row in change.closed} == {"2": "extended", "8": "extended", "3": "reset"}
    assert {f"{row.rate.price}": row.rate.effective_to for row in change.opened} == {"2": None, "8": None}
    assert shown(changed.after(change)) == shown(book)
    assert {one.rate_id for one in changed.after(change).rates} == {one.rate_id for one in book.rates}
    assert not changed.after(change).change(Reset(SEED), day(9)).changes


def test_a_discount_is_off_the_list_and_given_once(book):
    ten = after(book, Discount(SEED, Decimal(10)), 5)
    assert shown(ten) == [("2", None, 5, "seed"), ("1.8", 5, None, "own"), ("8", None, 5, "seed"), ("7.2", 5, None, "own")]
    assert {one.note for one in ten.rates if one.origin == "own"} == {"list price 2 less 10 %", "list price 8 less 10 %"}

    assert shown(after(ten, Discount(SEED, Decimal(15), INPUT), 5))[:2] == [("2", None, 5, "seed"), ("1.8", 5, day_after(5), "own")]
    assert shown(after(ten, Discount(SEED, Decimal(15), INPUT), 7))[:3] == [
        ("2", None, 5, "seed"),
        ("1.8", 5, 7, "own"),
        ("1.7", 7, None, "own"),
    ]


def day_after(number: float) -> float:
    """Two changes of one moment: the second counts as an instant later."""
    return number + 1 / 86_400_000_000


def test_a_whole_list_of_the_owner_takes_the_place_of_all(book):
    book = after(book, OwnList([rate("1.5"), rate("0.1", kind="cached_input")]), 5)

    assert shown(book) == [("0.1", 5, None, "own"), ("2", None, 5, "seed"), ("1.5", 5, None, "own"), ("8", None, 5, "seed")]
    # the seed does not fill what the list has no rate for
    assert shown(after(book, Release(SEED), 6)) == shown(book)


def test_what_an_own_list_leaves_open_is_not_filled_by_the_seed(book):
    book = after(after(book, OwnList([rate("1.5", 5, 9)], INPUT), 5), Release([*SEED, rate(3, model="n")]), 6)

    assert shown(book)[:2] == [("2", None, 5, "seed"), ("1.5", 5, 9, "own")]
    assert [line for line in shown(book) if line[0] == "3"]
    assert len([line for line in shown(book) if line[0] == "2"]) == 1


def test_a_rate_is_not_added_where_one_applies(book):
    assert "has a rate since its launch; update it" in str(book.change(Add([rate(3, 5)]), day(5)).flaws[0])
    assert "is told twice" in str(book.change(Add([rate(3, 5, model="n"), rate(4, 6, model="n")]), day(5)).flaws[0])
    assert shown(after(after(book, Delete(INPUT), 5), Add([rate(3, 6)]), 5))[1] == ("3", 6, None, "own")


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (Update({"model": "nobody"}, {"price": Decimal(1)}), "no rate of model nobody applies on 2026-11-06; add one"),
        (Update({"modle": "m"}, {"price": Decimal(1)}), "there is no axis 'modle'; did you mean 'model'?"),
        (Update(M, {"pirce": Decimal(1)}), "did you mean 'price'?"),
        (Update(M, {"price": Decimal("-1")}), "is 0 or more"),
        (Update(M, {"price": Decimal("NaN")}), "is 0 or more"),
        (Update(M, {"price": Decimal("1E-19")}), "20 digits before and 18 after the point"),
        (Update(M, {"price": Decimal(1)}, effective_from=day(6), effective_to=day(6)), "is not after effective_from"),
        (Update(M, {"price": Decimal(1)}, effective_from=datetime(2026, 11, 9)), "needs its time zone"),  # noqa: DTZ001
        (Delete({"model": "nobody"}), "there is nothing to delete"),
        (Withdraw(M), "nothing of model m is announced for later; openai/m/input/standard/0/any/any applies since its launch"),
        (Discount(SEED, Decimal(0)), "is more than 0 and 100 at most"),
        (Discount(SEED, Decimal(5), {"model": "nobody"}), "the list has no rate of model nobody"),
        (OwnList([rate(1, 2)], effective_from=day(5)), "before the list does"),
        (OwnList([rate(1, model="n")], M), "is not of model m, which the list is for"),
        (LayOver([rate(1, kind="inputt")]), "did you mean 'input'?"),
        (LayOver([rate(1, service_tier="Batch API")]), "service_tier: "),
        (LayOver([rate(1, unit="minute")]), "input is counted by token, not by 'minute'"),
        (LayOver([rate(1, currency="usd")]), "'usd' is no currency"),
        (LayOver([rate(1, model="a\u200bb")]), "none of them invisible"),
    ],
)
def test_what_is_wrong_is_told_with_its_mend_and_changes_nothing(book, request_, told):
    change = book.change(request_, day(5))

    assert told in "\n".join(map(str, change.flaws))
    assert not change.changes


def test_a_rate_has_one_name_for_what_it_says():
    one = rate("2.50", 3)

    assert one.rate_id == rate("2.5", 3, 9, source="elsewhere", note="later").rate_id
    others = [rate("2.5"), rate("2.51", 3), rate("2.5", 3, model="n"), rate("2.5", 3, origin="own"), rate("2.5", 3, per=1000)]
    assert len({one.rate_id, *(other.rate_id for other in others)}) == 6
    # costs have named it: a change of how ids are made would lose them
    assert one.rate_id == "seed_979376b03e7d4592bcb3cac5"


def test_of_two_callers_at_once_one_begins_again(book):
    add = Add([rate(9, model="n")])
    first, second = book.change(add, day(5), "ann"), book.change(add, day(5), "bob")
    book = book.after(first)

    with pytest.raises(Conflict, match="changed meanwhile"):
        book.after(second)
    assert "has a rate since its launch" in str(book.change(add, day(5), "bob").flaws[0])


def test_subscriptions_are_kept_by_the_same_book():
    plus, enterprise = (
        PlanRate(provider="openai", plan_name="Plus", price=Decimal(20), unit="user"),
        PlanRate(provider="openai", plan_name="Enterprise", price=None),
    )
    book: Book[PlanRate] = Book()
    book = book.after(book.change(Reset([plus, enterprise]), day(0)))
    book = book.after(book.change(Update({"plan_name": "Enterprise"}, {"price": Decimal(45), "seats": 200}), day(5)))

    assert [(one.plan_name, one.price, one.seats, one.origin) for one in book.rates] == [
        ("Plus", 20, None, "seed"),
        ("Enterprise", None, None, "seed"),
        ("Enterprise", 45, 200, "own"),
    ]
