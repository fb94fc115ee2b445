"""The pure parts of the books: completeness, control totals, history."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.core.base.faults import BooksNotClosed
from src.core.providers.slices import Slice, day_slice
from src.core.step.books.axis import Written
from src.core.step.books.completeness import Calendar, SourceState, of_day, of_invoice_month
from src.core.step.books.history import Figures, difference, restatements
from src.core.step.books.looks import Look, Looks
from src.core.step.books.shares import Reach
from src.core.step.books.totals import ControlTotal, ControlTotals, require_closed, require_equal
from src.core.step.books.wording import Wording

TODAY = date(2026, 11, 20)
CALENDAR = Calendar(TODAY, Written(late_days=10, closing_day=10))
SINCE = date(2026, 9, 1)
MOMENT = datetime(2026, 11, 1, tzinfo=UTC)


def listed(*days: date, version: str = "1"):
    return tuple(day_slice(day, 10, 100, version) for day in days)


def every_day(first, last):
    return [first + timedelta(number) for number in range((last - first).days + 1)]


def looked(since):
    return Looks((Look(since, TODAY, TODAY),))


def state(unread=(), changed=(), since=SINCE):
    days = every_day(since, TODAY)
    loaded = [*listed(*(day for day in days if day not in (*unread, *changed))), *listed(*changed, version="2")]
    return SourceState("t", looked(since), listed(*days), {one.key: one for one in loaded})


@pytest.mark.parametrize(
    ("day", "source", "word"),
    [
        (date(2026, 10, 15), state(), "complete"),
        (date(2026, 11, 2), state(), "provisional"),
        (date(2026, 10, 31), state(), "complete"),
        (date(2026, 10, 15), state(unread=[date(2026, 10, 20)]), "partial"),
        (date(2026, 10, 15), state(unread=[date(2026, 10, 25)]), "partial"),
        (date(2026, 10, 15), state(unread=[date(2026, 10, 26)]), "stale"),
        (date(2026, 10, 15), state(unread=[date(2026, 10, 14)]), "complete"),
        (date(2026, 10, 15), state(changed=[date(2026, 10, 16)]), "stale"),
        (date(2026, 8, 31), state(), "partial"),
    ],
)
def test_a_day_stands_as_its_load_days_do(day, source, word):
    stands = of_day(day, has_rows=True, sources=[source], calendar=CALENDAR)

    assert stands.completeness == word
    assert (stands.reason is None) == (word == "complete")


def test_a_day_without_rows_is_missing_and_says_why():
    assert (
        of_day(date(2026, 10, 15), has_rows=False, sources=[state()], calendar=CALENDAR).reason
        == "t holds no row of this day; no run can bring it"
    )
    unread = of_day(date(2026, 10, 15), has_rows=False, sources=[state(unread=[date(2026, 10, 16)])], calendar=CALENDAR)
    assert (unread.completeness, unread.reason) == (
        "missing",
        "load days 2026-10-16 of t have not been read; run the pipeline from 2026-10-16 to 2026-10-16",
    )


@pytest.mark.parametrize(
    ("month", "source", "word"),
    [
        ("202609", state(), "complete"),
        ("202610", state(), "complete"),
        ("202611", state(), "provisional"),
        ("202608", state(), "partial"),
        ("202610", state(unread=[date(2026, 11, 9)]), "partial"),
        ("202610", state(unread=[date(2026, 11, 12)]), "stale"),
    ],
)
def test_an_invoice_month_stands_until_it_is_closed(month, source, word):
    assert of_invoice_month(month, sources=[source], calendar=CALENDAR).completeness == word


def test_december_closes_in_january():
    assert Written(10, 10).of_day(date(2026, 12, 3)).closes == date(2027, 1, 10)
    assert Written(20, 10).of_day(date(2026, 12, 31)).closes == date(2027, 1, 21)


@given(st.sets(st.integers(0, 80)), st.sets(st.integers(0, 80)), st.integers(0, 80))
def test_reading_more_never_makes_a_day_less_complete(unread, more, at):
    order = ["missing", "partial", "stale", "provisional", "complete"]
    day = SINCE + timedelta(at)
    less = of_day(day, has_rows=True, sources=[state(unread={SINCE + timedelta(n) for n in unread})], calendar=CALENDAR)
    rest = of_day(day, has_rows=True, sources=[state(unread={SINCE + timedelta(n) for n in unread - more})], calendar=CALENDAR)

    assert order.index(rest.completeness) >= order.index(less.completeness)


def test_a_period_that_runs_reaches_as_far_as_it_was_looked_at():
    october, november = (Slice(f"2026-{month}", date(2026, month, 1), date(2026, month, 30), "1") for month in (10, 11))
    looks = Looks((Look(date(2026, 10, 1), TODAY, TODAY),))
    source = SourceState("t", looks, (october, november), {one.key: one for one in (october, november)})

    assert source.reach == Reach(date(2026, 10, 1), date(2026, 11, 30))


def test_a_day_that_the_source_forgot_is_known():
    loaded = {one.key: one for one in listed(SINCE, SINCE + timedelta(1))}
    source = SourceState("t", looked(SINCE), listed(SINCE, SINCE + timedelta(2)), loaded)

    assert source.gone() == ("2026-09-02",)


def row(currency="USD", month="202610", rows=1, cost="1.5", credits_="-0.5"):
    return {"currency": currency, "invoice_month": month, "row_count": rows, "billed_cost": Decimal(cost), "credits": Decimal(credits_)}


def of(*rows: int | None):
    """Slices of so many rows each."""
    return [day_slice(SINCE + timedelta(number), count, 1, "1") for number, count in enumerate(rows)]


def totals(*rows: dict[str, object]):
    found = ControlTotals()
    found.add("t", rows, ("billed_cost", "credits"))
    return found


def test_books_close_when_both_sides_say_the_same():
    require_closed(totals(row(), row(currency="EUR")), totals(row(currency="EUR"), row()), {"t": of(2)})


@pytest.mark.parametrize(
    "written",
    [totals(), totals(row(rows=2)), totals(row(cost="1.500000001")), totals(row(credits_="0")), totals(row(), row(month="202609"))],
)
def test_a_difference_of_any_kind_keeps_them_open(written):
    with pytest.raises(BooksNotClosed) as told:
        require_closed(totals(row()), written, {"t": of(1)})

    assert "invoice month 2026" in str(told.value)


def test_fewer_rows_than_were_listed_keep_them_open():
    with pytest.raises(BooksNotClosed, match="lists 3 rows"):
        require_closed(totals(row()), totals(row()), {"t": of(1, 2)})


def test_nothing_beside_nothing_keeps_them_open_unless_the_source_has_said_so():
    require_closed(totals(), totals(), {"t": of(0)})
    with pytest.raises(BooksNotClosed, match="2026-09-02 as holding something"):
        require_closed(totals(), totals(), {"t": of(0, None)})
    with pytest.raises(BooksNotClosed, match="2026-09-02 as holding something"):
        require_closed(totals(row()), totals(row()), {"t": of(1, None)})
    require_closed(totals(row(rows=3)), totals(row(rows=3)), {"t": of(1, None)})


def test_what_is_derived_is_what_counts():
    one: dict[str | None, ControlTotal] = {"EUR": ControlTotal(2, {"billed_cost": Decimal(5)})}
    require_equal(one, one, expected=True)
    require_equal({}, {}, expected=False)
    others: list[dict[str | None, ControlTotal]] = [
        {"EUR": ControlTotal(2, {"billed_cost": Decimal(4)})},
        {"EUR": ControlTotal(1, {"billed_cost": Decimal(5)})},
        {},
    ]
    for derived in others:
        with pytest.raises(BooksNotClosed, match="in EUR"):
            require_equal(one, derived, expected=True)
    with pytest.raises(BooksNotClosed, match="nothing with nothing"):
        require_equal({}, {}, expected=True)


def test_totals_of_a_source_add_up():
    found = totals(row(), row(cost="0.000000001"))

    place = (("currency", "USD"), ("invoice_month", "202610"))
    assert found.of["t", place] == ControlTotal(2, {"billed_cost": Decimal("1.500000001"), "credits": Decimal("-1.0")})
    assert found.shown()[0]["net_cost"] == "0.500000001"


def said(net, billed=None):
    net = Decimal(net)
    return Figures(Decimal(billed) if billed else net, net - (Decimal(billed) if billed else net), net, 1, MOMENT)


def cause(name, net, day=date(2026, 11, 3)):
    return {
        "usage_date": date(2026, 10, 1),
        "currency": "USD",
        "cause": name,
        "net_cost": Decimal(net),
        "first_load_day": day,
        "last_load_day": day,
    }


KEY = ("2026-10-01", "USD")


def test_a_change_is_told_with_its_causes():
    causes = difference([cause("late rows", "10")], [cause("late rows", "12.5"), cause("correction", "-1")], "usage_date")
    [one] = restatements("day", {KEY: said("10")}, {KEY: said("11.5")}, causes)

    assert one.reason == "correction -1 (load day 2026-11-03); late rows +2.5 (load day 2026-11-03)"
    assert one.unexplained == 0
    assert one.row("gcp", "run", MOMENT)["said_since"] == MOMENT


def test_what_the_causes_do_not_explain_is_told_too():
    [one] = restatements("day", {KEY: said("10")}, {KEY: said("8")}, {}, Wording(rivals=True))

    assert one.reason == "-2 by another export of the account taking its place"


def test_a_move_between_cost_and_credits_is_a_change():
    [one] = restatements("day", {KEY: said("10")}, {KEY: said("10", billed="12")}, {})

    assert "net stayed" in one.reason


def test_a_first_figure_and_an_equal_one_are_none():
    assert restatements("day", {}, {KEY: said("10")}, {}) == []
    assert restatements("day", {KEY: said("10")}, {KEY: said("10.0")}, {}) == []


def test_figures_that_are_gone_are_told():
    [one] = restatements("day", {KEY: said("10")}, {}, {})

    assert one.row("gcp", "run", MOMENT)["net_after"] is None
