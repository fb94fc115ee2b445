"""Files of the data directory are lost: who has lost one is told which, readiness and the start name it, and others are served."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from src.app.process.starting import tell_losses
from src.app.routers import health
from src.app.service import create_app
from src.app.wiring import Parts
from src.core.base.settings import Settings, use_settings
from tests.app.running_parts import House
from tests.fakes.running import ROOT_KEY

ACME, OTHER = "acme_corp", "other_corp"
FILE = f"warehouse/{ACME}_dev/{ACME}_dev.duckdb"
BOOTSTRAP = "/api/v1/admin/bootstrap"


@dataclass
class Place:
    """A data directory with two organisations in it, and whoever serves it."""

    data: Path
    keys: dict[str, str]

    @contextmanager
    def parts(self) -> Iterator[Parts]:
        settings = Settings(
            ca_root_api_key=ROOT_KEY,
            embedded_data_dir=self.data,
            rate_limit_enabled=False,
            worker_enabled=False,
            log_level="error",
            duckdb_memory_limit="500MB",
            _env_file=None,
        )
        parts = Parts(settings)
        use_settings(settings)
        try:
            yield parts
        finally:
            parts.close()
            use_settings(None)

    @asynccontextmanager
    async def served(self) -> AsyncIterator["Caller"]:
        with self.parts() as parts, capture_logs() as logs:
            tell_losses(parts)
            transport = httpx2.ASGITransport(app=create_app(parts.settings, parts))
            async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
                yield Caller(client, self.keys, [line for line in logs if line["event"] == "start.lost"])


@dataclass
class Caller:
    client: httpx2.AsyncClient
    keys: dict[str, str]
    start: list[Any]

    async def ask(self, method: str, path: str, org: str | None = None, json: Any = None) -> tuple[int, Any]:
        headers = {"X-API-Key": self.keys[org]} if org else {"X-CA-Root-Key": ROOT_KEY}
        answer = await self.client.request(method, path, headers=headers, json=json)
        return answer.status_code, answer.json()

    async def costs(self, org: str) -> tuple[int, Any]:
        return await self.ask("GET", f"/api/v1/costs/{org}/daily?from=2026-01-01&to=2026-01-02", org)

    async def onboard(self, org: str) -> tuple[int, Any]:
        body = {"org_slug": org, "company_name": org, "admin_email": "admin@example.com"}
        return await self.ask("POST", "/api/v1/organizations/onboard", json=body)

    async def ready(self) -> tuple[int, Any]:
        return await self.ask("GET", "/health/ready")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("kept") / "data", {})
    asyncio.run(begin(place))
    return place


async def begin(place: Place) -> None:
    async with place.served() as caller:
        assert (await caller.ask("POST", BOOTSTRAP, json={}))[0] == 200
        for org in (ACME, OTHER):
            status, made = await caller.onboard(org)
            assert status == 201
            place.keys[org] = made["api_key"]


@pytest.fixture
def place(kept: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(health, "FRESH_SECONDS", 0.0)
    return Place(shutil.copytree(kept.data, tmp_path / "data"), kept.keys)


def garbage(file: Path) -> None:
    file.write_bytes(b"something else entirely" * 1000)


def emptied(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("loss", [Path.unlink, emptied, garbage])
@pytest.mark.parametrize("while_served", [False, True])
async def test_a_lost_dataset_is_told_to_its_own_and_by_readiness_and_others_are_served(place, loss, while_served):
    if not while_served:
        loss(place.data / FILE)
    async with place.served() as caller:
        if while_served:
            loss(place.data / FILE)
        for _ in range(2):
            status, told = await caller.costs(ACME)
            assert (status, told["type"].rpartition("#")[2]) == (503, "misconfigured")
            assert FILE in told["detail"]
            assert "restore that file from its backup" in told["detail"]
            status, ready = await caller.ready()
            assert (status, ready["type"].rpartition("#")[2]) == (503, "not-ready")
            assert [name for name, check in ready["checks"].items() if check["status"] == "failed"] == ["stored"]
            assert ready["checks"]["stored"]["detail"] == told["detail"]
        assert str(place.data) not in told["detail"]
        assert (await caller.ask("GET", "/health/live"))[0] == 200
        assert (await caller.costs(OTHER))[0] == 200
        assert (await caller.onboard("third_corp"))[0] == 201
        # what nobody has met yet shows by its absence alone
        assert [line["lost"] for line in caller.start] == ([] if while_served or loss is garbage else [[f"{ACME}_dev"]])


async def test_a_restored_dataset_is_whole_again(place):
    whole = (place.data / FILE).read_bytes()
    (place.data / FILE).unlink()
    async with place.served() as caller:
        assert (await caller.costs(ACME))[0] == 503
    (place.data / FILE).write_bytes(whole)
    async with place.served() as caller:
        assert (await caller.ready())[0] == 200
        assert (await caller.costs(ACME))[0] == 200
        assert caller.start == []


async def test_many_lost_datasets_are_named_once(place):
    shutil.rmtree(place.data / "warehouse")
    async with place.served() as caller:
        detail = (await caller.ready())[1]["checks"]["stored"]["detail"]
        assert FILE in detail
        assert detail.endswith(f"Lost or damaged as well: {OTHER}_dev")
        [line] = caller.start
        assert (line["count"], line["lost"], line["message"]) == (2, [f"{ACME}_dev", f"{OTHER}_dev"], detail)


async def test_an_organisation_that_was_off_boarded_has_lost_nothing(place):
    async with place.served() as caller:
        status, _ = await caller.ask("DELETE", f"/api/v1/organizations/{ACME}", json={"confirm": ACME})
        assert status == 200
        assert (await caller.ready())[0] == 200
    async with place.served() as caller:
        assert (await caller.ready())[0] == 200
        assert caller.start == []


def without_ledger(data: Path) -> None:
    for file in data.glob("ledger.db*"):
        file.unlink()


def with_an_empty_ledger(data: Path) -> None:
    without_ledger(data)
    (data / "ledger.db").write_bytes(b"")


@pytest.mark.parametrize("loss", [without_ledger, with_an_empty_ledger])
async def test_a_lost_ledger_is_named_and_not_bootstrapped_over(place, loss: Callable[[Path], None]):
    loss(place.data)
    async with place.served() as caller:
        for method, path, body in (("GET", "/health/ready", None), ("POST", BOOTSTRAP, {})):
            status, told = await caller.ask(method, path, json=body)
            assert status == 503
            assert f"the ledger is lost: it knows no organisations, and the datasets {ACME}_dev, {OTHER}_dev stand" in told["detail"]
            assert "restore ledger.db" in told["detail"]
            assert "not bootstrapped" not in told["detail"]
        assert "the ledger is lost" in (await caller.onboard("third_corp"))[1]["detail"]
        assert "restore ledger.db from its backup" in (await caller.costs(ACME))[1]["detail"]
        assert [line["lost"] for line in caller.start] == [["ledger"]]
        # who gives it up says so
        assert (await caller.ask("POST", BOOTSTRAP, json={"force_recreate_dataset": True}))[0] == 200
        assert (await caller.ready())[0] == 200


async def test_a_first_start_has_lost_nothing(tmp_path):
    async with Place(tmp_path / "data", {}).served() as caller:
        assert caller.start == []
        checks = (await caller.ready())[1]["checks"]
        assert "not bootstrapped" in checks["bootstrap"]["detail"]
        assert checks["stored"] == {"status": "ok"}
        assert (await caller.ask("POST", BOOTSTRAP, json={}))[0] == 200


async def test_a_ledger_that_is_taken_away_while_it_is_served_keeps_nothing_more(place):
    async with place.served() as caller:
        assert (await caller.costs(ACME))[0] == 200
        without_ledger(place.data)
        assert "ledger.db was taken away" in (await caller.ready())[1]["checks"]["ledger"]["detail"]
        status, told = await caller.onboard("third_corp")
        assert (status, "ledger.db was taken away" in told["detail"]) == (503, True)
        assert not (place.data / "ledger.db").exists()


async def test_a_keyring_that_is_gone_with_its_witness_is_not_replaced_in_silence(place):
    for name in ("keyring.json", "sealed_by.json"):
        (place.data / name).unlink()
    async with place.served() as caller:
        assert [line["lost"] for line in caller.start] == [["keyring"]]
        assert "keyring.json does not hold" in (await caller.ready())[1]["checks"]["stored"]["detail"]
        assert (await caller.costs(ACME))[0] == 200


@pytest.mark.parametrize(("status", "shown"), [("SUCCESS", 503), ("FAILED", 200)])
async def test_a_run_whose_dataset_is_lost_is_not_shown_as_one_that_loaded_nothing(tmp_path, status, shown):
    house = House.build(tmp_path)
    house.organisation(ACME)
    run_id = await house.accepted(ACME, date="2026-01-01")
    house.begin(run_id)
    house.end(run_id, ACME, status)
    answer = await house.read(f"/api/v1/pipelines/runs/{ACME}/{run_id}")
    assert answer.status_code == shown
    assert (FILE in answer.text) == (shown == 503)
    house.parts.close()
