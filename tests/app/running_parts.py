"""The service in this process, with pipelines of a test's own and a worker that the test plays by hand."""

import asyncio
import json
import textwrap
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI

from src.app.service import create_app
from src.app.wiring import Parts
from src.core.base.identity import Actor, Tenant
from src.core.base.names import OrgSlug, fingerprint, key_hash
from src.core.base.settings import Settings
from src.core.ledger.tables import keys, orgs, queue, runs
from src.core.ledger.tables.runs import StepLog
from src.core.pipeline.catalog import Catalog
from src.core.pipeline.registry import Registry
from src.core.scheduler.settling import Ending, settle
from tests.fakes.billing import StillClock
from tests.fakes.running import ROOT_KEY

WAIT_SECONDS = 60.0
# no test begins on one day and ends on the next
TODAY = date(2026, 11, 21)
COST = """
    pipeline: fake-cost
    description: Loads what the fake cloud charges
    provider: fake
    domain: cost
    aliases: [fake/billing]
    inputs:
      region: {type: string, default: everywhere, max_length: 40, description: Where}
      depth: {type: integer, required: false}
    steps:
      - {id: extract_rows, ps_type: sample.scripted}
      - {id: load_rows, ps_type: sample.scripted, depends_on: [extract_rows]}
"""
USAGE = """
    pipeline: fake-usage-{name}
    provider: fake
    domain: usage
    steps:
      - {{id: extract_rows, ps_type: sample.scripted}}
"""


class Woken:
    """Remembers what it was told of."""

    def __init__(self) -> None:
        self.times = 0
        self.processed = 0
        self.most: int | None = None
        self.running: tuple[str, ...] = ()
        self.nudged: list[str] = []

    def nudge(self, run_id: str) -> None:
        self.nudged.append(run_id)

    def wake(self) -> None:
        self.times += 1

    def process(self, most: int | None = None) -> None:
        self.processed += 1
        self.most = most


