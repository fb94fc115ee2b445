"""Which rows of which export count: no row of an account's bill twice, and none lost."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.core.base.faults import Conflict
from src.core.step.books.shares import Reach, Share, contested, shares, told_since

FIRST = date(2026, 9, 1)


def on(number):
    return FIRST + timedelta(number)


def test_a_source_alone_counts_whole():
    assert shares([("a", "X"), ("b", "Y")], {"a": Reach(on(0), on(9)), "b": Reach(on(0), on(9))}, frozenset("ab")) == (
        Share("a"),
        Share("b"),
    )


def test_of_two_that_count_at_once_the_one_named_after_the_account_counts():
    reaches = {"parent": Reach(on(0), on(9)), "own": Reach(on(0), on(9))}
    found = shares([("parent", "X"), ("parent", "Y"), ("own", "X")], reaches, frozenset(reaches), {"parent": "Y", "own": "X"})

    assert found == (Share("own", "X"), Share("parent", "X", counted_from="own"), Share("parent", "Y"))
    assert found[1].shown["counted_from"] == "own"


def test_of_two_that_count_at_once_and_of_which_none_has_its_name_nothing_is_added():
    reaches = {"a": Reach(on(0), on(9)), "b": Reach(on(5), on(9))}
    with pytest.raises(Conflict, match="a and b both tell of the account X"):
        shares([("a", "X"), ("b", "X")], reaches, frozenset("ab"))


def test_before_its_own_export_began_an_account_is_counted_from_the_other():
    reaches = {"parent": Reach(on(0), on(30), over=on(29)), "own": Reach(on(10), on(30), over=on(29))}
    found = shares([("parent", "X"), ("own", "X")], reaches, frozenset(reaches), {"own": "X"})

    assert found == (
        Share("own", "X", own_from=on(11), load_floor=on(29)),
        Share("parent", "X", until_day=on(11), load_ceiling=on(29)),
    )
    assert told_since([("parent", "X"), ("own", "X")], reaches, frozenset(reaches), {"own": "X"})["own"] == on(0)


def test_a_load_day_that_ran_when_the_older_was_read_counts_from_the_newer():
    reaches = {"old": Reach(on(0), on(20), over=on(19)), "new": Reach(on(10), on(30))}
    found = shares([("old", "X"), ("new", "X")], reaches, frozenset({"new"}))

    assert found == (Share("new", "X", own_from=on(11), load_floor=on(19)), Share("old", "X", until_day=on(11), load_ceiling=on(19)))


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
    before = before and (share.load_ceiling is None or written <= share.load_ceiling)
    return (
        share.counted_from is None
        and before
        and (share.own_from is None or used >= share.own_from or (share.load_floor is not None and written > share.load_floor))
    )


@given(
    spans=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.booleans()), min_size=1, max_size=4),
    used=st.integers(0, 40),
    late=st.integers(0, 20),
    own=st.none() | st.integers(0, 3),
)
def test_every_row_that_an_export_holds_counts_exactly_once(spans, used, late, own):
    """The same row stands in every export that was being written to on its day of writing; each was read from its first day to its last.

    Of a day that ran when it was read the row was written later.
    """
    written = used + late
    reaches, holding = {}, set()
    for number, (one, other, running) in enumerate(spans):
        first, last = sorted((one, other))
        reaches[f"s{number}"] = Reach(on(first), on(last), over=on(last - 1) if running else None)
        if on(first) <= on(written) <= on(last - running):
            holding.add(f"s{number}")
    newest = max(reaches, key=lambda source: (reaches[source].last, source))
    # what counts today is read together: all of them, of which one has the account's name, or the newest alone
    named = {f"s{own}": "X"} if own is not None and f"s{own}" in reaches else {}
    counting = frozenset(reaches) if named else frozenset({newest})
    newest = f"s{own}" if named else newest
    accounts = [(source, "X") for source in reaches]
    found = shares(accounts, reaches, counting, named)
    times = sum(counts(share, on(used), on(written)) for share in found if share.source_table in holding)

    assert times <= 1
    if newest in holding and on(used) > reaches[newest].first:
        assert times == 1
    since = told_since(accounts, reaches, counting, named).get(newest)
    if since is not None and on(used) > since and on(written) <= (reaches[newest].over or reaches[newest].last):
        assert times == 1
