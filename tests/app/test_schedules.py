"""An organisation's schedules, the trigger, and how the scheduler stands."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from src.core.base.identity import Tenant
from src.core.base.names import Environment, OrgSlug
from src.core.ledger.tables import audit
from src.core.scheduler.allowance import allowance
from tests.acceptance.observed import problem
from tests.app.running_parts import House

SCHEDULER = "/api/v1/scheduler"
OWN = f"{SCHEDULER}/customer/acme_corp/pipelines"
DAILY = {"document": "fake/cost/fake_cost", "schedule_cron": "15 3 * * *", "timezone": "Europe/Berlin", "parameters": {"region": "eu"}}


async def ask(house: House, method: str, path: str, body: Mapping[str, Any] | None = None, **headers: str) -> httpx2.Response:
    async with house.client(**headers) as caller:
        return await caller.request(method, path, json=body)


async def made(house: House, **changes: Any) -> dict[str, Any]:
    answer = await ask(house, "POST", OWN, {**DAILY, **changes})
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def soon(house: House) -> str:
    return (house.parts.clock.now() - timedelta(minutes=1)).isoformat(timespec="seconds")


async def test_a_schedule_is_made_shown_and_removed(house):
    told = await made(house, priority=5)

    assert (told["document"], told["pipeline_id"], told["provider"], told["domain"]) == (
        "fake/cost/fake_cost",
        "acme-corp-fake-cost",
        "fake",
        "cost",
    )
    assert (told["is_active"], told["priority"], told["max_retries"], told["catch_up"]) == (True, 5, 3, False)
    # 03:15 in Berlin's winter
    assert [moment[11:16] for moment in told["next_runs"]] == ["02:15"] * 5
    assert told["next_run_time"] == told["next_runs"][0]
    listed = (await ask(house, "GET", OWN)).json()
    assert listed == {"org_slug": "acme_corp", "plan_too_small": None, "pipelines": [told]}
    assert (await ask(house, "GET", f"{OWN}/{told['config_id']}")).json() == told

    gone = await ask(house, "DELETE", f"{OWN}/{told['config_id']}")

    assert gone.json() == {"org_slug": "acme_corp", "config_id": told["config_id"], "state": "deleted"}
    problem(await ask(house, "DELETE", f"{OWN}/{told['config_id']}"), 404, "missing")
    entries = house.parts.ledger.read(audit.page, "acme_corp", None, 10)
    assert [(entry.action, entry.outcome) for entry in entries] == [
        ("schedules.delete", "FAILED"),
        ("schedules.delete", "SUCCESS"),
        ("schedules.create", "SUCCESS"),
    ]


async def test_a_pipeline_is_named_by_the_words_of_its_path_too(house):
    answer = await ask(house, "POST", OWN, {"provider": "fake", "domain": "cost", "schedule_cron": "0 4 * * *"})

    assert (answer.json()["document"], answer.json()["timezone"]) == ("fake/cost/fake_cost", "UTC")


async def test_it_is_changed_and_paused(house):
    told = await made(house)
    path = f"{OWN}/{told['config_id']}"

    later = (await ask(house, "PATCH", path, {"schedule_cron": "0 12 1 * *", "timezone": "UTC", "catch_up": True})).json()
    assert (later["next_run_time"], later["catch_up"]) == ("2026-12-01T12:00:00Z", True)
    paused = (await ask(house, "PATCH", path, {"is_active": False})).json()
    assert (paused["is_active"], paused["next_run_time"], paused["next_runs"]) == (False, None, [])
    assert paused["parameters"] == {"window": "yesterday", "region": "eu"}
    on = (await ask(house, "PATCH", path, {"is_active": True})).json()
    assert on["next_run_time"] == "2026-12-01T12:00:00Z"


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"schedule_cron": "61 * * * *"}, "schedule_cron", "'15 3 * * *'"),
        ({"schedule_cron": "daily"}, "schedule_cron", "five fields"),
        ({"timezone": "Europe/Atlantis"}, "timezone", "Europe/Berlin"),
        ({"parameters": {"window": "yesterdya"}}, "parameters.window", "did you mean 'yesterday'"),
        ({"parameters": {"depth": "deep"}}, "parameters.depth", "whole number"),
        ({"parameters": {"regoin": "eu"}}, "parameters.regoin", "region"),
        ({"next_run_time": "2026-11-01T00:00:00Z"}, "next_run_time", "day ago"),
        ({"next_run_time": "9999-12-31T23:59:59Z"}, "next_run_time", "ten years"),
        ({"next_run_time": "2026-12-01T00:00:00"}, "next_run_time", "zone"),
        ({"priority": 101}, "priority", "100"),
        ({"provider": "fake"}, None, "names its pipeline by document"),
    ],
)
async def test_what_is_wrong_is_told_with_its_field(house, change, field, says):
    told = problem(await ask(house, "POST", OWN, {**DAILY, **change}), 422, "rejected")

    assert any(flaw.get("field") == field for flaw in told["errors"]) or field is None, told
    assert says in str(told)


async def test_an_unknown_pipeline_is_missing(house):
    assert "fake/cost" in problem(await ask(house, "POST", OWN, {**DAILY, "document": "fake/csot/fake_cost"}), 404, "missing")["detail"]


async def test_a_plan_that_is_too_small_for_what_is_scheduled_is_told(house):
    house.organisation("small_org", "STARTER")
    mine = f"{SCHEDULER}/customer/small_org/pipelines"
    await ask(house, "POST", mine, {**DAILY, "schedule_cron": "0 */4 * * *"})
    assert (await ask(house, "GET", mine)).json()["plan_too_small"] is None

    await ask(house, "POST", mine, DAILY)

    told = (await ask(house, "GET", mine)).json()["plan_too_small"]
    assert "more than 6 runs within a day" in told
    assert "PROFESSIONAL allows 25" in told


async def test_an_organisation_has_two_hundred_at_most(house, monkeypatch):
    monkeypatch.setattr("src.core.schedules.editing.MOST", 2)
    await made(house)
    await made(house)

    assert "no more" in problem(await ask(house, "POST", OWN, DAILY), 409, "conflict")["detail"]


async def test_another_organisations_schedules_are_not_reached(house):
    told = await made(house)
    foreign = {"X-API-Key": house.organisation("other_org")}

    for method, path in (("GET", OWN), ("POST", OWN), ("PATCH", f"{OWN}/{told['config_id']}"), ("DELETE", f"{OWN}/{told['config_id']}")):
        problem(await ask(house, method, path, {}, **foreign), 403, "not-yours")
    elsewhere = f"{SCHEDULER}/customer/other_org/pipelines/{told['config_id']}"
    problem(await ask(house, "DELETE", elsewhere, None, **foreign), 404, "missing")


async def test_the_trigger_queues_what_is_due_for_nobody_though_the_call_names_a_user(house):
    told = await made(house, next_run_time=soon(house))
    root = {"X-CA-Root-Key": "", "X-User-ID": "ada@example.com"}
    async with house.client() as caller:
        root["X-CA-Root-Key"] = caller.headers["X-CA-Root-Key"]

    answer = (await ask(house, "POST", f"{SCHEDULER}/trigger", None, **root)).json()
    again = (await ask(house, "POST", f"{SCHEDULER}/trigger", None, **root)).json()

    assert answer == {"triggered_count": 1, "queued_count": 1, "skipped": [], "more": False}
    assert (again["triggered_count"], house.woken.times) == (0, 1)
    [run] = (await ask(house, "GET", "/api/v1/pipelines/runs/acme_corp?trigger=schedule")).json()["runs"]
    assert (run["user_id"], run["trigger"], run["document"]) == (None, "schedule", "fake/cost/fake_cost")
    house.begin(run["pipeline_logging_id"])
    house.end(run["pipeline_logging_id"], "acme_corp")
    entries = house.parts.ledger.read(audit.page, "acme_corp", None, 10)
    assert {entry.user_id for entry in entries} == {None}
    assert (await ask(house, "GET", f"{OWN}/{told['config_id']}")).json()["last_run_time"] == soon(house).replace("+00:00", "Z")


async def test_what_waits_is_told_with_its_reason(house):
    house.organisation("small_org", "STARTER")
    tenant = Tenant(OrgSlug("small_org"), Environment.DEVELOPMENT)
    for region in ("eu", "us"):
        body = {**DAILY, "parameters": {"region": region}, "next_run_time": soon(house)}
        await ask(house, "POST", f"{SCHEDULER}/customer/small_org/pipelines", body)

    answer = (await ask(house, "POST", f"{SCHEDULER}/trigger")).json()
    status = (await ask(house, "GET", f"{SCHEDULER}/status")).json()

    assert (answer["triggered_count"], answer["queued_count"]) == (2, 1)
    assert "STARTER allows 1" in answer["skipped"][0]["reason"]
    assert allowance(house.parts, tenant).used.run_today == 1
    assert (status["waiting_count"], status["waiting"][0]["reason"]) == (1, answer["skipped"][0]["reason"])
    # the organisation sees its own too
    own = (await ask(house, "GET", f"{SCHEDULER}/customer/small_org/pipelines")).json()["pipelines"]
    assert sorted([slot["reason"] for slot in one["waiting"]] for one in own) == [[], [answer["skipped"][0]["reason"]]]
    one = (await ask(house, "GET", f"{SCHEDULER}/customer/small_org/pipelines/{answer['skipped'][0]['config_id']}")).json()
    assert one["waiting"] == status["waiting"]
    assert (status["queue"]["queued"], status["today"]["runs"], status["today"]["queued"]) == (1, 1, 1)
    assert status["due"] == {"count": 0, "since": None, "lag_seconds": 0.0}
    assert [one["next_run_time"][11:16] for one in status["next_due"]] == ["02:15", "02:15"]
    assert status["clock"] == {"enabled": True, "owner": None, "here": False, "lease_expires_at": None}


async def test_status_tells_of_what_is_due_and_of_who_works(house):
    await made(house, next_run_time=soon(house))
    run_id = await house.accepted("acme_corp", region="asia")
    house.begin(run_id)

    status = (await ask(house, "GET", f"{SCHEDULER}/status")).json()

    assert (status["due"]["count"], round(status["due"]["lag_seconds"])) == (1, 60)
    assert [(worker["lease_owner"], worker["runs"]) for worker in status["workers"]] == [("tests", 1)]
    assert status["today"] == {"runs": 1, "queued": 0, "running": 0, "succeeded": 0, "failed": 0, "cancelled": 0} | {"running": 1}


async def test_a_schedule_that_is_removed_or_paused_ends_what_waits(house):
    house.organisation("small_org", "STARTER")
    mine = f"{SCHEDULER}/customer/small_org/pipelines"
    for region in ("eu", "us", "asia"):
        await ask(house, "POST", mine, {**DAILY, "parameters": {"region": region}, "next_run_time": soon(house)})
    skipped = (await ask(house, "POST", f"{SCHEDULER}/trigger")).json()["skipped"]

    await ask(house, "DELETE", f"{mine}/{skipped[0]['config_id']}")
    await ask(house, "PATCH", f"{mine}/{skipped[1]['config_id']}", {"is_active": False})

    assert (await ask(house, "GET", f"{SCHEDULER}/status")).json()["waiting_count"] == 0
