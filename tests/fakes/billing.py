"""The billing pipeline as a run carries it out, in this process: real ledger, vault, warehouse and sandbox, and a day that stands still."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from src.app.wiring import Parts
from src.core.base.clock import SystemClock
from src.core.base.identity import Actor, Tenant
from src.core.base.names import Environment, org_slug
from src.core.base.secret import Secret
from src.core.base.settings import Settings, use_settings
from src.core.base.window import Window
from src.core.pipeline.outcome import Outcome
from tests.fakes import made_once

ROOT = Actor("root")
NOON = 12


class StillClock(SystemClock):
    """Noon of a day, and a microsecond more each time it is asked."""

    def __init__(self, today: date, asked: int = 0) -> None:
        self.today = today
        self.asked = asked

    def now(self) -> datetime:
        self.asked += 1
        return datetime(self.today.year, self.today.month, self.today.day, NOON, tzinfo=UTC) + timedelta(microseconds=self.asked)


@dataclass(frozen=True)
class History:
    """What a billing has done so far, to be copied by tests that begin with it."""

    data: Path
    asked: int
    """How often its clock was asked: a copy's goes on from there."""


@dataclass
class Billing:
    parts: Parts
    clock: StillClock
    tenant: Tenant = field(default_factory=lambda: Tenant(org_slug("acme_corp"), Environment.DEVELOPMENT))

    @property
    def history(self) -> History:
        return History(self.parts.settings.data_dir, self.clock.asked)

    async def begin(self) -> None:
        given = {"org_slug": str(self.tenant.org_slug), "company_name": "Acme", "admin_email": "finops@example.com"}
        made = await self.parts.executor.run("setup/organizations/onboarding", actor=ROOT, tenant=self.tenant, inputs=given)
        made.require()

    async def onboard(self, account: str = "demo", **settings: Any) -> "Billing":
        await self.begin()
        await self.connect(account, **settings)
        return self

    async def connect(self, account: str = "demo", **settings: Any) -> None:
        assert self.parts.sandbox is not None
        inputs = {"credential": Secret(self.parts.sandbox.service_account(account)), "settings": settings or None}
        made = await self.parts.executor.run("integrations/gcp/setup", actor=ROOT, tenant=self.tenant, inputs=inputs)
        made.require()

    async def run(self, first: date, last: date, **inputs: Any) -> Outcome:
        return await self.parts.executor.run("gcp/cost/billing", actor=ROOT, tenant=self.tenant, window=Window(first, last), inputs=inputs)

    async def load(self, first: date, last: date, **inputs: Any) -> dict[str, Any]:
        return (await self.run(first, last, **inputs)).require().of("load_billing")

    def ask(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.parts.warehouse.query(self.tenant, sql, params).to_pylist()
        return rows


@contextmanager
def billing(folder: Path, today: date, shared: Path | None = None, history: History | None = None, **settings: Any) -> Iterator[Billing]:
    """`shared` keeps what the sandbox has made for the next test that asks for the same days."""
    data = folder / "data"
    if history:
        shutil.copytree(history.data, data, symlinks=True)
    else:
        data.mkdir(parents=True)
    if shared is not None and not history:
        shared.mkdir(parents=True, exist_ok=True)
        (data / "sandbox").symlink_to(shared)
    given = {
        "embedded_data_dir": data,
        "sandbox": True,
        "sandbox_rows_per_hour": made_once.ROWS_PER_HOUR,
        "duckdb_memory_limit": "1GB",
        **settings,
    }
    made = Settings(_env_file=None, ca_root_api_key="admin_" + "k" * 40).model_copy(update=given)
    clock = StillClock(today, history.asked if history else 0)
    parts = Parts(made, clock=clock)
    use_settings(made)
    try:
        parts.start_sandbox()
        parts.claim_warehouse()
        if not history:
            parts.ledger.bootstrap()
        yield Billing(parts, clock)
    finally:
        parts.close()
        use_settings(None)
