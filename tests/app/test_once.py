"""A POST under an Idempotency-Key: done once, answered again, to nobody but who asked, and never out of a secret kept in clear."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.schema import DropTable

from src.core.base.names import OrgSlug
from src.core.step import api_keys
from tests.acceptance.observed import problem
from tests.app.running_parts import House
from tests.fakes.billing import StillClock
from tests.fakes.receiver import Receiver, receiving
from tests.fakes.running import ROOT_KEY

ORGS, BOOTSTRAP = "/api/v1/organizations", "/api/v1/admin/bootstrap"
ACME = {"org_slug": "acme_corp", "company_name": "Acme Corp", "admin_email": "a@example.com"}
ROTATE, WEBHOOKS, CHANNELS = f"{ORGS}/acme_corp/keys/rotate", f"{ORGS}/acme_corp/webhooks", f"{ORGS}/acme_corp/channels"
SCHEDULES, PRICES = "/api/v1/scheduler/customer/acme_corp/pipelines", "/api/v1/integrations/acme_corp/openai/pricing"
RATE = {"model": "gpt-of-ours", "token_kind": "input", "price": "3.0", "source": "contract"}
REPLAYED = "Idempotency-Replayed"
KEY = "3f0f8b1c-6e0f-4a55-9b1e-0b6f3c1d2e4f"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def build(folder: Path, receiver: Receiver) -> House:
    house = House.build(folder, notify_inside_hosts=receiver.host)
    # the service's own documents
    del house.parts.__dict__["catalog"]
    house.parts.claim_warehouse()
    return house


@pytest.fixture
def house(tmp_path: Path, receiver: Receiver) -> Iterator[House]:
    made = build(tmp_path, receiver)
    yield made
    made.parts.close()


async def post(house: House, path: str, body: Any = None, key: str | None = KEY, **headers: str) -> httpx2.Response:
    named = headers or {"X-CA-Root-Key": ROOT_KEY}
    async with house.client(**named, **({"Idempotency-Key": key} if key else {})) as caller:
        return await caller.post(path, json=body)


def living(house: House) -> str:
    """The key of acme_corp, which has no dataset."""
    house.organisation("acme_corp")
    minted = api_keys.mint(house.parts, OrgSlug("acme_corp"))
    with house.parts.ledger.writing() as unit:
        unit.change(unit.tables["org_api_keys"].delete())
        api_keys.store(unit, minted, house.parts.clock.now())
    return minted.key.reveal()


def a_day_later(house: House) -> None:
    assert isinstance(house.parts.clock, StillClock)
    house.parts.clock.today += timedelta(days=1)


def webhook(receiver: Receiver) -> dict[str, Any]:
    return {"name": "Billing system", "url": receiver.url()}


def statement(house: House, sql: str) -> list[Any]:
    with house.parts.ledger.writing() as unit:
        done = unit._connection.execute(text(sql))
        return list(done.all()) if done.returns_rows else []


def same(first: httpx2.Response, second: httpx2.Response) -> None:
    assert (second.status_code, second.text, second.headers[REPLAYED]) == (first.status_code, first.text, "true")
    assert second.headers["content-type"] == first.headers["content-type"]
    assert REPLAYED not in first.headers


async def test_an_onboarding_is_answered_again_with_its_key_which_is_kept_nowhere_in_clear(house: House) -> None:
    first = await post(house, f"{ORGS}/onboard", ACME)

    same(first, await post(house, f"{ORGS}/onboard", dict(reversed(ACME.items()))))

    rows = statement(house, "SELECT * FROM org_audit_logs")
    assert any(row.kept_answer for row in rows)
    # as tuples, for a row shows but the beginning and the end of a long text
    assert first.json()["api_key"] not in repr([tuple(row) for row in rows])
    # the trail tells that a secret was shown again
    trail = [row.action for row in rows if row.request_digest is None]
    assert (trail.count("organizations.onboard"), trail.count("requests.replay")) == (1, 1)


async def test_a_key_is_of_one_request(house: House) -> None:
    assert (await post(house, f"{ORGS}/onboard", ACME)).status_code == 201

    other = problem(await post(house, f"{ORGS}/onboard", {**ACME, "company_name": "Acme Ltd"}), 409, "conflict")
    assert "was used for other work (organizations/acme_corp); send another key" in other["detail"]
    assert problem(await post(house, ROTATE), 409, "conflict")["resource"] == "organizations/acme_corp"


async def test_a_key_is_of_one_caller(house: House) -> None:
    own = {"X-API-Key": living(house)}
    mail = {"kind": "email", "recipients": ["a@example.com"]}
    assert (await post(house, CHANNELS, {**mail, "name": "Of the admin"})).status_code == 201

    mine = await post(house, CHANNELS, {**mail, "name": "Of Acme"}, **own)

    assert (mine.status_code, REPLAYED in mine.headers) == (201, False)


@pytest.mark.parametrize("wrong", ["", "x" * 201, "schl\xfcssel"])
async def test_a_key_is_short_and_plain(house: House, wrong: str) -> None:
    async with house.client(**{"X-CA-Root-Key": ROOT_KEY}) as caller:
        answer = await caller.post(ROTATE, headers=[(b"Idempotency-Key", wrong.encode("latin-1"))])
    [flaw] = problem(answer, 422, "rejected")["errors"]
    assert flaw["field"] == "header.Idempotency-Key"


async def test_two_at_once_are_one_rotation(house: House) -> None:
    living(house)

    answers_ = await asyncio.gather(*(post(house, ROTATE) for _ in range(4)))

    keys = {answer.json()["api_key"] for answer in answers_ if answer.status_code == 201}
    told = [answer for answer in answers_ if answer.status_code != 201]
    assert len(keys) == 1
    for answer in told:
        assert "being worked on" in problem(answer, 409, "conflict")["detail"]
        assert int(answer.headers["Retry-After"]) >= 1
    assert statement(house, "SELECT count(*) FROM org_api_keys")[0][0] == 2


async def test_what_was_refused_is_asked_anew(house: House) -> None:
    problem(await post(house, f"{ORGS}/onboard", {**ACME, "org_slug": "A"}), 422, "rejected")

    assert (await post(house, f"{ORGS}/onboard", ACME)).status_code == 201


async def test_an_error_of_the_server_is_not_kept(house: House) -> None:
    living(house)
    statement(house, "CREATE TRIGGER broken BEFORE INSERT ON org_api_keys BEGIN SELECT * FROM nowhere; END")
    assert (await post(house, ROTATE)).status_code == 503
    statement(house, "DROP TRIGGER broken")

    second = await post(house, ROTATE)

    assert (second.status_code, REPLAYED in second.headers) == (201, False)


# as where the process is killed between the work and its answer
LOST = (
    "CREATE TRIGGER lost BEFORE UPDATE OF kept_answer ON org_audit_logs WHEN NEW.kept_answer IS NOT NULL BEGIN SELECT * FROM nowhere; END"
)
MADE = {
    "rotation": (ROTATE, {"grace_hours": 2}, "org_api_keys"),
    "webhook": (WEBHOOKS, webhook, "org_notification_channels"),
    "channel": (CHANNELS, {"kind": "email", "name": "Finance", "recipients": ["a@example.com"]}, "org_notification_channels"),
    "schedule": (SCHEDULES, {"document": "gcp/cost/billing", "schedule_cron": "0 3 * * *"}, "org_pipeline_configs"),
    "onboarding": (f"{ORGS}/onboard", {**ACME, "org_slug": "other_corp"}, "org_profiles"),
}


@pytest.mark.parametrize("what", MADE)
async def test_an_answer_that_was_lost_with_its_process_is_told_anew(tmp_path: Path, receiver: Receiver, what: str) -> None:
    path, asked, table = MADE[what]
    body = asked(receiver) if callable(asked) else asked
    house = build(tmp_path, receiver)
    living(house)
    statement(house, LOST)
    first = await post(house, path, body)
    assert first.status_code == 201, first.text
    number = statement(house, f"SELECT count(*) FROM {table}")
    house.parts.close()

    again = build(tmp_path, receiver)
    statement(again, "DROP TRIGGER lost")
    try:
        same(first, await post(again, path, body))
        same(first, await post(again, path, body))
        assert statement(again, f"SELECT count(*) FROM {table}") == number
    finally:
        again.parts.close()


async def test_work_that_was_done_just_now_and_is_not_answered_yet_is_waited_for(house: House) -> None:
    living(house)
    statement(house, LOST)
    await post(house, ROTATE)
    statement(house, "DROP TRIGGER lost")

    assert "being worked on" in problem(await post(house, ROTATE), 409, "conflict")["detail"]


async def test_a_change_of_prices_that_was_answered_to_nobody_is_not_made_twice(house: House) -> None:
    await post(house, f"{ORGS}/onboard", ACME, None)
    assert (await post(house, f"{PRICES}/reset", None, None)).status_code == 200
    statement(house, LOST)
    first = await post(house, PRICES, RATE)
    assert first.status_code == 200, first.text
    statement(house, "UPDATE org_audit_logs SET held_by = 'a process before' WHERE held_by <> ''")
    statement(house, "DROP TRIGGER lost")

    told = problem(await post(house, PRICES, RATE), 409, "conflict")

    assert "was done" in told["detail"]
    assert "its answer was lost" in told["detail"]


async def test_a_rotation_by_the_own_key_is_answered_again_while_its_grace_lasts(house: House) -> None:
    old = {"X-API-Key": living(house)}
    first = await post(house, ROTATE, {"grace_hours": 1}, KEY, **old)

    same(first, await post(house, ROTATE, {"grace_hours": 1}, KEY, **old))
    # the newer key is the same organisation
    same(first, await post(house, ROTATE, {"grace_hours": 1}, KEY, **{"X-API-Key": first.json()["api_key"]}))
    problem(await post(house, ROTATE, {"grace_hours": 1}, str(uuid4()), **old), 403, "not-yours")


async def test_a_key_that_was_rotated_away_at_once_hears_nothing(house: House) -> None:
    leaked = {"X-API-Key": living(house)}
    assert (await post(house, ROTATE, {"grace_hours": 0}, KEY, **leaked)).status_code == 201

    problem(await post(house, ROTATE, {"grace_hours": 0}, KEY, **leaked), 401, "unauthenticated")


async def test_a_key_that_is_being_replaced_learns_no_newer_one_by_a_guess(house: House) -> None:
    leaked = {"X-API-Key": living(house)}
    assert (await post(house, ROTATE, None, "rotate-1", **leaked)).status_code == 201

    told = problem(await post(house, ROTATE, None, "rotate-1", **leaked), 403, "not-yours")
    assert "32 characters or more" in told["detail"]


async def test_a_key_that_is_being_replaced_learns_nothing_that_another_asked_for(house: House) -> None:
    old = {"X-API-Key": living(house)}
    second = {"X-API-Key": (await post(house, ROTATE, None, str(uuid4()), **old)).json()["api_key"]}
    assert (await post(house, ROTATE, None, KEY, **second)).status_code == 201

    problem(await post(house, ROTATE, None, KEY, **old), 403, "not-yours")


async def test_a_key_that_was_revoked_since_is_not_answered_again(house: House) -> None:
    living(house)
    made = (await post(house, ROTATE)).json()
    async with house.client() as caller:
        assert (await caller.delete(f"{ORGS}/acme_corp/keys/{made['api_key_fingerprint']}")).status_code == 200

    assert "revoked, replaced or removed since" in problem(await post(house, ROTATE), 409, "conflict")["detail"]


async def test_a_webhook_is_answered_again_with_its_secret_as_long_as_that_signs(house: House, receiver: Receiver) -> None:
    living(house)
    first = await post(house, WEBHOOKS, webhook(receiver))
    same(first, await post(house, WEBHOOKS, webhook(receiver)))
    rotate = f"{WEBHOOKS}/{first.json()['webhook_id']}/rotate-secret"

    rotated = await post(house, rotate, None, str(uuid4()))
    same(first, await post(house, WEBHOOKS, webhook(receiver)))
    assert rotated.json()["secret"] != first.json()["secret"]

    await post(house, rotate, {"grace_hours": 0}, str(uuid4()))
    problem(await post(house, WEBHOOKS, webhook(receiver)), 409, "conflict")


async def test_it_counts_for_a_day_and_goes_with_the_next_housekeeping(house: House) -> None:
    living(house)
    first = await post(house, ROTATE)
    a_day_later(house)
    removed = (await post(house, "/api/v1/scheduler/reset-daily-quotas", None, None)).json()["removed"]["answers"]
    assert removed == 1

    second = await post(house, ROTATE)
    a_day_later(house)
    # also where nobody has cleared away
    third = await post(house, ROTATE)

    assert len({answer.json()["api_key"] for answer in (first, second, third)}) == 3


async def test_off_boarding_takes_what_was_answered(house: House) -> None:
    await post(house, f"{ORGS}/onboard", ACME, "onboarding of acme_corp")
    await post(house, ROTATE)
    async with house.client() as caller:
        assert (await caller.request("DELETE", f"{ORGS}/acme_corp", json={"confirm": "acme_corp"})).status_code == 200

    assert statement(house, "SELECT count(*) FROM org_audit_logs WHERE request_digest IS NOT NULL")[0][0] == 0
    assert (await post(house, f"{ORGS}/onboard", ACME, "onboarding of acme_corp")).headers.get(REPLAYED) is None


async def test_a_forced_bootstrap_is_done_once(house: House) -> None:
    body = {"force_recreate_dataset": True}
    first = await post(house, BOOTSTRAP, body)
    assert first.status_code == 200, first.text
    living(house)

    same(first, await post(house, BOOTSTRAP, body))

    assert statement(house, "SELECT count(*) FROM org_profiles")[0][0] == 1


async def test_the_first_bootstrap_is_answered_again(house: House) -> None:
    with house.parts.ledger.writing() as unit:
        for table in unit.tables.values():
            unit._connection.execute(DropTable(table))
    first = await post(house, BOOTSTRAP)
    assert first.status_code == 200, first.text

    same(first, await post(house, BOOTSTRAP))
