"""When slices were looked at, and what that lets a day be called: random histories of sources against a plain model of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import example, given
from hypothesis import strategies as st

from src.core.base.window import Window
from src.core.engine.port import RemoteRows
from src.core.providers.slices import EMPTY, Listing, OnBytes, Slice, day_slice
from src.core.step.books.axis import Axis, Period, Used, Written
from src.core.step.books.completeness import Calendar, of_day, of_invoice_month
from src.core.step.books.coverage import KnownSlices
from src.core.step.books.looks import Look, Looks
from src.core.step.books.reasons import Why
from src.core.step.source.planning import plan_sources

FIRST = date(2026, 11, 1)
RESTATES = 3
LATE = 2
CLOSING = 10


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
class Told:
    """A source that tells by a rule what it lists; nothing of it is brought here."""

    rule: Callable[[Window, Window, date], Listing]
    today: date = FIRST
    name: str = "s"
    marks: ClassVar[bool] = True

    def slices(self, wanted: Window, everything: Window) -> Listing:
        return self.rule(wanted, everything, self.today)

    def fetch(self, slices: Sequence[Slice], into: Path, on_bytes: OnBytes) -> tuple[Path, ...]:
        raise NotImplementedError

    def place(self, slices: Sequence[Slice]) -> RemoteRows | None:
        raise NotImplementedError


@dataclass
class Kept:
    """What runs have written of one source, and what they have read of it."""

    axis: Axis
    source: Told
    rows: list[dict[str, Any]] = field(default_factory=list)
    looks: Looks = field(default_factory=Looks)

    @property
    def known(self) -> KnownSlices:
        looks = [{"source": "s", "first_slice": one.first, "last_slice": one.last, "looked_on": one.at} for one in self.looks.ranges]
        return KnownSlices.of(self.rows, looks)

    @property
    def have(self) -> dict[str, str]:
        """Which version of each slice stands."""
        return {row["slice_key"]: row["version"] for row in self.rows if row["version"] not in (None, EMPTY)}

    def run(self, window: Window, today: date) -> None:
        self.source.today = today
        [plan] = plan_sources([self.source], self.known, window, Calendar(today, self.axis))
        moment = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
        changes, anew = self.known.changes(plan.loaded, plan.slices, (), "run", moment)
        self.rows = [*(row for row in self.rows if row["slice"] not in anew), *changes]
        self.looks = plan.state.looks

    def word(self, one: date, today: date, *, has_rows: bool = True) -> str:
        return of_day(one, has_rows=has_rows, sources=[self.known.state("s")], calendar=Calendar(today, self.axis)).completeness

    def month_word(self, month: str, today: date) -> str:
        return of_invoice_month(month, sources=[self.known.state("s")], calendar=Calendar(today, self.axis)).completeness


def told_of(one: date, today: date) -> int:
    """How much a source that restates its days says of one: a part each day, until it has settled."""
    return min((today - one).days, RESTATES + 1)


def taken_back(one: date, today: date) -> bool:
    """Of every fifth day it was wrong, and says two days later that there was nothing."""
    return one.day % 5 == 0 and today > one + timedelta(2)


def by_use(wanted: Window, everything: Window, today: date) -> Listing:
    there = [one for one in wanted if one < today and not taken_back(one, today)]
    return Listing(tuple(day_slice(one, 1, 1, str(told_of(one, today))) for one in there), wanted)


def by_writing(wanted: Window, everything: Window, today: date) -> Listing:
    """A load day is whole when it is over."""
    return Listing(tuple(day_slice(one, 1, 1, "whole") for one in everything if one < today), everything)


def of_a_month(one: date) -> Window:
    first = one.replace(day=1)
    return Window(first, (first + timedelta(31)).replace(day=1) - timedelta(1))


def settled(month: Window) -> date:
    return (month.end + timedelta(1)).replace(day=CLOSING)


def never_delivered(month: Window) -> bool:
    return month.start == date(2026, 12, 1)


def by_period(wanted: Window, everything: Window, today: date) -> Listing:
    """A month is told anew every day until it is closed."""
    months = sorted({of_a_month(one) for one in wanted}, key=lambda month: month.start)
    there = [month for month in months if month.start < today and not never_delivered(month)]
    slices = [Slice(f"{one.start:%Y-%m}", one.start, one.end, str(min(today, settled(one))), rows=None) for one in there]
    return Listing(tuple(slices), Window(months[0].start, months[-1].end))


histories = st.lists(st.tuples(st.integers(1, 19), st.integers(1, 12), st.integers(0, 6)), min_size=1, max_size=6)
KINDS: dict[str, tuple[Axis, Callable[[Window, Window, date], Listing]]] = {
    "used": (Used(RESTATES), by_use),
    "written": (Written(LATE, CLOSING), by_writing),
    "period": (Period(CLOSING), by_period),
}


def ran(kind: str, history: list[tuple[int, int, int]]) -> tuple[Kept, date]:
    """Each run is some days after the one before, over a window that ended some days ago."""
    axis, rule = KINDS[kind]
    kept, today = Kept(axis, Told(rule)), day(9)
    for later, back, length in history:
        today += timedelta(later)
        end = today - timedelta(back)
        kept.run(Window(end - timedelta(length), end), today)
    return kept, today


@given(history=histories, then=st.integers(0, 12))
@example(history=[(1, 1, 0), (35, 5, 4)], then=0)
@example(history=[(1, 1, 0), (9, 10, 0)], then=0)
def test_a_day_of_use_is_complete_once_it_was_read_as_it_stays(history, then):
    kept, today = ran("used", history)
    today += timedelta(then)

    for one in Window(day(-20), today):
        have = kept.have.get(str(one))
        word = kept.word(one, today, has_rows=have is not None)
        stays = None if taken_back(one, date.max) else str(RESTATES + 1)
        assert word != "complete" or (have == stays), one
        over = today > one + timedelta(RESTATES)
        assert word != "provisional" or (not over and have == str(told_of(one, today))), one
    if kept.month_word("202611", today) == "complete":
        assert all(kept.have.get(str(one)) in (None, str(RESTATES + 1)) for one in Window(FIRST, date(2026, 11, 30)))
        assert not any(taken_back(one, today) and str(one) in kept.have for one in Window(FIRST, date(2026, 11, 30)))


@given(history=histories, then=st.integers(0, 12))
def test_a_day_is_complete_once_all_was_read_that_is_written_of_it(history, then):
    kept, today = ran("written", history)
    today += timedelta(then)

    for one in Window(day(-20), today):
        everything = all(kept.have.get(str(written)) == "whole" for written in Window(one, one + timedelta(LATE)))
        assert kept.word(one, today) != "complete" or everything, one


@given(history=histories, then=st.integers(0, 40))
@example(history=[(1, 1, 0), (15, 1, 0)], then=30)
@example(history=[(19, 1, 6), (19, 1, 6), (19, 1, 6), (19, 1, 6), (19, 1, 6)], then=0)
def test_a_day_of_a_period_is_complete_once_that_was_read_closed(history, then):
    kept, today = ran("period", history)
    today += timedelta(then)

    for one in Window(day(-20), today):
        month = of_a_month(one)
        have = kept.have.get(f"{month.start:%Y-%m}")
        word = kept.word(one, today)
        assert word != "complete" or (have == str(settled(month)) and today >= settled(month)), one
        # the day lay before the last reading of its month
        assert word != "provisional" or (have is not None and one <= date.fromisoformat(have)), one
        assert not (never_delivered(month) and word in ("complete", "provisional")), one


def test_a_period_that_was_not_delivered_between_two_that_were_is_no_empty_one():
    kept = Kept(Period(CLOSING), Told(by_period))
    kept.run(Window(date(2026, 11, 1), date(2027, 2, 1)), date(2027, 3, 1))

    assert kept.word(date(2026, 11, 5), date(2027, 3, 1)) == "complete"
    assert kept.word(date(2026, 12, 5), date(2027, 3, 1)) == "partial"
    assert kept.month_word("202612", date(2027, 3, 1)) == "partial"
    assert kept.month_word("202701", date(2027, 3, 1)) == "complete"


def test_before_a_first_period_is_delivered_no_day_passes_for_one_without_costs():
    today = date(2027, 1, 20)
    kept = Kept(Period(CLOSING), Told(by_period))
    kept.run(Window(date(2026, 12, 1), date(2026, 12, 31)), today)
    assert (kept.rows, kept.looks.since) == ([], date(2026, 12, 1))

    state, fifth = kept.known.state("s"), date(2026, 12, 5)
    for has_rows, word in ((False, "missing"), (True, "partial")):
        told = of_day(fifth, has_rows=has_rows, sources=[state], calendar=Calendar(today, kept.axis))
        assert (told.completeness, told.why) == (word, Why.NOT_DELIVERED)
    assert kept.month_word("202612", today) == "partial"
    # the next one, once it is there, makes nothing of it whole
    kept.run(Window(date(2027, 1, 1), date(2027, 1, 31)), date(2027, 2, 15))
    assert (kept.word(fifth, date(2027, 2, 15)), kept.word(date(2027, 1, 5), date(2027, 2, 15))) == ("partial", "complete")


def test_what_its_source_takes_back_is_read_as_nothing():
    fifteenth = date(2026, 11, 15)
    kept = Kept(Used(RESTATES), Told(by_use))
    kept.run(Window(fifteenth, fifteenth), date(2026, 11, 16))
    assert kept.have == {"2026-11-12": "4", "2026-11-13": "3", "2026-11-14": "2", "2026-11-15": "1"}
    kept.run(Window(date(2026, 11, 18), date(2026, 11, 18)), date(2026, 11, 20))

    assert "2026-11-15" not in kept.have
    assert kept.word(fifteenth, date(2026, 11, 20), has_rows=False) == "missing"
    assert kept.known.state("s").pending == ()


def test_what_is_taken_back_beyond_the_window_of_a_run_is_told_until_it_is_read():
    """A source may tell of more than it was asked for."""

    def rule(wanted: Window, everything: Window, today: date) -> Listing:
        return Listing((), everything) if today > date(2026, 11, 20) else by_use(wanted, everything, today)

    kept = Kept(Used(RESTATES), Told(rule))
    kept.run(Window(date(2026, 11, 11), date(2026, 11, 11)), date(2026, 11, 12))
    kept.run(Window(date(2026, 12, 1), date(2026, 12, 1)), date(2026, 12, 2))

    assert kept.have == {"2026-11-08": "4", "2026-11-09": "3", "2026-11-10": "2", "2026-11-11": "1"}
    assert kept.word(date(2026, 11, 9), date(2026, 12, 2)) == "stale"
    kept.run(Window(date(2026, 11, 11), date(2026, 11, 11)), date(2026, 12, 2))
    assert kept.have == {}


def test_a_day_without_rows_that_was_looked_at_too_early_says_so():
    kept = Kept(Used(RESTATES), Told(by_use))
    kept.run(Window(date(2026, 11, 15), date(2026, 11, 15)), date(2026, 11, 15))
    stands = of_day(date(2026, 11, 15), has_rows=False, sources=[kept.known.state("s")], calendar=Calendar(date(2026, 11, 18), kept.axis))

    assert (stands.completeness, stands.reason) == (
        "missing",
        "s was last looked at on 2026-11-15, and more may have come since; run the pipeline from 2026-11-15 to 2026-11-15",
    )


def test_a_look_elsewhere_makes_a_day_no_newer():
    """Half of the 19th was known on the 20th; five weeks later other days are read."""
    kept = Kept(Used(RESTATES), Told(by_use))
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
