"""What a download does when either side of it breaks: seen from the server's edge, message by message."""

import asyncio
from collections.abc import Iterator, MutableMapping
from datetime import date
from typing import Any

import pytest
from fastapi import FastAPI

from src.app.answers import tables
from src.app.config import Settings
from src.app.routers import costs
from src.app.service import create_app
from src.app.wiring import Parts
from src.core.base.clock import SystemClock
from src.core.base.faults import Unavailable
from src.core.base.identity import Tenant
from src.core.base.names import Environment, fingerprint, key_hash, org_slug
from src.core.base.schema import Field, TableSchema
from src.core.engine import open_warehouse
from src.core.engine.port import Fence, Warehouse
from src.core.ledger.tables import keys
from tests.contract.ledger.samples import org
from tests.core.costs.bills import cost, prepare, publish

NUMBERS = "/api/v1/costs/acme_corp/tables/numbers"
SUMMARY = "/api/v1/costs/acme_corp/summary"
TENANT = Tenant(org_slug("acme_corp"), Environment.DEVELOPMENT)
# 400,000 rows, some batches of a stream, so that there is a middle to break in
FILL = """INSERT INTO numbers (number)
SELECT a * 1000 + b FROM UNNEST(GENERATE_ARRAY(1, 400)) AS a, UNNEST(GENERATE_ARRAY(1, 1000)) AS b"""


@pytest.fixture
def parts(tmp_path) -> Iterator[Parts]:
    settings = Settings(_env_file=None).model_copy(
        update={"embedded_data_dir": tmp_path, "disable_auth": True, "rate_limit_enabled": False}
    )
    made = Parts(settings)
    made._warehouse = open_warehouse(settings, SystemClock())
    made.ledger.bootstrap()
    with made.ledger.writing() as unit:
        org(unit, "acme_corp")
    made.warehouse.ensure_dataset(TENANT)
    made.warehouse.ensure_table(TENANT, TableSchema("numbers", (Field("number", "INT64"),)))
    with made.warehouse.publication(TENANT, "run", Fence("tests", 1)) as publication:
        publication.execute(FILL)
    yield made
    made.close()


