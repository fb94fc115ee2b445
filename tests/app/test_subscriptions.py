"""Plan, billing status and quota: what the billing side says counts from the next run on."""

from datetime import timedelta

import pytest

from src.app.models.subscriptions import SPELLINGS
from src.core.base.faults import Missing
from src.core.base.identity import Actor, Tenant
from src.core.base.names import OrgSlug
from src.core.ledger.tables import quotas
from src.core.step import subscriptions
from tests.acceptance.observed import problem
from tests.app.running_parts import House

PATH = "/api/v1/organizations/acme_corp/subscription"


async def put(house: House, body: object, slug: str = "acme_corp", **headers: str):
    async with house.client(**headers) as caller:
        return await caller.put(f"/api/v1/organizations/{slug}/subscription", json=body)


def audited(house: House, outcome: str):
    with house.parts.ledger.reading() as unit:
        audit = unit.tables["org_audit_logs"]
        return unit.rows(audit.select().where(audit.c.action == "subscriptions.update", audit.c.outcome == outcome))


@pytest.mark.parametrize(("said", "stored"), [*SPELLINGS.items(), ("Past_Due", "SUSPENDED"), ("ACTIVE", "ACTIVE"), (" trialing ", "TRIAL")])
async def test_both_spellings_of_a_status_are_read_in_any_case(house, said, stored):
    answer = await put(house, {"status": said})

    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == stored
    assert (await house.found(PATH))["status"] == stored
    assert (await house.found(PATH))["may_run"] == (stored in ("ACTIVE", "TRIAL"))


@pytest.mark.parametrize(
    ("said", "stored"),
    [("2026-12-31", "2026-12-31"), ("2026-12-31T23:30:00Z", "2026-12-31"), ("2026-12-31T23:30:00-02:00", "2027-01-01")],
)
async def test_the_end_of_a_trial_is_a_day_however_it_is_said(house, said, stored):
    assert (await put(house, {"trial_end_date": said})).json()["trial_end_date"] == stored
    assert (await put(house, {"status": "trialing"})).json()["trial_end_date"] == stored


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "names nothing to change"),
        ({"plan": None}, "names nothing to change"),
        ({"plan": "GOLD"}, "STARTER, PROFESSIONAL, SCALE"),
        ({"status": "happy"}, "past_due"),
        ({"status": 1}, "past_due"),
        ({"trial_end_date": "soon"}, "2026-12-31"),
        ({"trial_end_date": "2026-02-30"}, "2026-12-31"),
        ({"trial_end_date": "2026-12-31T00:00:00"}, "2026-12-31"),
        ({"trial_end_date": 1798675200}, "2026-12-31"),
        ({"trial_end_date": "0001-01-01T00:00:00+14:00"}, "2026-12-31"),
        ({"stauts": "active"}, "did you mean 'status'"),
    ],
)
async def test_what_cannot_be_meant_is_refused_and_changes_nothing(house, body, says):
    before = await house.found(PATH)

    assert says in problem(await put(house, body), 422, "rejected")["detail"]
    assert await house.found(PATH) == before


async def test_a_refused_plan_takes_the_status_of_the_same_call_with_it(house):
    problem(await put(house, {"status": "canceled", "plan": "GOLD"}), 422, "rejected")

    assert (await house.found(PATH))["status"] == "ACTIVE"
    assert [row.details["code"] for row in audited(house, "FAILED")] == ["rejected"]
    assert not audited(house, "SUCCESS")


async def test_a_change_is_written_down_with_what_was_before(house):
    await put(house, {"plan": "starter", "status": "past_due"})

    (row,) = audited(house, "SUCCESS")
    assert row.org_slug == "acme_corp"
    assert row.details == {
        "before": {"plan": "SCALE", "status": "ACTIVE", "trial_end_date": None},
        "after": {"plan": "STARTER", "status": "SUSPENDED", "trial_end_date": None},
    }


async def test_a_smaller_plan_counts_from_the_next_run_on(house):
    for day in range(1, 4):
        await house.accepted("acme_corp", date=f"2026-01-0{day}")
    changed = (await put(house, {"plan": "STARTER"})).json()

    assert (changed["plan"], changed["daily_run_limit"], changed["monthly_run_limit"], changed["concurrent_run_limit"]) == (
        "STARTER",
        6,
        180,
        1,
    )
    quota = await house.found("/api/v1/organizations/acme_corp/quota")
    assert quota["running"] == {"used": 3, "limit": 1, "remaining": 0}
    assert quota["day"]["remaining"] == 3
    problem(await house.ask("acme_corp", {"date": "2026-01-04"}), 429, "quota-exceeded")
    assert (await put(house, {"plan": "SCALE"})).status_code == 200
    await house.accepted("acme_corp", date="2026-01-04")


