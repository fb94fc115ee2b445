"""`org_comprehensive_view` shows plan and billing status as the ledger has them, on every engine."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from src.app.wiring import Parts
from src.core.base.faults import Unavailable
from src.core.base.identity import Actor, Tenant
from src.core.base.names import Environment, OrgSlug
from src.core.engine.port import Fence
from src.core.ledger.tables import subscriptions as kept
from src.core.step import subscriptions
from src.core.step.onboarding import profile
from src.core.step.subscriptions import SubscriptionChange
from tests.contract.warehouse.conftest import settings_for

ROOT = Actor("root", user_id="tester")
ACME = Tenant(OrgSlug("acme_corp"), Environment.DEVELOPMENT)
INPUTS = {"org_slug": "acme_corp", "company_name": "Acme Corp", "admin_email": "admin@acme.com", "subscription_plan": "STARTER"}


@pytest.fixture
async def parts(engine: str, tmp_path: Path) -> AsyncIterator[Parts]:
    opened = Parts(settings_for(engine, tmp_path, ca_root_api_key=SecretStr("admin_key")))
    opened.ledger.bootstrap()
    (await opened.executor.run("setup/organizations/onboarding", actor=ROOT, tenant=ACME, inputs=INPUTS)).require()
    yield opened
    opened.close()


def shown(parts: Parts) -> list[tuple[str, str]]:
    rows = parts.warehouse.query(ACME, "SELECT subscription_plan, subscription_status FROM org_comprehensive_view").to_pylist()
    return [tuple(row.values()) for row in rows]


def _plan(parts: Parts) -> str | None:
    said = parts.ledger.read(kept.get, "acme_corp")
    return said.plan if said else None


def change(parts: Parts, asked: SubscriptionChange) -> None:
    subscriptions.change(parts, ROOT, ACME, asked)


async def test_the_view_follows_plan_and_status(parts: Parts):
    assert shown(parts) == [("STARTER", "ACTIVE")]

    change(parts, SubscriptionChange(plan="SCALE"))
    assert shown(parts) == [("SCALE", "ACTIVE")]

    change(parts, SubscriptionChange(status="SUSPENDED"))
    assert shown(parts) == [("SCALE", "SUSPENDED")]
    assert not profile.follow(parts, ACME)


async def test_of_changes_at_once_the_view_shows_what_the_ledger_says_in_the_end(parts: Parts):
    with ThreadPoolExecutor(3) as callers:
        list(callers.map(lambda plan: change(parts, SubscriptionChange(plan=plan)), ("PROFESSIONAL", "SCALE", "STARTER")))

    said = parts.ledger.read(kept.get, "acme_corp")
    assert said is not None
    assert shown(parts) == [(said.plan, said.status)]


@pytest.mark.parametrize("engine", ["duckdb"], indirect=True)
async def test_a_change_waits_for_a_run_that_writes_the_profile_as_it_ends(parts: Parts):
    held = Fence(profile.SCOPE, parts.warehouse.last_generation(ACME, profile.SCOPE) + 1)
    with ThreadPoolExecutor(1) as caller:
        with parts.warehouse.publication(ACME, "other", held):
            waiting = caller.submit(change, parts, SubscriptionChange(plan="SCALE"))
            while _plan(parts) != "SCALE":
                pass
        waiting.result()
    assert shown(parts) == [("SCALE", "ACTIVE")]


@pytest.mark.parametrize("engine", ["duckdb"], indirect=True)
async def test_a_change_that_the_dataset_could_not_show_says_so_and_is_shown_when_it_is_sent_again(parts: Parts):
    held = Fence(profile.SCOPE, parts.warehouse.last_generation(ACME, profile.SCOPE) + 1)
    with (
        parts.warehouse.publication(ACME, "other", held),
        pytest.raises(Unavailable, match="is changed, and its dataset does not show that yet"),
    ):
        change(parts, SubscriptionChange(status="SUSPENDED"))
    said = parts.ledger.read(kept.get, "acme_corp")
    assert said is not None
    assert said.status == "SUSPENDED"

    change(parts, SubscriptionChange(status="SUSPENDED"))
    assert shown(parts) == [("STARTER", "SUSPENDED")]
