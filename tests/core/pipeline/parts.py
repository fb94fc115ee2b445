"""The real parts an executor needs, small and driven by hand."""

import asyncio
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from src.core.base.identity import Actor, Tenant
from src.core.base.names import Environment, OrgSlug
from src.core.base.settings import Settings
from src.core.crypto.vault import Vault
from src.core.engine.port import Warehouse
from src.core.ledger.store import Ledger
from src.core.pipeline.catalog import Catalog
from src.core.pipeline.executor import AsyncPipelineExecutor
from src.core.pipeline.journal import HeldJournal, Journal
from src.core.pipeline.outcome import Outcome
from src.core.pipeline.registry import Registry
from tests.fakes.processors.sample.scripted import Script

REGISTRY = Registry("tests.fakes.processors")
ROOT_ACTOR = Actor(kind="root", user_id="user-7", request_id="req-9")
ACME = Tenant(OrgSlug("acme_corp"), Environment.DEVELOPMENT)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass
class HandClock:
    """Stands still until somebody sleeps."""

    at: float = 0.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.at)

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds
        await asyncio.sleep(0)


@dataclass
class CountedIds:
    count: int = 0

    def new(self) -> str:
        self.count += 1
        return f"run{self.count:04d}"

    def secret(self, length: int) -> str:
        return "x" * length


@dataclass
class Bench:
    """Services of which a test opens only what it names."""

    settings: Settings = field(default_factory=lambda: Settings(_env_file=None, environment=Environment.DEVELOPMENT))
    clock: HandClock = field(default_factory=HandClock)
    ids: CountedIds = field(default_factory=CountedIds)
    opened_ledger: Ledger | None = None

    @property
    def ledger(self) -> Ledger:
        assert self.opened_ledger is not None, "this test opened no ledger"
        return self.opened_ledger

    @property
    def vault(self) -> Vault:
        raise AssertionError("this test opened no vault")

    @property
    def warehouse(self) -> Warehouse:
        raise AssertionError("this test opened no warehouse")


HEAD = """
pipeline: sample
scope: platform
inputs:
  script: {type: object, required: false}
"""


def written_catalog(folder: Path, steps: str, head: str = HEAD, name: str = "sample") -> Catalog:
    path = folder / "configs" / f"{name}.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{textwrap.dedent(head).strip()}\nsteps:\n{textwrap.indent(textwrap.dedent(steps).strip(), '  ')}\n")
    return Catalog.load(folder / "configs", REGISTRY)


@dataclass
class Stage:
    """One document, its executor, and what it left behind."""

    catalog: Catalog
    services: Bench = field(default_factory=Bench)
    journal: Journal = field(default_factory=HeldJournal)
    script: Script = field(default_factory=Script)

    @property
    def executor(self) -> AsyncPipelineExecutor:
        return AsyncPipelineExecutor(self.services, self.catalog, self.journal, sleep=self.services.clock.sleep)

    @property
    def held(self) -> HeldJournal:
        assert isinstance(self.journal, HeldJournal)
        return self.journal

    async def play(self, document: str = "sample", inputs: Mapping[str, Any] | None = None, **more: Any) -> Outcome:
        given = {"script": self.script, **(inputs or {})}
        return await self.executor.run(document, actor=ROOT_ACTOR, inputs=given, **more)


def stage(folder: Path, steps: str, head: str = HEAD, **more: Any) -> Stage:
    return Stage(written_catalog(folder, steps, head), **more)


async def until(seen: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not seen():  # noqa: ASYNC110 - what is waited for is state, and nothing tells of its change
            await asyncio.sleep(0)


def statuses(outcome: Outcome) -> dict[str, str]:
    return {one.step_id: one.status for one in outcome.steps}
