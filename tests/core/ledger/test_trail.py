"""Audit rows: what a caller put into them, and that the bootstrap's is of its own transaction."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from src.core.base.faults import Timeout
from src.core.base.identity import Actor
from src.core.base.names import Environment
from src.core.base.settings import Settings
from src.core.ledger.store import Ledger, open_ledger
from src.core.ledger.tables import audit, orgs
from src.core.processors.setup.initial.onetime_bootstrap_processor import get_engine
from src.core.step import audit_trail as trail
from src.core.step.context import StepContext
from tests.contract.ledger.samples import org
from tests.core.pipeline.parts import Bench, CountedIds

KEY = "acme_api_Ab12Cd34Ef56Gh78"
ROOT_KEY = "admin_" + "r" * 14
ROOT = Actor("root")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    opened = open_ledger(Settings(_env_file=None, environment=Environment.DEVELOPMENT, embedded_data_dir=tmp_path))
    opened.bootstrap()
    yield Bench(opened_ledger=opened)
    opened.close()


def entries(ledger: Ledger) -> list[audit.AuditEntry]:
    return ledger.read(audit.page, None, None, 9)


@pytest.mark.parametrize("secret", [KEY, ROOT_KEY, "sk-proj-abcdefghijkl"])
def test_a_key_is_kept_in_no_column_of_an_audit_row(bench, secret):
    actor = Actor("root", user_id=f"me {secret}", request_id=secret, key_fingerprint="Gh78-12345678")
    details = {
        "detail": f"no key {secret}",
        "deep": [{"of": (secret,)}],
        secret: 1,
        "replaced": ["ab12-0123abcd"],
        "api_key_fingerprint": "f",
    }

    bench.ledger.write(trail.note, bench, actor, "keys.revoke", f"organizations/x/keys/{secret}", org_slug=secret, details=details)

    (entry,) = entries(bench.ledger)
    assert secret not in json.dumps([repr(entry), entry.details])
    assert (entry.resource, entry.org_slug, entry.user_id, entry.request_id) == ("organizations/x/keys/****", "****", "me ****", "****")
    assert entry.details == {
        "detail": "no key ****",
        "deep": [{"of": ["****"]}],
        "****": 1,
        "replaced": ["ab12-0123abcd"],
        "api_key_fingerprint": "f",
    }
    assert entry.key_fingerprint == "Gh78-12345678"


def test_what_is_left_out_stays_out(bench):
    bench.ledger.write(trail.note, bench, ROOT, "keyring.rotate", "keyring/k1")

    (entry,) = entries(bench.ledger)
    assert (entry.org_slug, entry.user_id, entry.details) == (None, None, None)


@dataclass
class DyingIds(CountedIds):
    def new(self) -> str:
        raise KeyboardInterrupt("stopped while the audit row was written")


def context(bench: Bench) -> StepContext:
    inputs = {"force_recreate_dataset": True}
    return StepContext("run1", "load_tables", ROOT, bench, structlog.get_logger(), inputs=inputs)


async def test_forced_bootstrap_and_its_audit_row_are_one(bench):
    bench.ledger.write(org, "acme")

    result = await get_engine().execute({}, context(bench))

    assert len(result["tables_created"]) == 14
    (entry,) = entries(bench.ledger)
    assert entry.details is not None
    assert (entry.action, entry.details["forced"], len(entry.details["tables_created"])) == ("platform.bootstrap", True, 14)


async def test_tables_are_not_dropped_without_a_trace(bench):
    bench.ledger.write(org, "acme")
    bench.ids = DyingIds()

    with pytest.raises(KeyboardInterrupt):
        await get_engine().execute({}, context(bench))

    assert bench.ledger.read(orgs.taken, "acme")


async def test_tables_are_not_dropped_for_a_caller_who_was_told_that_it_failed(bench):
    bench.ledger.write(org, "acme")
    late = context(bench)
    late.given_up.set()

    with pytest.raises(Timeout):
        await get_engine().execute({}, late)

    assert bench.ledger.read(orgs.taken, "acme")
