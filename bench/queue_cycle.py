"""Runs on their way through the ledger, by the functions the service calls: accepted, claimed, settled. Each waits for the one before.

Beside it stands procrastinate's defer, fetch and finish of a job that does nothing, one worker, one at a time. For the same three steps
ours checks the request against its pipeline, looks for the same work under way, counts the run against its organisation's limits and
frees the slot, keeps the run, its trigger and its progress, and writes an audit row. What both leave out is the work between: here the
rows of steps and the heartbeats. `python -m bench.queue_cycle LEDGER_URL CYCLES`
"""

import asyncio
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from src.core.base.clock import Clock, SystemClock
from src.core.base.identity import Actor, Tenant
from src.core.base.ids import Ids, SystemIds
from src.core.base.names import Environment, org_slug
from src.core.base.settings import Settings
from src.core.base.window import Window
from src.core.crypto.vault import Vault
from src.core.engine.port import Warehouse
from src.core.ledger.plans import Plan
from src.core.ledger.store import Ledger, Unit, open_ledger
from src.core.ledger.tables import credentials, orgs
from src.core.ledger.tables.credentials import CredentialRecord
from src.core.pipeline.catalog import Catalog, CatalogEntry
from src.core.scheduler.acceptance import accept
from src.core.scheduler.claims import Claim, next_claim
from src.core.scheduler.lease import Lease
from src.core.scheduler.leased_journal import LeasedJournal
from src.core.scheduler.progress import Board
from src.core.step.credentials import DEFAULT_NAME

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = Window.day(date(2026, 11, 19))
PLAN = Plan("WIDE", 10**6, 10**6, 10)
ACME = Tenant(org_slug("acme"), Environment.DEVELOPMENT)
ACTOR = Actor("org", ACME.org_slug, "user-7", request_id="req-9")
DOCUMENT = "gcp/cost/billing"
PROVIDERS = ("gcp", "openai", "anthropic", "deepseek")
WARM_UP = 20


@dataclass(frozen=True)
class Desk:
    """Services of who only accepts, claims and settles."""

    settings: Settings
    ledger: Ledger
    entry: CatalogEntry
    catalog: Catalog
    clock: Clock
    ids: Ids

    @property
    def vault(self) -> Vault:
        raise AssertionError("no credential is opened here")

    @property
    def warehouse(self) -> Warehouse:
        raise AssertionError("nothing is published here")


def prepared(url: str) -> None:
    ledger = open_ledger(_settings(url))
    ledger.bootstrap()
    ledger.write(settle_in, [ACME.org_slug], PLAN)
    ledger.close()


def settle_in(unit: Unit, slugs: Iterable[str], plan: Plan) -> None:
    """Organisations with a credential of each provider, which nobody opens."""
    for slug in slugs:
        org = orgs.NewOrg(org_slug=slug, company_name=slug, admin_email=f"a@{slug}.example", plan=plan, created_at=AT, generation=1)
        assert orgs.create(unit, org)
        for provider in PROVIDERS:
            credentials.put(unit, _sealed(slug, provider))


def _sealed(slug: str, provider: str) -> CredentialRecord:
    return CredentialRecord(
        credential_id=f"{slug}-{provider}",
        org_slug=slug,
        provider=provider,
        credential_name=DEFAULT_NAME,
        encrypted_credential="sealed",
        fingerprint="0" * 12,
        subject=None,
        metadata=None,
        validation_status="VALID",
        validation_error=None,
        validated_at=AT,
        expires_at=None,
        created_by=None,
        created_at=AT,
        updated_at=AT,
    )


def opened(url: str, catalog: Catalog | None = None) -> Desk:
    settings = _settings(url)
    catalog = catalog or Catalog.load(settings.configs_dir)
    return Desk(settings, open_ledger(settings), catalog.get(DOCUMENT), catalog, SystemClock(), SystemIds())


async def cycles(desk: Desk, count: int) -> float:
    """How long so many took. A lease is a thing of an event loop; nothing else is in this one."""
    started = time.perf_counter()
    for _ in range(count):
        _cycle(desk)
    return time.perf_counter() - started


def _cycle(desk: Desk) -> None:
    accepted = accept(desk, desk.catalog, tenant=ACME, actor=ACTOR, entry=desk.entry, window=DAY, inputs={})
    assert accepted.fresh
    claim = next_claim(desk, "bench")
    assert claim is not None
    assert claim.run_id == accepted.run.pipeline_logging_id
    settled(desk, claim)


def settled(desk: Desk, claim: Claim) -> None:
    board = Board([step.id for step in desk.entry.document.steps], desk.clock)
    lease = Lease(desk, claim, board, asyncio.sleep)
    lease.settle(LeasedJournal(desk, lease, desk.entry).ended("SUCCESS", at=desk.clock.now(), code=None, why=None))


def _settings(url: str) -> Settings:
    return Settings(_env_file=None, ledger_url=url)


def main(url: str, count: int) -> None:
    desk = opened(url)
    asyncio.run(cycles(desk, WARM_UP))
    print(f"measured {asyncio.run(cycles(desk, count))}")
    desk.ledger.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
