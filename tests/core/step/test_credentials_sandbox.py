"""The sandbox's service accounts, asked over the wire as Google's own would be."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import structlog

from src.app.wiring import Parts
from src.core.base.clock import SystemClock
from src.core.base.identity import Actor, Tenant
from src.core.base.names import Environment, OrgSlug
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.processors.gcp import validation
from src.core.providers.gcp.account import GcpAccount
from src.core.step import probe
from src.core.step.context import StepContext
from src.sandbox.server import Sandbox


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path_factory.mktemp("sandbox"), SystemClock(), date(2026, 11, 20), rows_per_hour=1)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def parts(sandbox: Sandbox, tmp_path: Path) -> Iterator[Parts]:
    given = {name: str(url) for name, url in sandbox.endpoints.items()}
    opened = Parts(Settings(ca_root_api_key="admin_key", embedded_data_dir=tmp_path, _env_file=None, **given))  # type: ignore[arg-type]
    yield opened
    opened.close()


@pytest.mark.parametrize("name", ["demo", "second"])
async def test_an_account_that_may_read_is_valid_and_its_counted_exports_have_the_columns(parts: Parts, sandbox: Sandbox, name: str):
    verdict = probe.probe(parts, "gcp", Secret(sandbox.service_account(name)), {})

    assert verdict.valid, verdict.error
    counted = [one for one in verdict.facts["tables"] if one["counts"]]
    accounts = [one["billing_account"] for one in counted]
    assert len(accounts) == len(set(accounts)) > 0
    assert {one["billing_account"] for one in verdict.facts["tables"]} == set(accounts)
    assert all(one["kind"] == "detailed" for one in counted for other in verdict.facts["tables"] if _detailed_twin(one, other))
    opened = {
        "credential": verdict.secret,
        "credential_id": "c",
        "credential_name": "default",
        "fingerprint": verdict.fingerprint,
        "connection": verdict.facts,
    }
    tenant = Tenant(OrgSlug("acme"), Environment.DEVELOPMENT)
    step = StepContext("r", "validate_export", Actor("system"), parts, structlog.get_logger(), tenant, results={"decrypt_it": opened})
    answer = await validation.get_engine().execute({"credential_from": "decrypt_it"}, step)
    assert [one["missing_required"] for one in answer["tables"]] == [()] * len(counted)


@pytest.mark.parametrize(
    ("name", "told"), [("narrow", "roles/bigquery.dataViewer"), ("empty", "sees no billing export"), ("revoked", "refuses this key")]
)
def test_an_account_that_may_not_is_invalid_with_what_it_lacks(parts: Parts, sandbox: Sandbox, name: str, told: str):
    verdict = probe.probe(parts, "gcp", Secret(sandbox.service_account(name)), {})

    assert not verdict.valid
    assert told in str(verdict.error)


def test_its_keys_are_whole(sandbox: Sandbox):
    assert GcpAccount.parse(Secret(sandbox.service_account("demo"))).client_email


def _detailed_twin(one: dict[str, str], other: dict[str, str]) -> bool:
    return other["kind"] == "detailed" and other["billing_account"] == one["billing_account"]
