"""A run whose steps work with a credential that its organisation has not stored: it is refused, and costs nothing."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog

from src.core.base.faults import Fault, Missing
from src.core.base.identity import Actor, Tenant
from src.core.base.names import Environment, OrgSlug
from src.core.base.settings import ROOT
from src.core.base.window import Window
from src.core.ledger.tables import credentials, quotas, runs, subscriptions
from src.core.ledger.tables.credentials import CredentialRecord
from src.core.pipeline.catalog import Catalog
from src.core.pipeline.preparation import prepare
from src.core.pipeline.variables import fill_config
from src.core.step.context import StepContext
from tests.acceptance.observed import problem
from tests.app.running_parts import TODAY, House
from tests.fakes.running import ROOT_KEY

SLUG = "acme_corp"
SETUP = f"/api/v1/integrations/{SLUG}/gcp/setup"
ACTOR = Actor("org", OrgSlug(SLUG))
ACME = Tenant(OrgSlug(SLUG), Environment.DEVELOPMENT)
# of an acceptance
TABLES = ("org_meta_pipeline_runs", "org_meta_step_logs", "org_pipeline_execution_queue", "org_scheduled_pipeline_runs", "org_usage_quotas")


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[House]:
    made = House.build(tmp_path)
    made.parts.__dict__["catalog"] = Catalog.load(ROOT / "configs")
    made.organisation(SLUG, "STARTER")
    yield made
    made.parts.close()


def stored(house: House, name: str = "default", **more: Any) -> None:
    at = house.parts.clock.now()
    given: dict[str, Any] = {
        "credential_id": name,
        "org_slug": SLUG,
        "provider": "gcp",
        "credential_name": name,
        "encrypted_credential": "sealed",
        "fingerprint": "mark",
        "subject": "reader",
        "metadata": {},
        "validation_status": "VALID",
        "validation_error": None,
        "validated_at": at,
        "expires_at": None,
        "created_by": None,
        "created_at": at,
        "updated_at": at,
    }
    house.parts.ledger.write(credentials.put, CredentialRecord(**{**given, **more}))


def counted(house: House) -> dict[str, Any]:
    with house.parts.ledger.reading() as unit:
        return {name: unit.rows(unit.tables[name].select()) for name in TABLES}


async def ask(house: House, path: str = "gcp/cost/billing", **body: Any) -> httpx2.Response:
    return await house.ask(SLUG, body or None, path)


@pytest.mark.parametrize("path", ["gcp/cost/billing", "gcp/cost/cost_billing", "gcp/billing", "gcp/cost", "gcp/cost/billing?wait=true"])
@pytest.mark.parametrize("body", [{}, {"start_date": "2026-10-01", "end_date": "2026-11-20"}], ids=["usual", "window"])
async def test_it_is_refused_with_the_provider_and_the_call_that_mends_it(starter: House, path: str, body: dict[str, str]):
    before = counted(starter)

    document = problem(await ask(starter, path, **body), 404, "missing")

    assert f"has no gcp credential named 'default'; POST {SETUP} stores one" in document["detail"]
    assert counted(starter) == before
    assert starter.woken.times == 0


async def test_a_new_organisation_that_asks_again_and_again_has_its_runs_of_the_day_left(starter: House):
    answers = [await ask(starter, date=f"2026-11-{day:02}") for day in range(1, 9)]

    assert [answer.status_code for answer in answers] == [404] * 8
    stored(starter)
    assert (await ask(starter)).status_code == 202


async def test_who_names_none_means_the_only_one_there_is_whatever_its_name(starter: House):
    stored(starter, "Production Key")

    other = problem(await ask(starter, credential_name="default"), 404, "missing")
    first, again, named = await ask(starter), await ask(starter), await ask(starter, credential_name="Production Key")

    assert [answer.status_code for answer in (first, again, named)] == [202] * 3
    assert "it has Production Key" in other["detail"]
    # one run, which says with what it reads
    assert len({answer.json()["pipeline_logging_id"] for answer in (first, again, named)}) == 1
    run = starter.parts.ledger.read(runs.get, first.json()["pipeline_logging_id"])
    assert run is not None
    assert (run.parameters or {})["credential_name"] == "Production Key"


async def test_under_a_key_of_the_callers_it_is_the_same_run_each_time(starter: House):
    stored(starter, "Production Key")
    headers = {"X-CA-Root-Key": ROOT_KEY, "Idempotency-Key": "nightly"}
    async with starter.client(**headers) as caller:
        path = f"/api/v1/pipelines/run/{SLUG}/gcp/cost/billing"
        answers = [await caller.post(path, json={}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 202], [answer.text for answer in answers]
    assert answers[0].json()["pipeline_logging_id"] == answers[1].json()["pipeline_logging_id"]


async def test_of_several_none_is_meant_unless_it_is_named(starter: House):
    stored(starter, "prod")
    stored(starter, "staging")

    document = problem(await ask(starter), 404, "missing")

    assert "it has prod, staging" in document["detail"]
    assert (await ask(starter, credential_name="prod")).status_code == 202


@pytest.mark.parametrize(
    ("standing", "told"),
    [
        ({"validation_status": "INVALID", "validation_error": "Google refuses this key"}, "Google refuses this key"),
        ({"validation_status": "INVALID"}, "gcp refused it"),
        ({"expires_at": datetime.fromisoformat("2026-11-20T00:00:00+00:00")}, "it expired on 2026-11-20 00:00 UTC"),
    ],
    ids=["refused", "refused-without-a-word", "expired"],
)
async def test_one_that_is_known_to_be_refused_keeps_a_run_from_beginning(starter: House, standing: dict[str, Any], told: str):
    stored(starter, **standing)
    before = counted(starter)

    document = problem(await ask(starter), 409, "conflict")

    assert f"the gcp credential 'default' of {SLUG} is not valid: {told}; POST {SETUP} stores another" in document["detail"]
    assert counted(starter) == before


async def test_one_that_nobody_has_refused_may_be_tried(starter: House):
    stored(starter, validation_status="PENDING", expires_at=starter.parts.clock.now() + timedelta(days=1))

    assert (await ask(starter)).status_code == 202


async def test_the_plan_has_the_first_word(starter: House):
    ledger, clock = starter.parts.ledger, starter.parts.clock
    for _ in range(6):
        ledger.write(quotas.reserve, SLUG, day=TODAY, at=clock.now())
        ledger.write(quotas.release, SLUG, clock.now())
    problem(await ask(starter), 429, "quota-exceeded")

    ledger.write(subscriptions.set_status, SLUG, "SUSPENDED", clock.now())

    problem(await ask(starter), 402, "payment-needed")


async def test_the_same_work_is_answered_with_its_run_though_the_credential_is_gone(starter: House):
    stored(starter)
    first = (await ask(starter)).json()
    starter.parts.ledger.write(credentials.remove, SLUG, "gcp", "default")

    again = await ask(starter)

    assert (again.status_code, again.json()["pipeline_logging_id"]) == (202, first["pipeline_logging_id"])


async def fails_for_want_of_one(house: House, step: Any, variables: Any) -> bool:
    context = StepContext("run", step.id, ACTOR, house.parts, structlog.get_logger(), ACME, variables=variables, document_id="document")
    try:
        await house.parts.catalog.registry.resolve(step.ps_type).execute(fill_config(step.config, variables), context)
    except Missing as lacking:
        return "credential named" in lacking.detail
    except Fault:
        return False
    return False


async def test_every_step_that_opens_a_credential_says_so(starter: House):
    """What is not said is not asked for, and the run is accepted in vain."""
    starter.parts.warehouse.ensure_dataset(ACME)
    for entry in starter.parts.catalog.entries.values():
        # the call that takes a file asks whose it is, and nobody is asked with the key (tests/core/deepseek/test_imports.py)
        if entry.document.scope != "organisation" or entry.document.domain == "import":
            continue
        prepared = prepare(starter.parts, entry, run_id="run", tenant=ACME, window=Window.day(TODAY), inputs={})
        failing = {step.id for step in entry.document.steps if await fails_for_want_of_one(starter, step, prepared.variables)}
        opening = {one.step.id for one in entry.credentials if one.needed(prepared.variables, prepared.inputs) is not None}
        assert failing == opening, entry.document_id
        assert (not failing) == (prepared.credentials == ())
