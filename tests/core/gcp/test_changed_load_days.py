"""A load day that changed after it was read makes stale the days and months that it can touch, and says what became of it."""

from datetime import date

import pytest

from src.core.providers.slices import EMPTY, SliceDays, day_slice
from src.core.step.books.reasons import LoadedRows, written_since
from tests.core.gcp.conftest import TODAY
from tests.core.gcp.handmade import Hand, load, row, said
from tests.core.gcp.test_sources import day, days
from tests.fakes.billing import Billing

EVERY = (*days(1, 30, 9), *days(1, 31, 10), *days(1, 19))


@pytest.fixture
def source(bare: Billing) -> Hand:
    made = Hand("costs", [row(one, 1) for one in EVERY], older=day(1, 8))
    made.add(row(day(3, 10), 1, written=day(17, 10), invoice={"month": "202609"}))
    load(bare, day(1, 9), TODAY, made)
    assert {word for name, (_, word) in said(bare).items() if "09-01" <= name <= "10-31"} == {"complete"}
    return made


def stale(here: Billing) -> list[str]:
    return [name for name, (_, word) in said(here).items() if word == "stale"]


def stale_months(here: Billing) -> list[str]:
    return [one["invoice_month"] for one in here.ask("SELECT invoice_month FROM x_cost_monthly WHERE completeness = 'stale' ORDER BY 1")]


def test_one_late_row_makes_stale_the_days_it_can_touch(bare: Billing, source: Hand):
    source.add(row(day(5, 9), 3, written=day(17, 10)))
    load(bare, day(19), TODAY, source)

    # what the load day held when it was read may be told otherwise too
    assert stale(bare) == ["09-05", "10-03", "10-17"]
    assert stale_months(bare) == ["202609", "202610"]
    [told] = bare.ask("SELECT completeness_reason AS why FROM x_cost_daily WHERE usage_date = @day", day=day(5, 9))
    assert told["why"].startswith(
        "proj.ds.costs: 2026-10-17 was read and has grown since from 2 to 3 rows; run the pipeline from 2026-10-17"
    )
    load(bare, day(17, 10), day(17, 10), source)
    assert stale(bare) == []


def test_a_row_that_a_load_day_lost_makes_its_day_stale(bare: Billing, source: Hand):
    source.rows = [one for one in source.rows if one["invoice"]["month"] != "202609" or one["usage_start_time"].month == 9]
    load(bare, day(19), TODAY, source)

    assert (stale(bare), stale_months(bare)) == (["10-03", "10-17"], ["202609", "202610"])
    [told] = bare.ask("SELECT completeness_reason AS why FROM x_cost_daily WHERE usage_date = @day", day=day(3, 10))
    assert told["why"].startswith("proj.ds.costs: 2026-10-17 was read and has shrunk since from 2 to 1 rows; ")


def test_a_late_row_on_a_load_day_that_was_never_read_touches_its_own_days(bare: Billing, source: Hand):
    bare.clock.today = day(22)
    source.add(row(day(5, 9), 3, written=day(21)))
    load(bare, day(1, 9), day(2, 9), source)

    assert stale(bare) == ["09-05"]
    [told] = bare.ask("SELECT completeness_reason AS why FROM x_cost_daily WHERE usage_date = @day", day=day(5, 9))
    assert told["why"].startswith("proj.ds.costs: load days 2026-11-21 came after what was read of it, and have never been read; ")


def test_where_a_source_cannot_tell_every_earlier_day_is_stale(bare: Billing, source: Hand):
    source.tells = False
    source.add(row(day(5, 9), 3, written=day(17, 10)))
    load(bare, day(19), TODAY, source)

    assert stale(bare) == [f"{one:%m-%d}" for one in EVERY if one <= day(17, 10)]
    assert stale_months(bare) == ["202609", "202610"]


def test_what_a_load_day_holds_is_asked_once_a_version_and_of_a_few(bare: Billing, source: Hand):
    source.add(row(day(5, 9), 3, written=day(17, 10)))
    for _ in range(2):
        load(bare, day(19), TODAY, source)
    assert source.asked == ["2026-10-17"]
    source.add(row(day(6, 9), 3, written=day(17, 10)))
    load(bare, day(19), TODAY, source)
    assert source.asked == ["2026-10-17"] * 2
    assert stale(bare) == ["09-05", "09-06", "10-03", "10-17"]

    source.add(*(row(one, 3, written=one) for one in days(1, 11, 10)))
    load(bare, day(19), TODAY, source)
    assert source.asked == ["2026-10-17"] * 2


def test_what_became_of_a_load_day_is_told_as_it_is():
    one = day_slice(date(2026, 10, 17), 420, 1, "2")
    here = {one.key: LoadedRows(420, SliceDays())}

    def told(rows: int | None, version: str = "2", **known: object) -> str:
        return written_since("t", [day_slice(one.day, rows, 1, version)], {one.key: one}, known.get("here", here), "load days")  # type: ignore[arg-type]

    assert told(434) == "t: 2026-10-17 was read and has grown since from 420 to 434 rows"
    assert told(410) == "t: 2026-10-17 was read and has shrunk since from 420 to 410 rows"
    assert told(420) == "t: 2026-10-17 was read and was written anew since, with 420 rows as before"
    assert told(0, EMPTY) == "t: 2026-10-17 was read and its source tells of it no more"
    assert told(None) == told(434, here={}) == "t: 2026-10-17 was read and has changed since"
