"""A slug that was off-boarded and is onboarded anew: what was begun for the one who had it first ends beside the one who has it now."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from src.core.base.dataset_types import dataset_types
from src.core.base.settings import ROOT
from src.core.pipeline.catalog import Catalog
from tests.acceptance.observed import problem
from tests.app.running_parts import WAIT_SECONDS, House
from tests.fakes.google import FakeGoogle, acme, service_account, serving
from tests.fakes.running import ROOT_KEY

SLUG = "acme_corp"
FIRST = "erin-of-the-first"
ORGS = "/api/v1/organizations"
SETUP, VALIDATE = (f"/api/v1/integrations/{SLUG}/gcp/{call}" for call in ("setup", "validate"))
NEW = {"org_slug": SLUG, "company_name": "Acme", "admin_email": "a@example.com"}


@dataclass
class Waiting:
    """A provider that lets the first who asks wait until it is told to answer."""

    asked: threading.Event = field(default_factory=threading.Event)
    answer: threading.Event = field(default_factory=threading.Event)

    def __call__(self, _path: str) -> None:
        if not self.asked.is_set():
            self.asked.set()
            assert self.answer.wait(WAIT_SECONDS)


@dataclass
class Life:
    """Of a slug, with two who have it one after the other."""

    house: House
    google: FakeGoogle
    key: str = ""

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        async with self.house.client(**(headers or {"X-CA-Root-Key": ROOT_KEY})) as caller:
            return await caller.request(method, path, json=body)

    async def own(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        return await self.ask(method, path, body, **{"X-API-Key": self.key, "X-User-ID": FIRST})

    async def onboard(self) -> None:
        answer = await self.ask("POST", f"{ORGS}/onboard", NEW)
        assert answer.status_code == 201, answer.text
        self.key = answer.json()["api_key"]

    async def offboard(self) -> dict[str, Any]:
        answer = await self.ask(
            "DELETE", f"{ORGS}/{SLUG}", {"confirm": SLUG}, **{"X-CA-Root-Key": ROOT_KEY, "X-User-ID": "root-of-them-all"}
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    @asynccontextmanager
    async def held(self, call: Callable[[], Any]) -> AsyncIterator["asyncio.Task[httpx2.Response]"]:
        """The call is under way at its provider within the block, and is answered after it."""
        google, waiting = self.google, Waiting()
        google.fail = waiting
        try:
            task = asyncio.create_task(call())
            assert await asyncio.to_thread(waiting.asked.wait, WAIT_SECONDS)
            yield task
        finally:
            google.fail = lambda _path: None
            waiting.answer.set()
        await task

    def rows(self, slug: str | None = SLUG) -> dict[str, list[dict[str, Any]]]:
        """All that the ledger has under the slug."""
        with self.house.parts.ledger.reading() as unit:
            return {
                name: [dict(row._mapping) for row in unit.rows(select(table).where(table.c.org_slug == slug))]
                for name, table in unit.tables.items()
            }

    async def shown_runs(self) -> list[str]:
        answer = await self.own("GET", f"/api/v1/pipelines/runs/{SLUG}?setups=true")
        return [run["pipeline_id"] for run in answer.json()["runs"]]


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    with serving(acme()) as google:
        google.knows(service_account())
        house = House.build(tmp_path, **{name.lower(): url for name, url in google.settings.items()})
        house.parts.__dict__["catalog"] = Catalog.load(ROOT / "configs")
        yield Life(house, google)
        house.parts.close()


async def test_off_boarding_leaves_nothing_under_the_slug_and_the_platform_knows_of_it(life: Life):
    await life.onboard()

    await life.offboard()

    assert {name for name, found in life.rows().items() if found} == set(dataset_types().central.erasing.keeps)
    [run] = [run for run in life.rows(None)["org_meta_pipeline_runs"] if run["pipeline_id"] == "organizations-offboarding"]
    assert (run["status"], run["user_id"], run["parameters"]["org_slug"]) == ("SUCCESS", "root-of-them-all", SLUG)


async def test_who_has_the_slug_next_sees_its_own_runs_alone(life: Life):
    await life.onboard()
    await life.offboard()

    await life.onboard()

    assert await life.shown_runs() == ["organizations-onboarding"]


@pytest.mark.parametrize("again", [False, True], ids=["erased", "onboarded-anew"])
@pytest.mark.parametrize("call", ["setup", "validate"])
async def test_what_waits_for_its_provider_while_its_organisation_is_erased_writes_nothing(life: Life, call: str, again: bool):
    await life.onboard()
    body = {"credential": service_account()}
    if call == "validate":
        assert (await life.own("POST", SETUP, body)).status_code == 200

    async with life.held(lambda: life.own("POST", SETUP if call == "setup" else VALIDATE, body if call == "setup" else None)) as under_way:
        await life.offboard()
        if again:
            await life.onboard()
            # it neither waits for the one before nor is changed by it
            assert (await life.own("POST", SETUP, body)).status_code == 200
        before = life.rows()

    problem(under_way.result(), 409 if again or call == "validate" else 404, "conflict" if again or call == "validate" else "missing")
    assert life.rows() == before
    if again:
        assert await life.shown_runs() == ["integrations-gcp-setup", "organizations-onboarding"]
