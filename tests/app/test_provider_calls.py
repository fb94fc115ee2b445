"""Calls that ask a provider who takes his time: how many there may be, whom they hold up, and what becomes of a caller who leaves."""

import asyncio
import gc
import json
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx2
import pytest

from src.core.base.secret import Secret
from src.core.base.settings import ROOT
from src.core.ledger.tables import audit
from src.core.ledger.tables import credentials as stored
from src.core.pipeline.catalog import Catalog
from tests.acceptance.observed import problem
from tests.app.running_parts import WAIT_SECONDS, Exchange, House, until
from tests.fakes.google import FakeGoogle, acme, service_account, serving


class Holding:
    """Google, which answers nobody before it is told to."""

    def __init__(self, google: FakeGoogle) -> None:
        self.google, self.answers = google, threading.Event()
        google.knows(service_account())
        google.knows(service_account("other"))
        google.fail = self._hold

    def _hold(self, _path: str) -> None:
        assert self.answers.wait(60)

    async def asked(self, times: int) -> None:
        await until(lambda: len(self.google.asked) >= times)


@pytest.fixture
def google() -> Iterator[Holding]:
    with serving(acme()) as made:
        holding = Holding(made)
        try:
            yield holding
        finally:
            holding.answers.set()


def built(folder: Path, **settings: Any) -> House:
    house = House.build(folder, **settings)
    shutil.copytree(ROOT / "configs" / "integrations", folder / "real" / "integrations")
    house.parts.__dict__["catalog"] = Catalog.load(folder / "real")
    for number in range(9):
        house.organisation(f"acme_{number}")
    return house


@pytest.fixture
def house(tmp_path: Path, google: Holding) -> Iterator[House]:
    made = built(tmp_path, **{name.lower(): url for name, url in google.google.settings.items()})
    yield made
    made.parts.close()


async def ask(house: House, slug: str, call: str = "setup", **more: Any) -> httpx2.Response:
    body = {"credential": service_account(), **more} if call == "setup" else None
    async with house.client() as caller:
        return await caller.post(f"/api/v1/integrations/{slug}/gcp/{call}", json=body)


def leaving(house: House, slug: str, account: dict[str, str]) -> Exchange:
    """A setup whose caller may leave."""
    headers = {"X-API-Key": f"{slug}_api_" + "A1b2" * 4, "Content-Type": "application/json"}
    path = f"/api/v1/integrations/{slug}/gcp/setup"
    return Exchange(house.app, path, headers, "POST", body=json.dumps({"credential": account}).encode())


def credentials_of(house: House, slug: str) -> list[str | None]:
    return [one.subject for one in house.parts.ledger.read(stored.list_for, slug)]


def trail(house: House, slug: str) -> list[tuple[str, str]]:
    rows = house.parts.ledger.read(audit.page, slug, None, 10)
    return [(one.outcome, str((one.details or {}).get("detail", ""))) for one in rows]


async def test_silent_providers_take_no_thread_of_everybodys_and_the_ninth_call_is_refused(house: House, google: Holding):
    calls = [asyncio.create_task(ask(house, f"acme_{number}")) for number in range(8)]
    await google.asked(8)

    ninth = await ask(house, "acme_8")
    assert problem(ninth, 503, "unavailable")["limit"] == 8
    assert "PROVIDER_CALL_THREADS" in ninth.json()["detail"]
    assert ninth.headers["retry-after"] == "5"
    assert anyio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
    async with house.client() as caller:
        assert (await caller.get("/health/live")).status_code == 200
        changed = await caller.put("/api/v1/organizations/acme_0/subscription", json={"plan": "SCALE"})
        assert changed.status_code == 200, changed.text
        assert (await caller.get("/api/v1/organizations/acme_0/subscription")).status_code == 200
    # who was refused has left no trace, and floods nothing
    assert trail(house, "acme_8") == []

    google.answers.set()
    assert [answer.status_code for answer in await asyncio.gather(*calls)] == [200] * 8
    assert (await ask(house, "acme_8")).status_code == 200


async def test_an_organisation_has_two_calls_open_and_the_third_is_refused_whatever_it_asks(house: House, google: Holding):
    first, second = (asyncio.create_task(ask(house, "acme_0", credential_name=name)) for name in ("first", "second"))
    await google.asked(1)

    for call in ("setup", "validate"):
        third = await ask(house, "acme_0", call)
        assert problem(third, 429, "throttled")["limit"] == 2
        assert third.headers["retry-after"] == "5"
    other = asyncio.create_task(ask(house, "acme_1"))
    await google.asked(2)

    google.answers.set()
    # one after the other, in the order they came
    assert [(await call).status_code for call in (first, second, other)] == [200] * 3
    assert (await ask(house, "acme_0", "validate", credential_name="first")).status_code == 404
    assert len(credentials_of(house, "acme_0")) == 2


async def test_a_caller_who_leaves_before_his_turn_is_taken_out_and_his_secret_is_forgotten(house: House, google: Holding):
    under_way = asyncio.create_task(ask(house, "acme_0"))
    await google.asked(1)
    mark = "f0rg0tten" * 4
    waiting = leaving(house, "acme_0", {**service_account("other"), "private_key_id": mark})
    served = waiting.start()
    await until(lambda: any(isinstance(one, Secret) and mark in one.reveal() for one in gc.get_objects()))

    waiting.left.set()
    async with asyncio.timeout(WAIT_SECONDS):
        await served

    del waiting, served
    gc.collect()
    assert holding(mark) == []
    assert trail(house, "acme_0") == [("FAILED", "the caller left while this waited for its turn; nothing was begun")]
    again = asyncio.create_task(ask(house, "acme_0"))  # his place is free again
    google.answers.set()
    assert [(await call).status_code for call in (under_way, again)] == [200, 200]
    assert credentials_of(house, "acme_0") == [service_account()["client_email"]]
    assert not [one for one in google.google.asked if "other" in one]


async def test_a_caller_who_leaves_while_the_provider_is_asked_loses_the_answer_alone(house: House, google: Holding):
    exchange = leaving(house, "acme_0", service_account("other"))
    served = exchange.start()
    await google.asked(1)

    exchange.left.set()
    google.answers.set()
    await served

    assert credentials_of(house, "acme_0") == [service_account("other")["client_email"]]
    assert [outcome for outcome, _ in trail(house, "acme_0")] == ["SUCCESS"]


async def test_a_provider_that_accepts_and_says_nothing_holds_a_place_no_longer_than_its_time(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        urls = {"gcp_token_url": f"{address}/token", "bigquery_url": address}
        house = built(tmp_path, provider_timeout_seconds=0.05, provider_call_threads=1, **urls)
        for _ in range(2):
            assert "did not answer within 0.05 s" in problem(await ask(house, "acme_0"), 503, "unavailable")["detail"]
    house.parts.close()


def holding(mark: str) -> list[object]:
    """Every text with the mark in it that something alive refers to, but for the mark itself."""
    texts = (one for holder in gc.get_objects() for one in gc.get_referents(holder))
    return [one for one in texts if isinstance(one, str | bytes) and len(one) > 500 and mark.encode() in _bytes(one)]


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "replace")