@pytest.mark.parametrize(("said", "status", "code"), [("past_due", 402, "payment-needed"), ("canceled", 403, "not-yours")])
async def test_a_blocked_organisation_runs_nothing_and_is_told_why(house, said, status, code):
    await put(house, {"status": said})

    refused = problem(await house.ask("acme_corp"), status, code)
    quota = await house.found("/api/v1/organizations/acme_corp/quota")
    assert (quota["may_run"], quota["reason"], quota["why"]) == (False, "blocked", refused["detail"])

    await put(house, {"status": "active"})
    await house.accepted("acme_corp")


async def test_a_trial_runs_through_its_last_day_and_no_longer(house):
    today = house.parts.clock.now().date()
    await put(house, {"status": "trialing", "trial_end_date": str(today)})
    await house.accepted("acme_corp")
    assert (await put(house, {"trial_end_date": str(today - timedelta(days=1))})).json()["may_run"] is False

    problem(await house.ask("acme_corp", {"date": "2026-01-01"}), 402, "payment-needed")
    shown = [await house.found(f"/api/v1/organizations/acme_corp/{what}") for what in ("subscription", "quota")]
    assert [told["may_run"] for told in shown] == [False, False]
    assert (await put(house, {"status": "trialing"})).json()["may_run"] is False


async def test_the_end_of_a_trial_is_taken_away_by_saying_so(house):
    today = house.parts.clock.now().date()
    await put(house, {"status": "trialing", "trial_end_date": str(today - timedelta(days=1))})

    answer = (await put(house, {"trial_end_date": None})).json()

    assert (answer["status"], answer["trial_end_date"], answer["may_run"]) == ("TRIAL", None, True)
    await house.accepted("acme_corp")


async def test_the_quota_resets_at_the_organisations_own_midnight(house):
    house.organisation("kiri_corp", timezone="Pacific/Kiritimati")
    await house.accepted("kiri_corp")

    quota = await house.found("/api/v1/organizations/kiri_corp/quota")

    assert quota["timezone"] == "Pacific/Kiritimati"
    assert quota["day"]["resets_at"].endswith("T00:00:00+14:00")
    assert quota["month"]["resets_at"].endswith("-01T00:00:00+14:00")
    assert (quota["day"]["used"], quota["month"]["used"], quota["running"]["used"]) == (1, 1, 1)
    assert (quota["may_run"], quota["reason"], quota["why"]) == (True, None, None)


@pytest.mark.parametrize(
    ("used", "reason"),
    [
        ({"run_today": 100, "run_month": 3000, "running": 10}, "monthly"),
        ({"run_today": 100, "running": 10}, "daily"),
        ({"running": 10}, "concurrent"),
        ({"run_today": 99, "run_month": 2999, "running": 9}, None),
    ],
)
async def test_of_several_limits_the_one_that_lasts_longest_is_told_as_at_a_refusal(house, used, reason):
    columns = {"run_today": "pipelines_run_today", "run_month": "pipelines_run_month", "running": "concurrent_pipelines_running"}
    now = house.parts.clock.now()
    with house.parts.ledger.writing() as unit:
        table = unit.tables["org_usage_quotas"]
        unit.change(table.update().values(usage_date=now.date(), **{columns[name]: value for name, value in used.items()}))

    quota = await house.found("/api/v1/organizations/acme_corp/quota")

    assert quota["reason"] == reason
    refused = house.parts.ledger.write(quotas.reserve, "acme_corp", day=now.date(), at=now)
    assert (refused and refused.reason) == reason


async def test_only_the_platform_changes_a_subscription_and_its_organisation_reads_it(house):
    api_key = house.organisation("second_corp")
    mine = {"X-API-Key": api_key}
    async with house.client(**mine) as caller:
        assert (await caller.get("/api/v1/organizations/second_corp/subscription")).json()["plan"] == "SCALE"
        assert (await caller.get("/api/v1/organizations/second_corp/quota")).json()["may_run"] is True
        problem(await caller.get("/api/v1/organizations/acme_corp/quota"), 403, "not-yours")

    problem(await put(house, {"plan": "SCALE"}, "second_corp", **mine), 403, "not-yours")
    problem(await put(house, {"plan": "SCALE"}, "nobody_here"), 404, "missing")
    for what in ("quota", "subscription"):
        problem(await house.read(f"/api/v1/organizations/nobody_here/{what}"), 404, "missing")


def test_a_change_that_was_asked_for_the_slugs_earlier_holder_changes_nothing(house):
    parts = house.parts
    before = parts.ledger.read(subscriptions.standing, "acme_corp", parts.clock.now())
    asked = subscriptions.SubscriptionChange(plan="STARTER")
    with pytest.raises(Missing, match="off-boarded"):
        subscriptions.change(parts, Actor("root"), Tenant(OrgSlug("acme_corp"), parts.settings.environment, 7), asked)
    assert parts.ledger.read(subscriptions.standing, "acme_corp", parts.clock.now()) == before
    assert audited(house, "SUCCESS") == []
