"""Where things happen that an organisation is told of, and what an operator sees of the telling."""

from datetime import timedelta

import pytest

from src.core.ledger.tables import events, quotas, subscriptions
from tests.acceptance.observed import problem
from tests.app.running_parts import House
from tests.fakes.billing import StillClock


def happened(house: House, type_: str):
    later = house.parts.clock.now() + timedelta(days=1)
    return [row.event for row in house.parts.ledger.read(events.new, later, 100) if row.type == type_]


async def test_the_first_refusal_by_the_days_limit_is_told_once(house: House):
    house.organisation("small_corp", "STARTER")
    limit = house.parts.ledger.read(quotas.usage, "small_corp", house.parts.clock.now().date()).daily_limit
    with house.parts.ledger.writing() as unit:
        table = unit.tables["org_usage_quotas"]
        today = house.parts.clock.now().date()
        unit.change(table.update().where(table.c.org_slug == "small_corp").values(pipelines_run_today=limit, usage_date=today))
    for day in (1, 2):
        refused = problem(await house.ask("small_corp", {"date": f"2026-01-0{day}"}), 429, "quota-exceeded")
    (told,) = happened(house, "quota.exceeded")
    assert told.data == {"limit": "daily", "used": limit, "allowed": limit, "resets_at": refused["resets_at"]}


async def test_that_all_places_are_taken_is_told_to_who_asked_alone(house: House):
    house.organisation("small_corp", "STARTER")
    await house.accepted("small_corp", date="2026-01-01")
    problem(await house.ask("small_corp", {"date": "2026-01-02"}), 429, "quota-exceeded")
    assert happened(house, "quota.exceeded") == []


@pytest.mark.parametrize(("said", "times"), [("past_due", 1), ("canceled", 1), ("active", 0), ("trialing", 0)])
async def test_a_subscription_under_which_nothing_runs_is_told_as_it_changes(house: House, said, times):
    for _ in range(2):
        async with house.client() as caller:
            assert (await caller.put("/api/v1/organizations/acme_corp/subscription", json={"status": said})).status_code == 200
    told = happened(house, "plan.blocked")
    assert len(told) == times
    found = house.parts.ledger.read(subscriptions.get, "acme_corp")
    assert found is not None
    assert all(one.data["billing_status"] == found.status for one in told)


async def test_a_runs_end_is_an_event_and_a_cancelled_one_is_none(house: House):
    ran = [await house.accepted("acme_corp", start_date=f"2026-0{month}-01", end_date=f"2026-0{month}-02") for month in (1, 2, 3)]
    for run_id, status in zip(ran, ("SUCCESS", "FAILED", "CANCELLED"), strict=True):
        house.end(run_id, "acme_corp", status)
    told = [row.event for row in house.parts.ledger.read(events.new, house.parts.clock.now() + timedelta(days=1), 100)]
    assert {one.data["pipeline_logging_id"]: one.type for one in told} == {ran[0]: "run.succeeded", ran[1]: "run.failed"}


async def test_an_operator_has_what_waits_told_and_sees_how_late_it_is(house: House):
    run_id = await house.accepted("acme_corp", start_date="2026-01-01", end_date="2026-01-02")
    house.begin(run_id)
    house.end(run_id, "acme_corp", "FAILED")
    house.parts.clock = StillClock(house.parts.clock.now().date() + timedelta(days=1))
    before = (await house.found("/api/v1/scheduler/status"))["notifications"]
    assert (before["events"], round(before["lag_seconds"])) == (1, 86_400)
    async with house.client() as caller:
        done = await caller.post("/api/v1/scheduler/process-notifications")
        assert (done.status_code, done.json()) == (200, {"fanned_out": 1, "tried": 0, "waiting": 0})
        assert (await caller.post("/api/v1/scheduler/process-queue")).json()["notifications"] == "by itself"
        metrics = (await caller.get("/metrics")).text
    assert (await house.found("/api/v1/scheduler/status"))["notifications"]["events"] == 0
    assert "notifications_sent_total 0.0" in metrics