@dataclass
class House:
    parts: Parts
    app: FastAPI
    woken: Woken = field(default_factory=Woken)

    @classmethod
    def build(cls, folder: Path, **settings: Any) -> "House":
        known = Settings(
            ca_root_api_key=ROOT_KEY,
            embedded_data_dir=folder / "data",
            rate_limit_enabled=False,
            _env_file=None,
            **{"worker_enabled": False, "log_level": "error", **settings},
        )
        house_parts = Parts(known, clock=StillClock(TODAY))
        woken = Woken()
        house_parts.__dict__["worker"] = woken
        house_parts.__dict__["catalog"] = _catalog(folder)
        house_parts.ledger.bootstrap()
        return cls(house_parts, create_app(known, house_parts), woken)

    @asynccontextmanager
    async def client(self, **headers: str) -> AsyncIterator[httpx2.AsyncClient]:
        named = headers or {"X-CA-Root-Key": ROOT_KEY}
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=self.app), base_url="http://test", headers=named) as made:
            yield made

    def organisation(self, slug: str, plan: str = "SCALE", **more: Any) -> str:
        """An organisation without a dataset; answers its key."""
        api_key = f"{slug}_api_" + "A1b2" * 4
        new = orgs.NewOrg(
            org_slug=slug,
            company_name=slug,
            admin_email="a@example.com",
            plan=self.parts.ledger.plans.get(plan),
            created_at=self.parts.clock.now(),
            generation=1,
            dataset_id=f"{slug}_dev",
            **more,
        )
        assert self.parts.ledger.write(orgs.create, new)
        self.parts.ledger.write(
            keys.add,
            key_id=slug,
            org_slug=slug,
            key_hash=key_hash(api_key),
            fingerprint=fingerprint(api_key),
            sealed_key="sealed",
            created_at=new.created_at,
        )
        return api_key

    def dataset(self, slug: str) -> None:
        self.parts.warehouse.ensure_dataset(Tenant(OrgSlug(slug), self.parts.settings.environment))

    def begin(self, run_id: str) -> None:
        """As a worker takes the run that waits first."""
        at = self.parts.clock.now()
        entry = self.parts.ledger.write(queue.claim, "tests", at, at + timedelta(days=365))
        assert entry is not None
        assert entry.pipeline_logging_id == run_id
        assert self.parts.ledger.write(runs.take, run_id, at)

    def tell(self, run_id: str, **progress: Any) -> None:
        self.parts.ledger.write(runs.tell_progress, run_id, progress)

    def log_step(self, run_id: str, slug: str, **more: Any) -> None:
        at = self.parts.clock.now()
        step = {
            "step_log_id": f"{run_id}-{more.get('step_id', 'extract_rows')}-{more.get('attempt', 1)}",
            "pipeline_logging_id": run_id,
            "org_slug": slug,
            "step_id": "extract_rows",
            "ps_type": "sample.scripted",
            "step_index": 1,
            "attempt": 1,
            "status": "SUCCESS",
            "started_at": at,
            "ended_at": at,
            **more,
        }
        self.parts.ledger.write(runs.log_step, StepLog(**step))

    def end(self, run_id: str, slug: str, status: Any = "SUCCESS", **more: Any) -> None:
        ending = Ending(
            run_id=run_id,
            audit_id=self.parts.ids.new(),
            org_slug=slug,
            pipeline_id=f"{slug}-fake-cost".replace("_", "-"),
            actor=Actor("system", OrgSlug(slug)),
            status=status,
            at=self.parts.clock.now(),
            **more,
        )
        assert self.parts.ledger.write(settle, ending)

    async def ask(self, slug: str, body: Mapping[str, Any] | None = None, path: str = "fake/cost", **headers: str) -> httpx2.Response:
        async with self.client() as caller:
            return await caller.post(f"/api/v1/pipelines/run/{slug}/{path}", json=body, headers=headers)

    async def accepted(self, slug: str, **body: Any) -> str:
        answer = await self.ask(slug, body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["pipeline_logging_id"])

    async def read(self, path: str, **headers: str) -> httpx2.Response:
        async with self.client() as caller:
            return await caller.get(path, headers=headers)

    async def found(self, path: str) -> Any:
        answer = await self.read(path)
        assert answer.status_code == 200, answer.text
        return answer.json()


async def until(seen: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not seen():  # noqa: ASYNC110 - what is waited for is state, and nothing tells of its change
            await asyncio.sleep(0.005)


def _catalog(folder: Path) -> Catalog:
    documents = {"fake/cost/fake_cost": COST, "fake/usage/one": USAGE.format(name="one"), "fake/usage/two": USAGE.format(name="two")}
    for name, text in documents.items():
        path = folder / "documents" / f"{name}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).strip())
    return Catalog.load(folder / "documents", Registry("tests.fakes.processors"))


@dataclass
class Exchange:
    """One request at the ASGI interface, whose caller may leave whenever a test says so."""

    app: FastAPI
    path: str
    headers: Mapping[str, str] = field(default_factory=lambda: {"X-CA-Root-Key": ROOT_KEY})
    method: str = "GET"
    query: str = ""
    body: bytes = b""
    sent: list[dict[str, Any]] = field(default_factory=list)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    _asked: bool = False

    def start(self) -> asyncio.Task[None]:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": self.query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in self.headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("test", 80),
        }
        return asyncio.create_task(self._call(scope))

    async def _call(self, scope: dict[str, Any]) -> None:
        await self.app(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        async with self.came:
            self.sent.append(dict(message))
            self.came.notify_all()

    async def until(self, text: str) -> str:
        """What was sent so far, as soon as this is in it."""
        async with asyncio.timeout(WAIT_SECONDS), self.came:
            await self.came.wait_for(lambda: text in self.text)
        return self.text

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def header(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.sent).decode()

    @property
    def events(self) -> list[tuple[str, str, Any]]:
        """Name, id and data of every event so far."""
        blocks = [
            dict(line.split(": ", 1) for line in block.splitlines()) for block in self.text.split("\n\n") if block.startswith("event: ")
        ]
        return [(block["event"], block["id"], json.loads(block["data"])) for block in blocks]
