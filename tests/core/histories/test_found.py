"""Histories that chance has found, shrunk: each told too much or counted twice once."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.core.histories.clouds import CUSTOMER, OTHER, RESELLER, SINCE, Clouds
from tests.core.histories.reports import ACCOUNTS, Reports, books
from tests.fakes.billing import History, billing

FIRST, SECOND, _ = ACCOUNTS


@pytest.fixture
def world(onboarded_once: History, tmp_path: Path) -> Iterator[Clouds]:
    with billing(tmp_path, SINCE, history=onboarded_once, sandbox=False) as here:
        yield Clouds(here)


def begun(world: Clouds, *accounts: str) -> None:
    """Each with an export since ever and a credential that has read it up to the sixth day."""
    for account in accounts:
        world.store(account, world.begin(account))
        world.charge(account, SINCE)
    world.pass_days(6)


def read(world: Clouds, name: str) -> None:
    assert world.run(name, SINCE, world.here.clock.today)
    world.check()


def statuses(world: Clouds) -> dict[date, str]:
    return {day: standing.status for day, (standing, _) in world.customer.told(world.days, "account").items()}


@pytest.mark.parametrize(("kind", "dataset", "wait"), [("standard", "two", 0), ("standard", "two", 1), ("detailed", "one", 1)])
def test_what_an_export_is_filled_with_when_it_begins_counts_once(world: Clouds, kind: str, dataset: str, wait: int):
    begun(world, OTHER)
    read(world, OTHER)
    world.pass_days(wait)
    world.store(OTHER, world.begin(OTHER, kind, dataset, told="whole"))
    world.check()
    world.pass_days(1)
    read(world, OTHER)


@pytest.mark.parametrize("since", [0, 8])
def test_days_before_an_export_that_holds_nothing_yet_are_not_whole_once_it_was_read(world: Clouds, since: int):
    begun(world, OTHER)
    world.charge(RESELLER, SINCE + timedelta(1))
    world.pass_days(40)
    read(world, OTHER)
    assert statuses(world)[SINCE + timedelta(1)] == "complete"
    world.store(RESELLER, world.begin(RESELLER))
    assert world.run(RESELLER, SINCE + timedelta(since), world.here.clock.today)
    world.check()
    assert statuses(world)[SINCE + timedelta(1)] == "partial"
    world.pass_days(1)
    read(world, RESELLER)


def test_of_a_reseller_s_export_made_anew_a_customer_s_own_tells_nothing_of_the_reseller_s_days(world: Clouds):
    reseller, customer = world.begin(RESELLER), world.begin(CUSTOMER)
    for account in (RESELLER, CUSTOMER, OTHER):
        world.charge(account, SINCE)
    world.pass_days(6)
    world.store("first", reseller)
    world.pass_days(1)
    for _ in range(6):
        read(world, "first")
        world.pass_days(1)
    read(world, "first")
    world.store("third", customer)
    world.pass_days(1)
    read(world, "first")
    read(world, "third")
    world.charge(RESELLER, world.here.clock.today)
    world.begin(RESELLER, told="half")
    world.pass_days(1)
    read(world, "first")
    read(world, "third")
    world.finish()


def test_what_a_reseller_s_export_is_filled_with_counts_once(world: Clouds):
    begun(world, CUSTOMER)
    read(world, CUSTOMER)
    world.store("reseller", world.begin(RESELLER, told="whole"))
    world.remove(CUSTOMER)
    world.pass_days(70)
    read(world, "reseller")


def test_a_load_day_that_is_gone_before_it_is_read_leaves_its_days_partial(world: Clouds):
    world.store("one", world.begin(OTHER))
    world.pass_days(4)
    day = SINCE + timedelta(3)
    world.charge(OTHER, day)
    world.pass_days(2)
    world.run("one", SINCE, SINCE, late_days=0)
    world.put_away(world.exports["proj.one.gcp_billing_export_v1_0C_OTHER"], day)
    world.pass_days(60)
    read(world, "one")
    assert (statuses(world)[day], statuses(world)[day + timedelta(1)]) == ("partial", "complete")


def test_nobody_who_looks_on_finds_a_day_whole_beside_a_credential_that_was_not_read(world: Clouds):
    begun(world, OTHER)
    world.pass_days(60)
    read(world, OTHER)
    assert statuses(world)[SINCE + timedelta(1)] == "complete"
    world.store("second", world.begin(CUSTOMER))
    world.check()
    assert set(statuses(world).values()) <= {"partial", "missing"}


@pytest.fixture
def months(onboarded_once: History, tmp_path: Path) -> Iterator[Reports]:
    with billing(tmp_path, SINCE, history=onboarded_once, sandbox=False) as here:
        yield Reports(here, books(here, "period"), by_month=True)


@pytest.fixture
def days(onboarded_once: History, tmp_path: Path) -> Iterator[Reports]:
    with billing(tmp_path, SINCE, history=onboarded_once, sandbox=False) as here:
        yield Reports(here, books(here, "used"))


def test_a_month_that_is_put_away_before_it_was_read_as_it_closed_is_not_whole(months: Reports):
    months.pass_days(4)
    months.store("one", FIRST)
    months.deliver(FIRST, "2026-09")
    months.run("one", SINCE, months.today)
    months.pass_days(10)
    months.tell(FIRST, SINCE + timedelta(2), 3)
    months.pass_days(10)
    months.put_away(FIRST, "2026-09")
    months.pass_days(30)
    months.run("one", SINCE, months.today)
    months.check()


def test_a_day_that_a_deleted_credential_could_still_tell_of_is_not_whole(days: Reports):
    days.pass_days(4)
    last = days.today
    for name, account in (("one", FIRST), ("other", SECOND)):
        days.store(name, account)
    days.tell(SECOND, last, 0)
    for name in ("one", "other"):
        days.run(name, SINCE, last)
    days.remove("other")
    days.pass_days(1)
    days.tell(SECOND, last, 3)
    days.pass_days(30)
    days.run("one", SINCE, days.today)
    days.check()
