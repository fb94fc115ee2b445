"""A ledger, a warehouse and workers over fake pipelines, driven by a clock that moves when a test says so."""

import asyncio
import heapq
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import anyio.to_thread

from src.core.base.identity import Actor, Tenant
from src.core.base.ids import Ids
from src.core.base.names import Environment, OrgSlug
from src.core.base.settings import Settings
from src.core.base.window import Window
from src.core.crypto.vault import Vault
from src.core.engine import open_warehouse
from src.core.engine.port import Warehouse
from src.core.ledger.plans import Plan
from src.core.ledger.store import Ledger, open_ledger
from src.core.ledger.tables import queue, quotas, runs
from src.core.ledger.tables.runs import RunRecord
from src.core.pipeline.catalog import Catalog
from src.core.pipeline.executor import AsyncPipelineExecutor
from src.core.pipeline.journal import LedgerJournal
from src.core.pipeline.registry import Registry
from src.core.scheduler.acceptance import Accepted, accept
from src.core.scheduler.worker import Worker
from tests.contract.ledger.samples import org
from tests.fakes.processors.sample.staged import STAGES, Stage

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
WIDE = Plan("SCALE", 100, 3000, 10)
DAY = Window.day(date(2026, 11, 19))
STEPS = ("extract_it", "load_it")
DOCUMENT = """
pipeline: {name}
provider: {provider}
domain: cost
timeout: 4h
inputs:
  stage: {{type: string, default: plain}}
  who: {{type: string, required: false, personal: true}}
steps:
  - {{id: extract_it, ps_type: sample.staged, timeout: 2h, config: {{rows: 3}}}}
  - {{id: load_it, ps_type: sample.staged, timeout: 2h, depends_on: [extract_it], config: {{waits: {waits}, rows: 4}}}}
"""


class Timeline:
    """Time that passes only when a test lets it."""

    def __init__(self) -> None:
        self.at = 0.0
        # somebody sets the clock on the wall, which the monotonic one does not notice
        self.set_by = 0.0
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.at + self.set_by)

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.at + seconds, next(self._order), woken))
        await woken

    async def let_pass(self, seconds: float) -> None:
        """Sleepers wake in their order, and what they do then is done before the next wakes, as what is being done is before the first."""
        await settled()
        end = self.at + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, woken = heapq.heappop(self._sleepers)
            if woken.done():
                continue
            self.at = max(self.at, due)
            woken.set_result(None)
            await settled()
        self.at = end
        await settled()


