"""A table of an export that is deleted and made anew under its own name."""

from datetime import UTC, date, datetime
from typing import Any

from src.core.engine.port import Fence
from tests.core.gcp.conftest import TODAY
from tests.core.gcp.handmade import Hand, load, row, said
from tests.core.gcp.test_sources import day, days
from tests.fakes.billing import Billing

ANEW = datetime(2026, 11, 20, 9, tzinfo=UTC)
USED = days(1, 31, 10)
HOUR = datetime(2026, 11, 19, 7, tzinfo=UTC)
"""Another than that of all the rows beside."""


def read(here: Billing) -> Hand:
    old = Hand("costs", [row(one, 1) for one in (*days(1, 30, 9), *USED, *days(1, 19))])
    load(here, day(1, 9), TODAY, old)
    return old


def rows(here: Billing) -> int:
    [told] = here.ask("SELECT COUNT(*) AS n FROM gcp_billing_daily_raw")
    return int(told["n"])


def months(here: Billing) -> dict[str, tuple[str, str]]:
    told = here.ask("SELECT invoice_month, net_cost, completeness FROM x_cost_monthly")
    return {row["invoice_month"]: (f"{row['net_cost']:.2f}", row["completeness"]) for row in told}


def partial(here: Billing) -> list[str]:
    return [name for name, (_, standing) in said(here).items() if standing == "partial"]


def named(first: int, last: int) -> list[str]:
    return [f"11-{number:02}" for number in range(first, last + 1)]


def test_what_it_tells_again_counts_once(bare: Billing):
    before = read(bare), said(bare), rows(bare)
    anew = Hand("costs", [row(one, 1, written=TODAY) for one in (*USED, *days(1, 19))], created=ANEW)
    load(bare, day(19), TODAY, anew)

    # October and November are told by the new one, September stays as the old one told it
    figures = {name: cost for name, (cost, _) in said(bare).items()}
    assert (rows(bare), figures) == (before[2], {name: cost for name, (cost, _) in before[1].items()})
    assert bare.ask("SELECT COUNT(*) AS n FROM gcp_billing_daily_raw WHERE ingest_date = @day", day=TODAY) == [{"n": 50}]
    # only what was written on the day of the change may be lost, and it may be of the days before it
    assert partial(bare) == named(10, 19)
    load(bare, day(19), TODAY, anew)
    assert rows(bare) == before[2]


def test_what_it_does_not_tell_again_stays(bare: Billing):
    read(bare)
    before = said(bare)
    anew = Hand("costs", [row(one, 1, written=TODAY) for one in days(5, 19)], created=ANEW).add(row(day(20, 10), 1, written=TODAY))
    load(bare, day(19), TODAY, anew)

    told = said(bare)
    assert (told["10-20"], told["10-21"], told["11-04"]) == (("1.00", "complete"), ("1.00", "complete"), ("1.00", "provisional"))
    assert {name: cost for name, (cost, _) in told.items()} == {name: cost for name, (cost, _) in before.items()}


def test_one_that_tells_less_is_taken_at_its_word_where_that_is_asked(bare: Billing):
    read(bare)
    anew = Hand("costs", [row(one, 1, written=TODAY) for one in days(5, 19)], created=ANEW).add(row(day(20, 10), 1, written=TODAY))
    load(bare, day(19), TODAY, anew)
    load(bare, day(19), TODAY, anew, reload=True)

    told = said(bare)
    assert (told["10-20"], told["10-21"], told["10-05"]) == (("1.00", "complete"), ("0.00", "missing"), ("1.00", "complete"))
    assert months(bare)["202610"] == ("20.00", "partial")
    load(bare, day(19), TODAY, anew)
    assert said(bare) == told


def test_late_rows_of_a_day_that_the_old_one_told_are_added_to_it(bare: Billing):
    read(bare)
    late = [row(day(19), 0.25, written=TODAY, usage_start_time=HOUR), row(day(2, 9), -0.5, written=TODAY, cost_type="adjustment")]
    load(bare, day(19), TODAY, Hand("costs", late, created=ANEW))

    told = said(bare)
    assert (told["11-19"], told["11-18"], told["09-02"]) == (("1.25", "partial"), ("1.00", "partial"), ("0.50", "complete"))


def test_rows_that_are_alike_stand_as_often_as_the_one_has_them_that_has_more(bare: Billing):
    load(bare, day(1, 10), TODAY, Hand("costs", [row(one, 1) for one in (day(1, 10), day(1, 10), *days(1, 19))]))
    anew = Hand("costs", [row(day(1, 10), 1, written=TODAY), *(row(day(2), 1, written=TODAY) for _ in range(3))], created=ANEW)
    load(bare, day(1, 10), TODAY, anew)

    assert (said(bare)["10-01"][0], said(bare)["11-02"][0]) == ("2.00", "3.00")


