"""What the answer to a setup tells of days that change hands, and of those of which nobody will know."""

from datetime import UTC, date, datetime

from src.core.ledger.tables.credentials import list_for
from src.core.step.handover import Handovers, handovers
from tests.core.gcp.conftest import TODAY
from tests.core.gcp.handmade import Hand, connect, load, row, said
from tests.core.gcp.test_sources import day, days
from tests.fakes.billing import Billing

SWITCHED_ON = datetime(2026, 10, 20, 14, tzinfo=UTC)
STANDARD, DETAILED = "proj.ds.standard", "proj.ds.detailed"


def set_up(here: Billing, *exports: Hand) -> Handovers:
    def stored():
        return here.parts.ledger.read(list_for, here.tenant.org_slug)

    before = stored()
    connect(here, first=[*exports])
    return handovers(here.parts, here.tenant, "gcp", before, stored())


def detailed() -> Hand:
    rows = [row(one, 1) for one in (*days(20, 31, 10), *days(1, 19))]
    return Hand("detailed", rows, kind="detailed", account="A", created=SWITCHED_ON)


def test_of_an_export_that_begins_in_mid_month_the_days_before_are_told_as_unknown(bare: Billing):
    told = set_up(bare, detailed())
    assert told.changes == ()
    [unknown] = told.unknown
    assert (unknown.account, unknown.source, unknown.first_day, unknown.last_day) == ("A", DETAILED, None, day(20, 10))
    assert unknown.says == (
        f"{DETAILED} begins during 2026-10-20: of days of A up to it no source that is read tells all, and they are partial"
    )

    load(bare, day(1, 10), TODAY, detailed())
    assert (said(bare)["10-20"][1], said(bare)["10-21"][1]) == ("partial", "complete")
    # set up again it says nothing new
    assert set_up(bare, detailed()) == Handovers()


def test_of_a_detailed_export_beside_an_older_one_it_tells_which_days_change_hands_and_which_nobody_knows(bare: Billing):
    standard = Hand("standard", [row(one, 1) for one in (*days(1, 31, 10), *days(1, 19))], account="A")
    set_up(bare, standard)
    bare.clock.today = day(18, 10)
    load(bare, day(1, 10), day(18, 10), standard)
    newer = detailed()
    newer.location = "EU"
    told = set_up(bare, newer)

    [change], [unknown] = told.changes, told.unknown
    assert (change.account, change.from_source, change.to_source) == ("A", STANDARD, DETAILED)
    assert (change.first_day, change.last_day) == (day(21, 10), day(18, 10))
    assert change.says == (
        f"days of A from 2026-10-21 on, of which {STANDARD} told until 2026-10-18, will be counted from {DETAILED}; "
        f"days before stay counted from {STANDARD}"
    )
    assert (unknown.first_day, unknown.last_day) == (day(18, 10), day(20, 10))
    assert f"run the pipeline with a credential for {STANDARD} once more" in unknown.says
    assert unknown.says.endswith("Google may write to it what was used since 2026-09-01, and then these days are known")
    # and so it comes
    bare.clock.today = TODAY
    load(bare, day(1, 10), TODAY, detailed())
    partial = [name for name, (_, standing) in said(bare).items() if standing == "partial"]
    assert partial == [f"10-{number:02}" for number in range(8, 21) if number != 19]
    assert said(bare)["10-19"][1] == "missing"


def test_an_older_one_that_was_read_past_the_change_leaves_no_day_unknown(bare: Billing):
    standard = Hand("standard", [row(one, 1) for one in (*days(1, 31, 10), *days(1, 19))], account="A")
    set_up(bare, standard)
    bare.clock.today = day(26, 10)
    load(bare, day(1, 10), day(25, 10), standard)
    told = set_up(bare, detailed())

    assert ([one.first_day for one in told.changes], told.unknown) == ([date(2026, 10, 21)], ())


def test_of_an_older_one_that_was_never_read_nothing_is_known(bare: Billing):
    set_up(bare, Hand("standard", account="A"))
    told = set_up(bare, detailed())

    assert [(one.last_day, one.says.count("nothing was read of")) for one in told.changes] == [(None, 1)]
    assert [(one.first_day, one.last_day) for one in told.unknown] == [(None, day(20, 10))]


def test_of_an_account_that_its_reseller_told_of_so_far_the_days_change_hands(bare: Billing):
    parent, child = "0A-PARENT", "0B-CHILD"
    reseller = Hand("gcp_billing_export_v1_0A_PARENT", [row(one, 1, account=child) for one in days(1, 18, 10)], account=parent)
    set_up(bare, reseller)
    bare.clock.today = day(19, 10)
    load(bare, day(1, 10), day(19, 10), reseller)
    own = Hand("gcp_billing_export_v1_0B_CHILD", account=child, created=SWITCHED_ON)
    told = set_up(bare, reseller, own)

    assert [(one.account, one.from_source, one.to_source, one.first_day) for one in told.changes] == [
        (child, reseller.table.source, own.table.source, day(21, 10))
    ]
    # the reseller's goes on to be read
    assert told.unknown == ()
