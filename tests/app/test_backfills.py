"""A backfill as it is asked for, shown, followed and cancelled."""

from datetime import timedelta

import pytest

from src.core.ledger.tables import audit, queue, runs, subscriptions
from src.core.schedules.trigger import trigger
from tests.acceptance.observed import problem
from tests.app.test_schedules import ask

ASKED = "/api/v1/pipelines/backfill/acme_corp/fake/cost"
ALL = "/api/v1/pipelines/backfills/acme_corp"
QUARTER = {"start_date": "2026-07-01", "end_date": "2026-09-30"}


async def made(house, **more: str):
    answer = await ask(house, "POST", f"{ASKED}/fake-cost", {**QUARTER, "region": "eu", **more})
    assert answer.status_code == 202, answer.text
    return answer.json()


def run_window(house, run_id, status="SUCCESS"):
    at = house.parts.clock.now()
    entry = house.parts.ledger.write(queue.claim, "tests", at, at + timedelta(minutes=1))
    assert entry.pipeline_logging_id == run_id
    house.parts.ledger.write(runs.take, run_id, at)
    house.end(run_id, "acme_corp", status=status)
    house.parts.ledger.write(queue.complete, queue.Hold(entry.queue_id, "tests", entry.lease_generation))
    trigger(house.parts, house.parts.catalog)


async def test_it_is_asked_for_and_run_to_its_end(house):
    told = await made(house)

    assert (told["state"], told["reused"], told["window_days"], told["unserved"]) == ("RUNNING", False, 31, None)
    assert (told["document"], told["pipeline_id"], told["inputs"]) == ("fake/cost/fake_cost", "acme-corp-fake-cost", {"region": "eu"})
    assert [(window["start"], window["state"]) for window in told["windows"]] == [
        ("2026-07-01", "QUEUED"),
        ("2026-08-01", "PLANNED"),
        ("2026-09-01", "PLANNED"),
    ]
    assert told["progress"]["days"] == {"total": 92, "done": 0, "failed": 0, "left": 92}
    assert house.woken.times == 1

    for left in (61, 30, 0):
        now = (await ask(house, "GET", told["links"]["backfill"])).json()
        run_window(house, next(one["pipeline_logging_id"] for one in now["windows"] if one["state"] == "QUEUED"))
        now = (await ask(house, "GET", told["links"]["backfill"])).json()
        assert now["progress"]["days"]["left"] == left

    trigger(house.parts, house.parts.catalog)
    now = (await ask(house, "GET", told["links"]["backfill"])).json()
    assert (now["state"], now["error"], now["progress"]["percent"], now["progress"]["estimated_end"]) == ("COMPLETED", None, 100.0, None)
    assert now["progress"]["windows"] == {"total": 3, "done": 3, "failed": 0, "left": 0}
    [listed] = (await ask(house, "GET", ALL)).json()["backfills"]
    assert listed == {name: value for name, value in now.items() if name != "windows"}
    actions = [(entry.action, entry.outcome) for entry in house.parts.ledger.read(audit.page, "acme_corp", None, 20)]
    assert ("backfills.create", "SUCCESS") in actions
    assert ("backfills.finished", "SUCCESS") in actions


async def test_asked_again_it_is_the_same(house):
    told = await made(house)

    again = (await ask(house, "POST", ASKED, {**QUARTER, "region": "eu"})).json()

    assert (again["backfill_id"], again["reused"]) == (told["backfill_id"], True)


async def test_it_is_followed_to_its_end(house):
    told = await made(house, end_date="2026-07-10")
    run_window(house, told["windows"][0]["pipeline_logging_id"])
    trigger(house.parts, house.parts.catalog)

    async with house.client() as caller:
        text = (await caller.get(told["links"]["events"])).text

    assert [line for line in text.splitlines() if line.startswith("event:")] == ["event: progress", "event: end"]
    assert '"state":"COMPLETED"' in text
    async with house.client() as caller:
        gone = await caller.get(told["links"]["events"], headers={"Last-Event-ID": "end"})
    assert gone.status_code == 204


async def test_it_is_cancelled_once(house):
    told = await made(house)
    house.begin(told["windows"][0]["pipeline_logging_id"])

    stopped = await ask(house, "POST", told["links"]["cancel"])

    assert (stopped.status_code, stopped.json()["state"]) == (202, "CANCELLED")
    assert house.woken.nudged == [told["windows"][0]["pipeline_logging_id"]]
    # asked again while its window has not stopped yet, it asks that to stop again
    assert (await ask(house, "POST", told["links"]["cancel"])).status_code == 202
    house.end(told["windows"][0]["pipeline_logging_id"], "acme_corp", "CANCELLED")
    problem(await ask(house, "POST", told["links"]["cancel"]), 409, "conflict")


async def test_what_its_plan_refuses_is_told(house):
    house.organisation("small_org", "STARTER")
    path = "/api/v1/pipelines/backfill/small_org/fake/cost"
    waits = []
    for region in ("eu", "us"):
        told = (await ask(house, "POST", path, {**QUARTER, "region": region})).json()
        waits.append((told["windows"][0]["state"], told["progress"]["waits_for"]))
    house.parts.ledger.write(subscriptions.set_status, "small_org", "SUSPENDED", house.parts.clock.now())
    told = (await ask(house, "POST", path, {**QUARTER, "region": "asia"})).json()

    assert waits == [("QUEUED", "a worker, behind the other runs of its organisation")] * 2
    assert told["windows"][0]["state"] == "WAITING"
    assert "small_org is suspended" in told["progress"]["waits_for"]


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"end_date": "2026-11-21"}, "end_date", "is not past; name 2026-11-20"),
        ({"start_date": "2009-12-31"}, "start_date", "name 2010-01-01"),
        ({"start_date": "2026-10-01"}, None, "swap them"),
        ({"regoin": "eu"}, "regoin", "region"),
        ({"depth": "deep"}, "depth", "whole number"),
    ],
)
async def test_what_is_wrong_is_told_with_its_field(house, change, field, says):
    told = problem(await ask(house, "POST", ASKED, {**QUARTER, **change}), 422, "rejected")

    assert any(flaw.get("field") == field for flaw in told["errors"]) or field is None, told
    assert says in str(told)


async def test_another_organisations_backfills_are_not_reached(house):
    told = await made(house)
    foreign = {"X-API-Key": house.organisation("other_org")}

    for method, path in (("POST", ASKED), ("GET", ALL), ("GET", told["links"]["backfill"]), ("POST", told["links"]["cancel"])):
        problem(await ask(house, method, path, QUARTER, **foreign), 403, "not-yours")
    elsewhere = f"/api/v1/pipelines/backfills/other_org/{told['backfill_id']}"
    for method, path in (("GET", elsewhere), ("GET", f"{elsewhere}/events"), ("POST", f"{elsewhere}/cancel")):
        problem(await ask(house, method, path, None, **foreign), 404, "missing")
