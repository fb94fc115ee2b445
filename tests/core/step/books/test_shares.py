"""Which rows of which export count: no row of an account's bill twice, and none lost."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from src.core.step.books.shares import Reach, Share, contested, shares

FIRST = date(2026, 9, 1)


def on(number):
    return FIRST + timedelta(number)


def test_a_source_alone_counts_whole():
    assert shares([("a", "X"), ("b", "Y")], {"a": Reach(on(0), on(9)), "b": Reach(on(0), on(9))}, frozenset("ab")) == (
        Share("a"),
        Share("b"),
    )


def test_sources_that_count_at_once_are_both_whole():
    assert shares([("a", "X"), ("b", "X")], {"a": Reach(on(0), on(9)), "b": Reach(on(5), on(9))}, frozenset("ab")) == (
        Share("a"),
        Share("b"),
    )


def test_a_newer_source_takes_over_on_the_day_after_it_began():
    found = shares([("old", "X"), ("new", "X")], {"old": Reach(on(0), on(20)), "new": Reach(on(10), on(30))}, frozenset({"new"}))

    assert found == (Share("new", "X", own_from=on(11), load_floor=on(20)), Share("old", "X", until_day=on(11)))


def test_an_older_source_that_began_no_earlier_adds_nothing():
    found = shares([("old", "X"), ("new", "X")], {"old": Reach(on(5), on(20)), "new": Reach(on(5), on(30))}, frozenset({"new"}))

    assert found == (Share("new", "X"),)


def test_a_change_of_what_counts_names_its_accounts():
    now = shares([("old", "X"), ("new", "X"), ("else", "Y")], {"old": Reach(on(0), on(9)), "new": Reach(on(5), on(9))}, frozenset({"new"}))

    assert contested([], now) == {"X"}
    assert contested([share.shown for share in now], now) == set()


def counts(share, used, written):
    """As the questions `fill` and `counted` say it."""
    before = share.until_day is None or used < share.until_day
    return before and (share.own_from is None or used >= share.own_from or (share.load_floor is not None and written > share.load_floor))


@given(
    spans=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)).map(sorted), min_size=1, max_size=4),
    used=st.integers(0, 40),
    late=st.integers(0, 20),
)
def test_every_row_that_an_export_holds_counts_exactly_once(spans, used, late):
    """The same row stands in every export that was being written to on its day of writing; each was read from its first day to its last."""
    written = used + late
    reaches = {f"s{number}": Reach(on(first), on(last)) for number, (first, last) in enumerate(spans)}
    newest = max(reaches, key=lambda source: (reaches[source].last, source))
    holding = {source for source, reach in reaches.items() if reach.first <= on(written) <= reach.last}
    found = shares([(source, "X") for source in reaches], reaches, frozenset({newest}))
    times = sum(counts(share, on(used), on(written)) for share in found if share.source_table in holding)

    assert times <= 1
    if newest in holding and on(used) > reaches[newest].first:
        assert times == 1
