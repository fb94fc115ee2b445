"""A table of an export that is deleted and made anew under its own name."""

from datetime import UTC, date, datetime

import pytest

from src.core.base.faults import Conflict
from src.core.engine.port import Fence
from tests.core.gcp.conftest import TODAY
from tests.core.gcp.handmade import Hand, load, row, said
from tests.core.gcp.test_sources import day, days
from tests.fakes.billing import Billing

ANEW = datetime(2026, 11, 20, 9, tzinfo=UTC)
USED = days(1, 31, 10)


def read(here: Billing) -> Hand:
    old = Hand("costs", [row(one, 1) for one in (*days(1, 30, 9), *USED, *days(1, 19))])
    load(here, day(1, 9), TODAY, old)
    return old


def rows(here: Billing) -> int:
    [told] = here.ask("SELECT COUNT(*) AS n FROM gcp_billing_daily_raw")
    return int(told["n"])


def test_what_it_tells_again_counts_once(bare: Billing):
    before = read(bare), said(bare), rows(bare)
    anew = Hand("costs", [row(one, 1, written=TODAY) for one in (*USED, *days(1, 19))], created=ANEW)
    load(bare, day(19), TODAY, anew)

    # October and November are told by the new one, September stays as the old one told it
    assert (rows(bare), said(bare)) == (before[2], before[1])
    assert bare.ask("SELECT COUNT(*) AS n FROM gcp_billing_daily_raw WHERE ingest_date = @day", day=TODAY) == [{"n": 50}]
    load(bare, day(19), TODAY, anew)
    assert (rows(bare), said(bare)) == (before[2], before[1])


def test_one_that_tells_less_is_refused_until_it_is_taken_at_its_word(bare: Billing):
    read(bare)
    before = said(bare)
    anew = Hand("costs", [row(one, 1, written=TODAY) for one in days(5, 19)], created=ANEW).add(row(day(20, 10), 1, written=TODAY))
    with pytest.raises(Conflict, match=r"tells less than the table before it of 2026-10-21 \(0 rows, 1 before\)"):
        load(bare, day(19), TODAY, anew)
    assert said(bare) == before

    load(bare, day(19), TODAY, anew, reload=True)
    told = said(bare)
    assert (told["10-20"], told["10-21"][0], told["10-19"]) == (("1.00", "partial"), "0.00", ("1.00", "partial"))
    load(bare, day(19), TODAY, anew)
    assert said(bare) == told


def test_rows_that_an_earlier_release_counted_twice_are_mended_by_a_reload(bare: Billing):
    old = read(bare)
    before = said(bare), rows(bare)
    # as it was before it was kept when a table was made
    old.created = None
    with bare.parts.warehouse.publication(bare.tenant, "earlier", Fence("earlier", 1)) as publication:
        publication.execute("UPDATE x_source_looks SET source_made = NULL WHERE TRUE")
    twice = Hand("costs", [row(one, 1, written=TODAY) for one in (*USED, *days(1, 19))], created=None)
    load(bare, day(19), TODAY, twice)
    assert rows(bare) == before[1] + 50
    twice.created = datetime(2026, 11, 20, 13, tzinfo=UTC)
    bare.clock.today = date(2026, 11, 21)
    load(bare, day(19), bare.clock.today, twice, reload=True)

    assert rows(bare) == before[1]
    assert said(bare)["10-20"] == ("1.00", "complete")


LATER = datetime(2026, 11, 20, 13, tzinfo=UTC)
"""After what was read of the old one, and before the day on which the new one is."""


def months(here: Billing) -> dict[str, tuple[str, str]]:
    told = here.ask("SELECT invoice_month, net_cost, completeness FROM x_cost_monthly")
    return {row["invoice_month"]: (f"{row['net_cost']:.2f}", row["completeness"]) for row in told}


def test_what_is_filled_in_over_days_counts_once(bare: Billing):
    read(bare)
    before = months(bare)
    anew = Hand("costs", created=LATER)
    for at, filled in ((21, []), (22, days(1, 19)), (23, USED)):
        bare.clock.today = day(at)
        load(bare, day(19), bare.clock.today, anew.add(*(row(one, 1, written=bare.clock.today) for one in filled)))
        assert months(bare) == before


def test_what_was_used_between_the_old_one_and_the_new_is_not_known(bare: Billing):
    other = Hand("other", [row(one, 1, account="B") for one in (*days(1, 30, 9), *USED, *days(1, 19))])
    load(bare, day(1, 9), TODAY, Hand("costs", [row(one, 1) for one in (*days(1, 30, 9), *days(1, 10, 10))]), other)
    bare.clock.today = day(21)
    load(bare, day(1, 9), day(21), Hand("costs", [row(one, 1) for one in (*days(20, 31, 10), *days(1, 19))], created=LATER), other)

    told = said(bare)
    assert (told["10-15"], told["10-25"]) == (("1.00", "partial"), ("2.00", "complete"))
    assert months(bare)["202610"] == ("53.00", "partial")
