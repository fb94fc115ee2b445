"""Sources of every kind through the engine: by day of use, by period, with names for slices and without money in raw rows."""

from datetime import date
from decimal import Decimal

import pytest

from src.core.base.faults import BooksNotClosed, Rejected, StepFailed
from src.core.base.window import Window
from src.core.step.source.by_day import days_asked
from tests.core.step.source.acme import Acme, Delivered, configured, used
from tests.fakes.billing import Billing


def day(number: int, month: int = 11) -> date:
    return date(2026, month, number)


@pytest.fixture
def by_day(bare: Billing) -> Acme:
    return Acme(bare, configured(bare, "{used: {restates: 2}}"))


@pytest.fixture
def by_month(bare: Billing) -> Acme:
    return Acme(bare, configured(bare, "{period: {closing_day: 10}}"))


def test_a_day_asked_again_is_restated_and_one_taken_back_comes_to_nothing(by_day: Acme):
    by_day.here.clock.today = day(12)
    with by_day.told([used(day(10)), used(day(10), 50, "n"), used(day(11))]) as source:
        first = by_day.load(day(10), day(11), source)
    assert first.manifest["tables"] == {"acme_usage_raw": 3, "acme_cost_daily": 3}
    assert by_day.said() == {"11-10": ("1.50", "provisional"), "11-11": ("1.00", "provisional")}

    by_day.here.clock.today = day(14)
    with by_day.told([used(day(10)), used(day(10), 70, "n")]) as source:
        by_day.load(day(10), day(11), source)
    assert by_day.said() == {"11-10": ("1.70", "complete"), "11-11": ("0.00", "missing")}
    assert by_day.here.ask("SELECT COUNT(*) AS n FROM acme_usage_raw WHERE usage_date = @day", day=day(11)) == [{"n": 0}]
    told = by_day.here.ask("SELECT period, billed_after, reason FROM x_cost_history WHERE grain = 'day' ORDER BY period")
    assert [(one["period"], one["billed_after"], one["reason"]) for one in told] == [
        ("2026-11-10", Decimal("1.7"), "+0.200000000 as the source tells it now"),
        ("2026-11-11", None, "-1.000000000 as the source tells it now"),
    ]

    with by_day.told([used(day(10), 70, "n"), used(day(10))]) as source:
        again = by_day.load(day(10), day(11), source)
    assert again.manifest["rows_read"] == 0  # the same rows in another order


def test_a_month_is_replaced_whole_and_stands_once_it_is_closed(by_month: Acme):
    by_month.here.clock.today = day(12)
    export = Delivered()
    export.deliver("2026-11", "one", used(day(1)), used(day(10)))
    by_month.load(day(1), day(12), export)
    assert by_month.said()["11-10"] == ("1.00", "provisional")
    assert by_month.here.ask("SELECT DISTINCT source, source_slice FROM acme_usage_raw") == [{"source": "usage", "source_slice": "2026-11"}]
    assert by_month.here.ask("SELECT slice, slice_key, last_day, row_count FROM x_source_slices") == [
        {"slice": day(1), "slice_key": "2026-11", "last_day": day(30), "row_count": -1}
    ]

    by_month.here.clock.today = day(12, 12)
    export.deliver("2026-11", "two", used(day(1)), used(day(10), 300), used(day(30)))
    by_month.load(day(5), day(5), export)
    said = by_month.said()
    assert (said["11-01"], said["11-10"], said["11-30"]) == (("1.00", "complete"), ("3.00", "complete"), ("1.00", "complete"))
    assert by_month.here.ask("SELECT COUNT(*) AS n FROM acme_usage_raw") == [{"n": 3}]


def test_a_delivery_without_a_row_closes_no_books(by_month: Acme):
    by_month.here.clock.today = day(12)
    export = Delivered()
    export.deliver("2026-11", "one")
    with pytest.raises(BooksNotClosed, match="2026-11 as holding something"):
        by_month.load(day(1), day(12), export)


def test_a_row_outside_its_period_closes_no_books(by_month: Acme):
    by_month.here.clock.today = day(12)
    export = Delivered()
    export.deliver("2026-11", "one", used(day(1)), used(day(31, 10)))
    with pytest.raises(BooksNotClosed, match="written were"):
        by_month.load(day(1), day(12), export)


def test_a_source_that_tells_of_days_it_was_not_asked_for_is_refused(by_day: Acme):
    def ask(_: Window):
        yield day(3), used(day(3))

    folder = by_day.here.parts.settings.data_dir
    with days_asked(folder, "run", {"usage": ((), ask)}, day(12)) as (source,), pytest.raises(StepFailed, match="told of 2026-11-03"):
        source.slices(Window(day(10), day(11)), Window(day(10), day(11)))


def test_a_day_told_in_two_pieces_apart_is_refused(by_day: Acme):
    def ask(_: Window):
        yield from ((day(number), {}) for number in (10, 11, 10))

    with (
        days_asked(by_day.here.parts.settings.data_dir, "run", {"usage": ((), ask)}, day(12)) as (source,),
        pytest.raises(StepFailed, match="again"),
    ):
        source.slices(Window(day(10), day(11)), Window(day(10), day(11)))


@pytest.mark.parametrize("odd", ["many", Decimal("12.5"), 12.5, True])
def test_a_row_that_does_not_fit_its_table_is_refused_by_name(by_day: Acme, odd: object):
    """A fraction of a whole number would be gone before the books could miss it."""
    by_day.here.clock.today = day(12)
    with by_day.told([{**used(day(10)), "tokens": odd}]) as source, pytest.raises(Rejected, match="tokens"):
        by_day.load(day(10), day(11), source)
