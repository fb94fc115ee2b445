"""Credentials that are stored and deleted between runs: what is told of days goes by those of this moment, and no run is needed."""

from dataclasses import replace
from datetime import date

import pytest

from src.core.base.window import Window
from src.core.costs.daily import read_daily
from src.core.costs.question import CostQuestion, Filters
from src.core.costs.sight import sight_of
from src.core.step import credentials
from src.core.step.books.axis import Used
from tests.core.costs.bills import reader
from tests.core.gcp.conftest import TODAY
from tests.core.gcp.handmade import Hand, Restated, connect, load, load_from, row, said
from tests.core.gcp.test_sources import day, days
from tests.fakes.billing import ROOT, Billing

OCTOBER = Window(day(1, 10), day(31, 10))


def told(here: Billing) -> dict[date, tuple[str, str | None]]:
    asked = replace(
        reader(here.parts.warehouse, here.tenant, here.clock.now()),
        sight=here.parts.ledger.read(sight_of, "acme_corp", here.parts.settings.configs_dir),
    )
    found = read_daily(asked, CostQuestion(OCTOBER, Filters(), ()), 100)
    return {line.usage_date: (line.standing.status, line.standing.reason) for line in found.lines}


@pytest.fixture
def two(bare: Billing) -> tuple[Hand, Hand]:
    return (
        Hand("mine", [row(one, 1) for one in (*days(1, 31, 10), *days(1, 20))], account="A"),
        Hand("other", [row(one, 2, account="B") for one in (*days(1, 31, 10), *days(1, 20))], account="B"),
    )


def remove(here: Billing, name: str) -> None:
    credentials.remove(here.parts, ROOT, "acme_corp", "gcp", name)


def test_a_credential_that_was_just_stored_leaves_no_day_whole(bare: Billing, two):
    mine, other = two
    connect(bare, first=[mine])
    load(bare, day(1, 10), TODAY, mine)
    assert {word for word, _ in told(bare).values()} == {"complete"}

    connect(bare, second=[other])
    found = told(bare)
    was_set_up = "gcp: the credential 'second' was set up on 2026-11-20, and proj.ds.other was not read since"
    run = "POST /api/v1/pipelines/run/acme_corp/gcp/cost/billing"
    body = '{"start_date": "2026-10-05", "end_date": "2026-10-05", "credential_name": "second"}'
    assert found[day(5, 10)] == ("partial", f"{was_set_up}; run the pipeline from 2026-10-05 to 2026-10-05: {run} {body}")
    assert {word for word, _ in found.values()} == {"partial"}
    # what the reason says, helps
    load(bare, day(1, 10), TODAY, other)
    assert {word for word, _ in told(bare).values()} == {"complete"}


def test_the_same_account_under_a_second_credential_makes_no_day_partial(bare: Billing, two):
    mine, _ = two
    connect(bare, first=[mine])
    load(bare, day(1, 10), TODAY, mine)
    connect(bare, second=[mine])

    assert {word for word, _ in told(bare).values()} == {"complete"}


def test_what_a_credential_that_is_deleted_has_not_read_stays_unread(bare: Billing, two):
    mine, other = two
    connect(bare, first=[mine], second=[other])
    load(bare, day(1, 10), TODAY, mine)
    load(bare, day(1, 10), day(15, 10), other, late_days=0)
    before = told(bare)
    assert {word for word, _ in before.values()} == {"partial", "stale"}
    remove(bare, "second")
    between = told(bare)
    assert {word for word, _ in between.values()} == {"partial"}
    assert str(between[day(1, 10)][1]).startswith("gcp: the credential was removed on 2026-11-20, before proj.ds.other was read again")
    load(bare, day(1, 10), TODAY, mine)

    after = told(bare)
    assert {word for word, _ in after.values()} == {"partial"}
    assert after[day(20, 10)][1] == (
        "gcp: load days 2026-10-20 to 2026-10-30 (11 of them) of proj.ds.other have not been read; "
        "the credential was removed on 2026-11-20: set it up again and run the pipeline from 2026-10-20 to 2026-10-30: "
        'POST /api/v1/pipelines/run/acme_corp/gcp/cost/billing {"start_date": "2026-10-20", "end_date": "2026-10-30"}'
    )
    # what the reason says, helps
    connect(bare, second=[other])
    load(bare, day(1, 10), TODAY, other)
    assert {word for word, _ in told(bare).values()} == {"complete"}
    assert said(bare)["10-20"] == ("3.00", "complete")


def test_what_a_credential_that_is_deleted_has_read_stays_as_it_was_judged(bare: Billing, two):
    mine, other = two
    connect(bare, first=[mine], second=[other])
    load(bare, day(1, 10), TODAY, mine)
    load(bare, day(1, 10), TODAY, other)
    remove(bare, "second")
    assert {word for word, _ in told(bare).values()} == {"complete"}
    bare.clock.today = date(2026, 11, 21)
    load(bare, day(1, 10), bare.clock.today, mine)

    assert {word for word, _ in told(bare).values()} == {"complete"}
    assert said(bare)["10-20"] == ("3.00", "complete")


def test_a_day_that_a_deleted_credential_could_still_have_told_of_is_stale_though_it_told_nothing(bare: Billing):
    connect(bare, first=[Hand("mine")], second=[Hand("other")])
    mine = Restated("proj.ds.mine", [row(one, 1) for one in days(5, 19)])
    other = Restated("proj.ds.other", [row(day(5), 2, account="B")])
    bare.clock.today = day(12)
    load_from(bare, day(5), day(12), mine, other, axis=Used(restates=2))
    remove(bare, "second")
    bare.clock.today = TODAY
    load_from(bare, day(5), day(19), mine, axis=Used(restates=2))

    found = said(bare)
    assert {name: found[f"11-{name}"][1] for name in ("08", "09", "10", "12", "13")} == {
        **dict.fromkeys(("08", "09"), "complete"),
        **dict.fromkeys(("10", "12"), "stale"),
        "13": "complete",
    }
