"""What a plan allows and what a billing status allows, told so that a caller knows what to do."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx2
import pytest

from tests.acceptance.observed import afternoon, change, new_slug, problem
from tests.acceptance.test_bill_journey import BILLING, Customer
from tests.fakes.running import RunningService

NEWEST = date(2026, 11, 10)
PATIENCE = 60
ASKED = 40  # at once; that of two hundred no more are admitted, test_runs_followed shows


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    running = RunningService(tmp_path_factory.mktemp("quotas") / "data", {"SANDBOX": "true", "WORKER_POLL_SECONDS": "0.1"}).start()
    try:
        yield running.bootstrap()
    finally:
        running.stop()


def day(number: int) -> dict[str, Any]:
    """Recent ones first: of a year ago the sandbox would have to make every day since."""
    return {"date": str(NEWEST - timedelta(days=number)), "late_days": 0}


def asked(customer: Customer, body: dict[str, Any], query: str = "") -> httpx2.Response:
    return customer.call("POST", f"/pipelines/run/{customer.slug}/{BILLING}{query}", body)


def subscribe(customer: Customer, **body: str) -> dict[str, Any]:
    answer = customer.service.admin("PUT", f"/api/v1/organizations/{customer.slug}/subscription", body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_seventh_run_of_a_starters_day_is_refused_until_its_own_midnight(service):
    name, zone = afternoon()
    customer = Customer.of(service, new_slug("daily"), timezone=name)
    for number in range(6):
        assert asked(customer, day(number), "?wait=true").json()["status"] == "SUCCESS"
    refused = asked(customer, day(6))

    told = problem(refused, 429, "quota-exceeded")
    midnight = datetime.combine(datetime.now(zone).date() + timedelta(days=1), datetime.min.time(), zone)
    assert (told["reason"], told["used"], told["limit"]) == ("daily", 6, 6)
    assert datetime.fromisoformat(told["resets_at"]) == midnight
    assert abs(int(refused.headers["retry-after"]) - (midnight - datetime.now(UTC)).total_seconds()) < PATIENCE
    assert "6" in told["detail"]
    quota = customer.quota()
    assert (quota["day"]["used"], quota["day"]["remaining"], quota["may_run"], quota["reason"]) == (6, 0, False, "daily")
    assert datetime.fromisoformat(quota["day"]["resets_at"]) == midnight
    subscribe(customer, plan="PROFESSIONAL")
    assert asked(customer, day(6), "?wait=true").json()["status"] == "SUCCESS"


def test_the_runs_of_a_month_are_a_limit_of_their_own(service):
    name, zone = afternoon()
    customer = Customer.of(service, new_slug("monthly"), timezone=name)
    assert asked(customer, day(0), "?wait=true").json()["status"] == "SUCCESS"
    change(service, f"UPDATE org_usage_quotas SET pipelines_run_month = 179 WHERE org_slug = '{customer.slug}'")
    assert asked(customer, day(1), "?wait=true").json()["status"] == "SUCCESS"

    told = problem(asked(customer, day(2)), 429, "quota-exceeded")
    now = datetime.now(zone)
    following = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=zone)
    assert (told["reason"], told["used"], told["limit"]) == ("monthly", 180, 180)
    assert datetime.fromisoformat(told["resets_at"]) == following
    assert customer.quota()["month"] == {"used": 180, "limit": 180, "remaining": 0, "resets_at": customer.quota()["month"]["resets_at"]}


def test_a_second_run_at_once_is_refused_to_a_starter_until_the_first_is_over(service):
    customer = Customer.of(service, new_slug("single"))
    first = customer.accepted(NEWEST - timedelta(days=89), NEWEST)
    told = problem(asked(customer, day(20)), 429, "quota-exceeded")

    assert (told["reason"], told["used"], told["limit"]) == ("concurrent", 1, 1)
    assert customer.quota()["running"] == {"used": 1, "limit": 1, "remaining": 0}
    assert customer.quota()["day"]["used"] == 1
    subscribe(customer, plan="PROFESSIONAL")
    second = asked(customer, day(21))
    assert second.status_code == 202
    for run_id in (first, second.json()["pipeline_logging_id"]):
        customer.call("POST", f"/pipelines/runs/{customer.slug}/{run_id}/cancel")
        assert customer.settled(run_id)["status"] in ("CANCELLED", "SUCCESS")
    assert customer.quota()["running"]["used"] == 0
    subscribe(customer, plan="STARTER")
    assert asked(customer, day(22), "?wait=true").json()["status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("spellings", "stored", "refusal"),
    [
        (("trialing", "TRIAL"), "TRIAL", None),
        (("active", "ACTIVE"), "ACTIVE", None),
        (("past_due", "paused", "incomplete", "SUSPENDED"), "SUSPENDED", 402),
        (("canceled", "CANCELLED"), "CANCELLED", 403),
    ],
)
def test_a_status_in_either_spelling_takes_effect_on_the_next_run(service, spellings, stored, refusal):
    customer = Customer.of(service, new_slug("status"), subscription_plan="SCALE")
    for number, said in enumerate(spellings):
        subscribe(customer, status="active" if refusal else "past_due")
        before = customer.quota()["day"]["used"]
        told = subscribe(customer, status=said)
        answer = asked(customer, day(number), "?wait=true")

        assert (told["status"], told["may_run"]) == (stored, refusal is None), said
        quota = customer.quota()
        assert (quota["status"], quota["may_run"]) == (stored, refusal is None)
        if refusal is None:
            assert answer.json()["status"] == "SUCCESS", said
        else:
            document = answer.json()
            assert answer.status_code == refusal, said
            assert answer.headers["content-type"] == "application/problem+json"
            assert stored.lower() in document["detail"].lower() or said in document["detail"].lower()
            assert quota["day"]["used"] == before
            assert quota["why"]


def test_a_trial_that_is_over_pays_first_and_one_that_is_not_runs(service):
    customer = Customer.of(service, new_slug("trial"))
    today = datetime.now(UTC).date()
    subscribe(customer, status="trialing", trial_end_date=str(today - timedelta(days=2)))
    refused = asked(customer, day(0))
    assert refused.status_code == 402
    assert "trial" in refused.json()["detail"].lower()
    subscribe(customer, trial_end_date=str(today + timedelta(days=2)))
    assert asked(customer, day(0), "?wait=true").json()["status"] == "SUCCESS"


def test_an_organisation_does_not_change_its_own_subscription(service):
    customer = Customer(service, slug := new_slug("own"), service.key_of(slug))
    answer = customer.call("PUT", f"/organizations/{slug}/subscription", {"plan": "SCALE"})

    assert answer.status_code in (401, 403)
    assert customer.quota()["plan"] == "STARTER"


async def crowd(customer: Customer) -> list[httpx2.Response]:
    limits = httpx2.Limits(max_connections=None)
    url = f"/api/v1/pipelines/run/{customer.slug}/{BILLING}"
    async with httpx2.AsyncClient(
        base_url=customer.service.address, timeout=600, trust_env=False, verify=False, limits=limits, headers={"X-API-Key": customer.key}
    ) as client:
        return list(await asyncio.gather(*(client.post(url, json=day(number)) for number in range(ASKED))))


def admitted(answers: list[httpx2.Response]) -> list[str]:
    refused = [problem(answer, 429, "quota-exceeded") for answer in answers if answer.status_code != 202]
    assert len(refused) == ASKED - 3
    assert {(one["reason"], one["used"], one["limit"]) for one in refused} == {("concurrent", 3, 3)}
    return [answer.json()["pipeline_logging_id"] for answer in answers if answer.status_code == 202]


def test_of_many_at_once_three_are_admitted_and_their_slots_come_back_exactly(tmp_path):
    """Nobody works while the crowd asks, so that no slot comes back in the middle; then the work is done."""
    service = RunningService(tmp_path / "data", {"SANDBOX": "true", "WORKER_ENABLED": "false"}).start().bootstrap()
    try:
        customer = Customer.of(service, "crowded_corp", subscription_plan="PROFESSIONAL")
        for number in range(2):
            runs = admitted(asyncio.run(crowd(customer)))
            assert len(set(runs)) == 3
            assert customer.quota()["running"] == {"used": 3, "limit": 3, "remaining": 0}
            again(service, "true")
            assert [customer.settled(run_id)["status"] for run_id in runs] == ["SUCCESS"] * 3
            quota = customer.quota()
            assert quota["running"] == {"used": 0, "limit": 3, "remaining": 3}
            assert quota["day"]["used"] == 3 * (number + 1)
            again(service, "false")
    finally:
        service.stop()


def again(service: RunningService, working: str) -> None:
    service.stop()
    service.settings["WORKER_ENABLED"] = working
    service.start()