def test_a_row_is_known_again_whatever_it_comes_to_by_now(bare: Billing):
    """The new one tells the same use in other amounts and with other columns, as after a change of labels or prices."""
    read(bare)
    split: list[dict[str, Any]] = [{"cost": 0.75, "credits": [{"id": "c", "amount": -0.25}]}, {"cost": 0.5}]
    anew = Hand("costs", [row(one, None, written=TODAY) | part for one in USED for part in split], created=ANEW)
    load(bare, day(19), TODAY, anew)

    assert said(bare)["10-20"] == ("1.25", "complete")
    assert months(bare)["202610"] == ("31.00", "complete")


def test_a_day_that_the_new_one_tells_in_part_is_not_told_as_whole(bare: Billing):
    hours: list[dict[str, Any]] = [{"usage_start_time": datetime(2026, 10, 5, hour, tzinfo=UTC)} for hour in (1, 2)]
    load(bare, day(1, 10), TODAY, Hand("costs", [row(day(5, 10), 1, **hour) for hour in hours] + [row(one, 1) for one in days(1, 19)]))
    anew = Hand("costs", [row(day(5, 10), 3, written=TODAY, **hours[0])], created=ANEW)
    load(bare, day(1, 10), TODAY, anew)
    assert said(bare)["10-05"] == ("4.00", "partial")
    [told] = bare.ask("SELECT completeness_reason AS why FROM x_cost_daily WHERE usage_date = @day", day=day(5, 10))
    assert "was made anew and tells 2026-10-05 in part" in told["why"]
    assert "reload: true" in told["why"]
    # also by a later run that reads nothing of it
    bare.clock.today = day(21)
    load(bare, day(1, 10), day(21), anew.add(row(day(20), 1)))
    assert said(bare)["10-05"] == ("4.00", "partial")

    load(bare, day(1, 10), day(21), anew, reload=True)
    assert said(bare)["10-05"] == ("3.00", "complete")
    load(bare, day(1, 10), day(21), anew.add(row(day(5, 10), 1, written=day(21), **hours[1])))
    assert said(bare)["10-05"][0] == "4.00"


def test_rows_that_an_earlier_release_counted_twice_are_mended_by_a_reload(bare: Billing):
    old = read(bare)
    before = said(bare), rows(bare)
    # as it was before it was kept when a table was made
    old.created = None
    with bare.parts.warehouse.publication(bare.tenant, "earlier", Fence("earlier", 1)) as publication:
        publication.execute("UPDATE x_source_looks SET source_made = NULL WHERE TRUE")
        publication.execute("UPDATE x_source_slices SET source_made = NULL WHERE TRUE")
    twice = Hand("costs", [row(one, 1, written=TODAY) for one in (*USED, *days(1, 19))], created=None)
    load(bare, day(19), TODAY, twice)
    assert rows(bare) == before[1] + 50
    twice.created = datetime(2026, 11, 20, 13, tzinfo=UTC)
    bare.clock.today = date(2026, 11, 21)
    load(bare, day(19), bare.clock.today, twice, reload=True)

    assert rows(bare) == before[1]
    assert said(bare)["10-20"] == ("1.00", "complete")


def test_what_is_filled_in_over_days_counts_once_and_is_whole_when_that_is_over(bare: Billing):
    """Whatever our own clock says: the table was made before the last look at the old one, as that told the time."""
    read(bare)
    before = months(bare)
    anew = Hand("costs", created=ANEW)
    for at, filled in ((21, []), (22, days(1, 19)), (23, USED)):
        bare.clock.today = day(at)
        load(bare, day(19), bare.clock.today, anew.add(*(row(one, 1, written=bare.clock.today) for one in filled)))
        assert months(bare) == {**before, "202611": ("19.00", "partial")}
        assert partial(bare) == named(10, 19)
    bare.clock.today = day(26)
    load(bare, day(19), day(26), anew.add(row(day(20), 1), *(row(one, 1) for one in days(21, 26))))
    assert partial(bare) == []
    assert months(bare) == {**before, "202611": ("26.00", "provisional")}


def test_what_was_used_between_the_old_one_and_the_new_is_not_known(bare: Billing):
    other = Hand("other", [row(one, 1, account="B") for one in (*days(1, 30, 9), *USED, *days(1, 19))])
    load(bare, day(1, 9), TODAY, Hand("costs", [row(one, 1) for one in (*days(1, 30, 9), *days(1, 10, 10))]), other)
    bare.clock.today = day(21)
    load(bare, day(1, 9), day(21), Hand("costs", [row(one, 1) for one in (*days(20, 31, 10), *days(1, 19))], created=ANEW), other)

    told = said(bare)
    # of the days up to the 10th late rows may have come, of those before them as a rule none
    assert (told["10-15"], told["10-05"][1], told["10-25"]) == (("1.00", "partial"), "partial", ("2.00", "complete"))
    assert months(bare)["202610"] == ("53.00", "partial")
    assert told["09-20"] == ("2.00", "complete")
