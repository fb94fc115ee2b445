"""Which rows of which export count: no row of an account's bill twice, and none lost."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.core.base.faults import Conflict
from src.core.step.books.gaps import Gap
from src.core.step.books.shares import Reach, Share, contested, gaps_of, shares

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
    assert gaps_of([("parent", "X"), ("own", "X")], reaches, frozenset(reaches), {"own": "X"})["own"] == (Gap(None, on(-1)),)


def test_a_load_day_that_ran_when_the_older_was_read_counts_from_the_newer():
    reaches = {"old": Reach(on(0), on(20), over=on(19)), "new": Reach(on(10), on(30))}
    found = shares([("old", "X"), ("new", "X")], reaches, frozenset({"new"}))

    assert found == (Share("new", "X", own_from=on(11), load_floor=on(19)), Share("old", "X", until_day=on(11), load_ceiling=on(19)))


def test_of_a_newer_one_that_began_in_the_course_of_a_day_the_older_tells_of_that_day():
    accounts, now = [("old", "X"), ("new", "X")], frozenset({"new"})
    new = Reach(on(10), on(30), partly=True, gaps=(Gap(None, on(10)),))
    for old, gaps in (
        (Reach(on(0), on(10), seen=on(10)), []),
        # it was read while the day was not over, or not at all
        (Reach(on(0), on(10), over=on(9), seen=on(9)), [Gap(on(10), on(10))]),
        (Reach(on(0), on(7), seen=on(7)), [Gap(on(8), on(10))]),
        # nothing was written to it after the 7th, as it was seen
        (Reach(on(0), on(7), seen=on(12)), []),
    ):
        assert gaps_of(accounts, {"old": old, "new": new}, now)["new"] == (Gap(None, on(-1)), *gaps)
    assert shares(accounts, {"old": Reach(on(0), on(10), over=on(9)), "new": new}, now)[0].load_floor == on(10)


def test_a_newer_one_that_was_filled_counts_alone_from_its_first_day_of_use():
    reaches = {"old": Reach(on(0), on(20)), "new": Reach(on(15), on(30), partly=True, filled=on(3))}
    found = shares([("old", "X"), ("new", "X")], reaches, frozenset({"new"}))

    assert found == (Share("new", "X", own_from=on(3), load_floor=on(20)), Share("old", "X", until_day=on(3)))


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
    spans=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.booleans(), st.booleans()), min_size=1, max_size=4),
    used=st.integers(0, 40),
    late=st.integers(0, 20),
    own=st.none() | st.integers(0, 3),
    early=st.booleans(),
)
def test_every_row_that_an_export_holds_counts_exactly_once(spans, used, late, own, early):
    """The same row stands in every export that was being written to on its day of writing; each was read from its first day to its last.

    Of a day that ran when it was read the row was written later; of one in whose course an export began, maybe before it did.
    """
    written = used + late
    reaches, holding = {}, set()
    for number, (one, other, running, partly) in enumerate(spans):
        first, last = sorted((one, other))
        gaps = (Gap(None, on(first if partly else first - 1)),)
        reaches[f"s{number}"] = Reach(on(first), on(last), on(last - 1) if running else None, partly, gaps=gaps)
        if first + (partly and early) <= written <= last - running:
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
    unknown = gaps_of(accounts, reaches, counting, named)[newest]
    if not any(gap.swallows(on(written), on(written), on(written)) for gap in unknown) and on(written) <= reaches[newest].until:
        assert times == 1