class Hold:
    """Where a thread's call stands still until the test lets it go on."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.released = threading.Event()

    def wait(self) -> None:
        CALLS.own.hold = self
        self.reached.set()
        assert self.released.wait(WAIT_SECONDS)


@dataclass(eq=False)
class Call:
    """A task that is cancelled waits no more for what its thread does."""

    awaited: bool = True
    made: bool = False
    hold: Hold | None = None

    @property
    def goes_on(self) -> bool:
        return (self.awaited or self.made) and (self.hold is None or self.hold.released.is_set())


class Calls:
    """The calls that threads are making for the loop."""

    def __init__(self) -> None:
        self._known: list[Call] = []
        self._thread = threading.local()
        self._make = anyio.to_thread.run_sync

    @property
    def own(self) -> Call:
        """The one that this thread makes."""
        found: Call = self._thread.call
        return found

    @property
    def going_on(self) -> bool:
        self._known = [call for call in self._known if call.awaited or call.made]
        return any(call.goes_on for call in self._known)

    async def run_sync(self, function: Callable[..., Any], *args: Any, **more: Any) -> Any:
        call = Call()
        self._known.append(call)
        try:
            return await self._make(self._made, call, function, *args, **more)
        finally:
            call.awaited = False

    def _made(self, call: Call, function: Callable[..., Any], *args: Any) -> Any:
        self._thread.call = call
        call.made = True
        try:
            return function(*args)
        finally:
            call.made = False

    def ended(self) -> None:
        """Waits for threads that nobody awaits any more."""
        end = time.monotonic() + WAIT_SECONDS
        while any(call.made for call in self._known):
            assert time.monotonic() < end
            time.sleep(0.002)
        self._known.clear()


CALLS = Calls()
WAIT_SECONDS = 60.0
QUIET_TURNS = 100


async def settled() -> None:
    """Until threads have answered and tasks have gone on, which nothing tells: then for many turns of the loop no call is made."""
    quiet = 0
    async with asyncio.timeout(WAIT_SECONDS):
        while quiet < QUIET_TURNS:
            # a thread needs time to answer, a task no more than its turn
            await asyncio.sleep(0.002 if CALLS.going_on else 0)
            quiet = 0 if CALLS.going_on else quiet + 1


async def until(seen: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not seen():  # noqa: ASYNC110 - what is waited for is state, and nothing tells of its change
            await asyncio.sleep(0.002)


@dataclass
class Floor:
    """Services of a workshop in a folder of its own."""

    folder: Path
    settings: Settings
    clock: Timeline
    ids: Ids
    ledger: Ledger
    warehouse: Warehouse
    catalog: Catalog
    tenants: dict[str, Tenant] = field(default_factory=dict)

    @property
    def vault(self) -> Vault:
        raise AssertionError("this test opened no vault")

    def tenant(self, slug: str = "acme", plan: Plan = WIDE, *, dataset: bool = False) -> Tenant:
        if slug not in self.tenants:
            with self.ledger.writing() as unit:
                assert org(unit, slug, plan=plan, created_at=NOON)
            self.tenants[slug] = Tenant(OrgSlug(slug), Environment.DEVELOPMENT)
        if dataset:
            self.warehouse.ensure_dataset(self.tenants[slug])
        return self.tenants[slug]

    def accept(self, slug: str = "acme", document: str = "quick", window: Window | None = DAY, **more: Any) -> Accepted:
        tenant = self.tenant(slug)
        given = {"actor": Actor("org", tenant.org_slug, "user-7", request_id="req-9"), "inputs": {}} | more
        return accept(self, self.catalog, tenant=tenant, entry=self.catalog.get(document), window=window, **given)

    def worker(self, **more: Any) -> Worker:
        """Each as in a process of its own: with its own executor."""
        executor = AsyncPipelineExecutor(self, self.catalog, LedgerJournal(self.ledger), sleep=self.clock.sleep)
        return Worker(self, self.catalog, executor, sleep=self.clock.sleep, **more)

    def queued(self, run_id: str) -> queue.QueueEntry | None:
        return self.ledger.read(queue.get, run_id)

    def running(self, slug: str = "acme") -> int:
        return self.ledger.read(quotas.usage, slug, NOON.date()).running

    def run(self, run_id: str) -> RunRecord:
        found = self.ledger.read(runs.get, run_id)
        assert found is not None
        return found

    def close(self) -> None:
        self.warehouse.close()
        self.ledger.close()


@dataclass
class CountedIds:
    prefix: str = "run"
    numbers: Iterator[int] = field(default_factory=partial(count, 1))

    def new(self) -> str:
        return f"{self.prefix}{next(self.numbers):05d}"

    def secret(self, length: int) -> str:
        return "x" * length


def floor(folder: Path, **settings: Any) -> Floor:
    configs = folder / "configs"
    configs.mkdir()
    for name, provider, waits in (("quick", "gcp", "false"), ("slow", "aws", "true"), ("slower", "azure", "true")):
        (configs / f"{name}.yml").write_text(DOCUMENT.format(name=name, provider=provider, waits=waits))
    known = Settings(_env_file=None, embedded_data_dir=folder / "data", **settings)
    clock = Timeline()
    ledger = open_ledger(known)
    ledger.bootstrap()
    catalog = Catalog.load(configs, Registry("tests.fakes.processors"))
    return Floor(folder, known, clock, CountedIds(), ledger, open_warehouse(known, clock), catalog)


def stage(name: str = "plain") -> Stage:
    STAGES[name] = Stage()
    return STAGES[name]


@asynccontextmanager
async def at_work(work: Floor, **more: Any) -> AsyncIterator[Worker]:
    worker = work.worker(**more)
    await worker.start()
    try:
        yield worker
    finally:
        stopping = asyncio.create_task(worker.stop())
        while not stopping.done():
            await work.clock.let_pass(work.settings.worker_drain_seconds + 1)


def day(number: int) -> Window:
    return Window.day(date(2026, 1, 1) + timedelta(days=number))


def over(work: Floor, run_id: str) -> Callable[[], bool]:
    return lambda: work.run(run_id).ended_at is not None


def begun(place: Stage, count: int = 1) -> Callable[[], bool]:
    return lambda: len(place.seen) >= count
