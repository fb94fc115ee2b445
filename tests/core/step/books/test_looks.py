"""When slices were looked at, and what that lets a day be called: random histories of sources against a plain model of each."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from src.core.base.window import Window
from src.core.providers.export import Listing, LoadDay
from src.core.step.books.axis import Axis, Used, Written
from src.core.step.books.completeness import Calendar, of_day, of_invoice_month
from src.core.step.books.coverage import KnownSlices
from src.core.step.books.looks import Look, Looks

FIRST = date(2026, 11, 1)
RESTATES = 3
LATE = 2


def day(number: int) -> date:
    return FIRST + timedelta(number)


spans = st.tuples(st.integers(0, 20), st.integers(0, 8)).map(lambda span: (day(span[0]), day(sum(span))))


@given(st.lists(st.tuples(spans, st.integers(0, 3)), max_size=12), spans)
def test_the_newest_look_at_each_slice_is_known(looks, asked):
    plain: dict[date, date] = {}
    kept, at = Looks(), FIRST
    for (first, last), later in looks:
        at += timedelta(later)
        kept = kept.with_look(Look(first, last, at))
        plain |= dict.fromkeys(Window(first, last), at)

    assert {one: kept.at(one) for one in Window(day(-1), day(40))} == {one: plain.get(one) for one in Window(day(-1), day(40))}
    assert kept == Looks.of(kept.ranges)
    assert kept.cover(*asked) == all(one in plain for one in Window(*asked))
    assert (kept.since, kept.latest) == (min(plain, default=None), max(plain.values(), default=None))
    neighbours = zip(kept.ranges, kept.ranges[1:], strict=False)
    assert all(one.last < two.first and (one.at != two.at or (two.first - one.last).days > 1) for one, two in neighbours)


@dataclass
class Kept:
    """What runs have written of one source, and what they have read of it."""

    axis: Axis
    listing: Callable[[Window, Window, date], Listing]
    slices: dict[date, dict[str, Any]] = field(default_factory=dict)
    looks: Looks = field(default_factory=Looks)

    @property
    def known(self) -> KnownSlices:
        looks = [{"source": "s", "first_slice": one.first, "last_slice": one.last, "looked_on": one.at} for one in self.looks.ranges]
        return KnownSlices.of(self.slices.values(), looks)

    def run(self, window: Window, today: date) -> None:
        first, last = self.axis.to_read(window.start, window.end, None)
        wanted = Window(first, max(first, min(last, today)))
        listing = self.listing(wanted, Window(min(first, self.known.since or first), today), today)
        state = self.known.looked_at("s", listing, today)
        read = state.changed(wanted.start, wanted.end)
        state = state.with_loaded(read, max(wanted.start, listing.looked.start), min(wanted.end, listing.looked.end, today))
        moment = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
        self.slices |= {row["slice"]: row for row in self.known.changes(state, read, "run", moment)}
        self.looks = state.looks

    def word(self, one: date, today: date) -> str:
        return of_day(one, has_rows=True, sources=[self.known.state("s")], calendar=Calendar(today, self.axis)).completeness

    def month_word(self, month: str, today: date) -> str:
        return of_invoice_month(month, sources=[self.known.state("s")], calendar=Calendar(today, self.axis)).completeness


def told_of(one: date, today: date) -> int:
    """How much a source that restates its days says of one: a part each day, until it has settled."""
    return min((today - one).days, RESTATES + 1)


def by_use(wanted: Window, everything: Window, today: date) -> Listing:
    return Listing(tuple(LoadDay(one, 1, 1, str(told_of(one, today))) for one in wanted if one < today), wanted)


def by_writing(wanted: Window, everything: Window, today: date) -> Listing:
    """A load day is whole when it is over."""
    return Listing(tuple(LoadDay(one, 1, 1, "whole") for one in everything if one < today), everything)


histories = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 12), st.integers(0, 6)), min_size=1, max_size=6)


@pytest.mark.parametrize("axis", [Used(RESTATES), Written(LATE, 10)], ids=["used", "written"])
@given(history=histories, then=st.integers(0, 12))
@example(history=[(1, 1, 0), (35, 5, 4)], then=0)
def test_what_is_called_complete_was_read_when_it_had_settled(axis, history, then):
    """Each run is some days after the one before, over a window that ended some days ago."""
    used = isinstance(axis, Used)
    kept = Kept(axis, by_use if used else by_writing)
    have: dict[date, int | str] = {}
    today = day(9)
    for later, back, length in history:
        today += timedelta(later)
        end = today - timedelta(back)
        kept.run(Window(end - timedelta(length), end), today)
        have = {one: row["version"] for one, row in kept.slices.items() if row["version"] not in (None, "empty")}
    today += timedelta(then)

    for one in Window(day(-20), today):
        word = kept.word(one, today)
        if used:
            settled = have.get(one) == str(RESTATES + 1)
            assert word != "complete" or settled, one
            over = today > one + timedelta(RESTATES)
            assert word != "provisional" or (not over and have.get(one) == str(told_of(one, today))), one
        else:
            everything = all(have.get(written) == "whole" for written in Window(one, one + timedelta(LATE)))
            assert word != "complete" or everything, one
    if used and kept.month_word("202611", today) == "complete":
        assert all(have.get(one) == str(RESTATES + 1) for one in Window(FIRST, date(2026, 11, 30)))


def test_a_look_elsewhere_makes_a_day_no_newer():
    """Half of the 19th was known on the 20th; five weeks later other days are read."""
    kept = Kept(Used(RESTATES), by_use)
    nineteenth = date(2026, 11, 19)
    kept.run(Window(nineteenth, nineteenth), date(2026, 11, 20))
    assert kept.word(nineteenth, date(2026, 11, 20)) == "provisional"
    kept.run(Window(date(2026, 12, 20), date(2026, 12, 24)), date(2026, 12, 25))
    assert kept.word(nineteenth, date(2026, 12, 25)) == "stale"
    assert kept.word(date(2026, 12, 20), date(2026, 12, 25)) == "complete"
    kept.run(Window(nineteenth, nineteenth), date(2026, 12, 25))
    assert kept.word(nineteenth, date(2026, 12, 25)) == "complete"


def test_what_was_kept_before_looks_were_is_one_look_at_all():
    seen = datetime(2026, 11, 20, 12, tzinfo=UTC)
    rows = [
        {"source": "s", "slice": day(number), "version": "1", "listed_version": "1", "row_count": 1, "bytes": 1, "seen_at": seen}
        for number in (0, 4)
    ]

    assert KnownSlices.of(rows, []).looks == {"s": Looks((Look(day(0), date(2026, 11, 20), date(2026, 11, 20)),))}