class Breaking:
    """The warehouse, on a disk that fails after the first batch."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._warehouse, name)

    def stream(self, *asked: Any) -> Iterator[Any]:
        yield next(self._warehouse.stream(*asked))
        raise Unavailable("the disk is gone")


async def download(
    app: FastAPI,
    form: str,
    path: str = NUMBERS,
    *,
    leave_after: int | None = None,
    stall_after: int | None = None,
    moves_on: asyncio.Event | None = None,
    stalls: asyncio.Event | None = None,
    headers: dict[str, str] | None = None,
) -> list[dict[str, Any]]:
    """The messages of one download; the client leaves after so many pieces, or takes no more before it moves on."""
    sent: list[dict[str, Any]] = []
    left, taken = asyncio.Event(), moves_on or asyncio.Event()
    asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in asked:
            return message
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(dict(message))
        if len(sent) - 1 == leave_after:
            left.set()
            await asyncio.sleep(0.05)
        if len(sent) - 1 == stall_after:
            if stalls:
                stalls.set()
            await taken.wait()

    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": f"{query}&format={form}".encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    return sent


@pytest.fixture
def app(parts) -> FastAPI:
    return create_app(parts.settings, parts)


def is_finished(sent: list[dict[str, Any]]) -> bool:
    return sent[-1]["type"] == "http.response.body" and not sent[-1].get("more_body", False)


@pytest.mark.parametrize("form", ["csv", "parquet"])
async def test_a_whole_download_ends(app, form):
    sent = await download(app, form)

    assert sent[0]["status"] == 200
    assert is_finished(sent)
    assert len(sent) > 5


@pytest.mark.parametrize("form", ["csv", "parquet"])
async def test_a_download_that_breaks_never_ends_as_a_whole_one(parts, app, form):
    whole = parts.warehouse
    parts._warehouse = Breaking(whole)

    sent = await download(app, form)
    parts._warehouse = whole

    assert sent[0]["status"] == 200
    assert len(sent) > 1
    assert not is_finished(sent)  # the server cuts the connection then, and the client sees a transfer that is not complete


@pytest.mark.parametrize("form", ["csv", "parquet"])
async def test_a_client_that_leaves_lets_go_of_the_dataset(parts, app, form):
    sent = await download(app, form, leave_after=2)

    assert not is_finished(sent)
    assert parts.warehouse.drop_dataset(TENANT).existed  # waits for whoever still reads, and gives up


async def test_a_download_ends_with_its_key(parts, monkeypatch):
    app = create_app(parts.settings.model_copy(update={"disable_auth": False}), parts)
    parts.settings = parts.settings.model_copy(update={"disable_auth": False})
    key, moves_on, stalls = "acme_corp_api_" + "A1b2" * 4, asyncio.Event(), asyncio.Event()
    told = {"key_hash": key_hash(key), "fingerprint": fingerprint(key), "sealed_key": "sealed", "created_at": parts.clock.now()}
    assert parts.ledger.write(keys.add, key_id="first", org_slug="acme_corp", **told)
    # of this caller, who takes nothing, only the cut of the connection makes an end
    monkeypatch.setattr(app.state.connections, "cut", lambda scope: moves_on.set())
    under_way = asyncio.create_task(download(app, "csv", stall_after=2, moves_on=moves_on, stalls=stalls, headers={"X-API-Key": key}))
    async with asyncio.timeout(60):
        await stalls.wait()

    parts.ledger.write(keys.revoke, "acme_corp", fingerprint(key), parts.clock.now())
    app.state.door.keys.forget("acme_corp")
    async with asyncio.timeout(60):
        sent = await under_way

    assert sent[0]["status"] == 200
    assert not is_finished(sent)
    assert app.state.downloads.of("acme_corp") == 0


@pytest.mark.parametrize("form", ["csv", "parquet"])
async def test_a_client_that_takes_no_more_is_cut_off_in_time(parts, app, form, monkeypatch):
    monkeypatch.setattr(tables, "STALLED_SECONDS", 0.1)

    async with asyncio.timeout(60):
        sent = await download(app, form, stall_after=2)

    assert len(sent) == 3
    assert not is_finished(sent)
    assert app.state.downloads.of("acme_corp") == 0
    assert parts.warehouse.drop_dataset(TENANT).existed


async def test_an_organisation_has_so_many_downloads_at_a_time(app, monkeypatch):
    monkeypatch.setattr(tables, "STALLED_SECONDS", 600.0)
    moves_on = asyncio.Event()
    under_way = [asyncio.create_task(download(app, "csv", stall_after=2, moves_on=moves_on)) for _ in range(tables.DOWNLOADS)]
    async with asyncio.timeout(60):
        while app.state.downloads.of("acme_corp") < tables.DOWNLOADS:  # noqa: ASYNC110 - nothing tells of its change
            await asyncio.sleep(0.005)

    refused = await download(app, "csv")
    elsewhere = await download(app, "csv", NUMBERS.replace("acme_corp", "other_corp"))
    moves_on.set()
    for sent in await asyncio.gather(*under_way):
        assert is_finished(sent)
    after = await download(app, "csv")

    assert refused[0]["status"] == 429
    assert b"retry-after" in dict(refused[0]["headers"])
    assert elsewhere[0]["status"] == 404
    assert is_finished(after)
    assert app.state.downloads.of("acme_corp") == 0


async def test_what_cannot_be_begun_takes_no_place(app):
    for _ in range(tables.DOWNLOADS + 1):
        sent = await download(app, "csv", f"{NUMBERS}s")
        assert sent[0]["status"] == 404


@pytest.mark.parametrize("form", ["csv", "parquet"])
async def test_a_file_of_groups_holds_all_or_is_refused(parts, app, form, monkeypatch):
    prepare(parts.warehouse, TENANT)
    publish(parts.warehouse, TENANT, gcp_cost_daily=[cost(date(2026, 10, 1), service=f"s{number}") for number in range(4)])
    asked = f"{SUMMARY}?from=2026-10-01&to=2026-10-01&group_by=service"

    monkeypatch.setattr(costs, "MOST_FILE_ROWS", 4)
    assert (await download(app, form, asked))[0]["status"] == 200
    monkeypatch.setattr(costs, "MOST_FILE_ROWS", 3)
    assert (await download(app, form, asked))[0]["status"] == 413
    assert (await download(app, form, f"{asked}&limit=2"))[0]["status"] == 200
    assert (await download(app, "json", asked))[0]["status"] == 200
