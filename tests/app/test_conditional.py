"""Answers of lists and costs name what they say: asked again, they are 304 while they say the same, and no longer than that."""

import gzip
import json
import zlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx2
import pytest

from src.app.dependencies.conditional import packed
from src.core.base.identity import Tenant
from src.core.base.names import OrgSlug
from tests.app.running_parts import TODAY, House
from tests.app.test_runs_without_credential import stored
from tests.app.test_statement import billed as billed
from tests.app.test_statement import put
from tests.core.costs.bills import cost, manifest, mark, publish
from tests.fakes.running import ROOT_KEY

AT = "/api/v1/costs/acme_corp"
DAILY = f"{AT}/daily?from=2026-10-01&to=2026-10-31"
SUMMARY = f"{AT}/summary?from=2026-10-01&to=2026-10-31&group_by=service"
STATEMENT = f"{AT}/statement?month=2026-10&format=json"
ASKED = [DAILY, SUMMARY, STATEMENT]
KEPT = "private, no-cache"
SECRETS = {"api_key", "secret", "credential"}


async def again(house: House, path: str, first: httpx2.Response, **headers: str) -> httpx2.Response:
    return await house.read(path, **{"If-None-Match": first.headers["ETag"], **headers})


@pytest.mark.parametrize(
    "path", [*ASKED, f"{AT}/models", f"{AT}/invoices/gcp/2026-10", "/api/v1/pipelines/acme_corp", "/api/v1/organizations"]
)
async def test_what_says_the_same_is_not_sent_again(billed: House, path: str):
    first = await billed.read(path)
    second = await again(billed, path, first)

    assert (first.status_code, second.status_code, second.content) == (200, 304, b"")
    assert first.headers["ETag"].startswith('W/"')
    for answer in (first, second):
        assert answer.headers["ETag"] == first.headers["ETag"]
        assert answer.headers["Cache-Control"] == KEPT
        assert "Accept-Encoding" in answer.headers["Vary"]
    assert "content-type" not in second.headers


@pytest.mark.parametrize(
    ("known", "status"),
    [("*", 304), ('W/"other", {}', 304), ("{strong}", 304), ('W/"other"', 200), ("", 200), ("{}x", 200)],
    ids=["any", "one-of-two", "strong", "another", "none", "longer"],
)
async def test_a_tag_is_compared_as_http_says(billed: House, known: str, status: int):
    tag = (await billed.read(DAILY)).headers["ETag"]

    answer = await billed.read(DAILY, **{"If-None-Match": known.replace("{}", tag).replace("{strong}", tag.removeprefix("W/"))})

    assert answer.status_code == status


def published(house: House) -> None:
    tenant = Tenant(OrgSlug("acme_corp"), house.parts.settings.environment)
    publish(house.parts.warehouse, tenant, gcp_cost_daily=[cost(date(2026, 10, 2), "7", service="Compute")])


def judged(house: House) -> None:
    """No money changes, only how whole a day is."""
    tenant = Tenant(OrgSlug("acme_corp"), house.parts.settings.environment)
    publish(house.parts.warehouse, tenant, x_cost_daily=[mark(date(2026, 10, 2), "partial", currency="EUR")])


def credential_set_up(house: House) -> None:
    export = {"project": "acme-billing", "dataset": "billing", "table": "gcp_billing_export_v1_0A0A0A_1B1B1B_2C2C2C", "counts": True}
    told = {"kind": "standard", "billing_account": "0A0A0A-1B1B1B-2C2C2C", "location": "EU", "reason": "the standard export"}
    metadata = {"project": "acme-billing", "dataset": "billing", "tables": [{**export, **told}]}
    stored(house, "second", org_slug="acme_corp", metadata=metadata)


@pytest.mark.parametrize("path", ASKED, ids=["daily", "summary", "statement"])
@pytest.mark.parametrize("changed", [published, judged, credential_set_up])
async def test_what_was_published_or_set_up_since_is_told(billed: House, path: str, changed: Callable[[House], None]):
    first = await billed.read(path)
    changed(billed)
    second = await again(billed, path, first)

    assert second.status_code == 200
    assert second.json() != first.json()
    assert second.headers["ETag"] != first.headers["ETag"]


async def test_a_credential_that_is_removed_again_is_told(billed: House):
    credential_set_up(billed)
    first = await billed.read(DAILY)
    async with billed.client() as caller:
        assert (await caller.delete("/api/v1/integrations/acme_corp/gcp?credential_name=second")).status_code == 200

    assert (await again(billed, DAILY, first)).status_code == 200


async def test_a_day_that_goes_by_is_told(billed: House):
    """What a day is counted as depends on the clock, and so does the range where none is named."""
    path = f"{AT}/daily"
    first = await billed.read(path)
    billed.parts.clock.today = TODAY + timedelta(days=1)  # type: ignore[attr-defined]
    second = await again(billed, path, first)

    assert second.status_code == 200
    assert second.json()["to"] == "2026-11-22"


async def test_what_ages_by_the_clock_alone_is_told(billed: House):
    """Nothing is written between the two."""
    tenant = Tenant(OrgSlug("acme_corp"), billed.parts.settings.environment)
    read = manifest(datetime(2026, 11, 21, 6, tzinfo=UTC))
    publish(billed.parts.warehouse, tenant, x_cost_daily=[mark(date(2026, 11, 20), "provisional")], x_load_manifests=[read])
    path = f"{AT}/daily?from=2026-11-20&to=2026-11-20"
    first = await billed.read(path)
    same = await again(billed, path, first)
    billed.parts.clock.today = TODAY + timedelta(days=3)  # type: ignore[attr-defined]
    later = await again(billed, path, first)

    assert (first.json()["rows"][0]["completeness"], same.status_code) == ("provisional", 304)
    assert (later.status_code, later.json()["rows"][0]["completeness"]) == (200, "stale")


async def test_a_paper_that_is_told_is_told(billed: House):
    first, invoices = await billed.read(STATEMENT), await billed.read(f"{AT}/invoices/gcp/2026-10")
    await put(billed, amount="38.89", tax="5.89", currency="USD")

    assert (await again(billed, STATEMENT, first)).status_code == 200
    assert (await again(billed, f"{AT}/invoices/gcp/2026-10", invoices)).status_code == 200


async def test_other_questions_and_other_forms_have_other_tags(billed: House):
    paths = [
        DAILY,
        f"{DAILY}&provider=gcp&group_by=service",
        f"{DAILY}&limit=3",
        f"{DAILY}&group_by=project",
        SUMMARY,
        STATEMENT,
        STATEMENT.replace("json", "html"),
    ]
    answers = [await billed.read(path) for path in paths]

    assert len({answer.headers["ETag"] for answer in answers}) == len(paths)
    assert {answer.status_code for answer in answers} == {200}


async def test_another_organisation_does_not_learn_by_a_tag_what_is_there(billed: House):
    key = billed.organisation("other_corp")
    first = await billed.read(DAILY)
    async with billed.client(**{"X-API-Key": key, "If-None-Match": first.headers["ETag"]}) as other:
        assert (await other.get(DAILY)).status_code == 403
    async with billed.client(**{"X-API-Key": "acme_corp_api_" + "0" * 16, "If-None-Match": "*"}) as nobody:
        assert (await nobody.get(DAILY)).status_code == 401


async def test_a_refusal_has_no_tag(billed: House):
    refused = await billed.read(f"{DAILY}&limit=0", **{"If-None-Match": "*"})

    assert refused.status_code == 422
    assert "ETag" not in refused.headers
    assert refused.headers["Cache-Control"] == "no-store"


async def raw(house: House, path: str, accepted: str | None) -> tuple[httpx2.Response, bytes]:
    """What is on the wire."""
    headers = {} if accepted is None else {"Accept-Encoding": accepted}
    async with house.client() as caller:
        if accepted is None:
            del caller.headers["Accept-Encoding"]
        async with caller.stream("GET", path, headers=headers) as answer:
            return answer, b"".join([piece async for piece in answer.aiter_raw()])


@pytest.mark.parametrize("path", ASKED, ids=["daily", "summary", "statement"])
async def test_it_is_packed_where_the_caller_takes_that(billed: House, path: str):
    plain, told = await raw(billed, path, None)
    answer, sent = await raw(billed, path, "br;q=1, GZIP;q=0.5")

    assert "Content-Encoding" not in plain.headers
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(sent) == told
    assert len(sent) == int(answer.headers["Content-Length"]) < len(told)
    assert answer.headers["ETag"] == plain.headers["ETag"]


@pytest.mark.parametrize("accepted", ["gzip;q=0", "identity", "br", "gzip;q=oh", "*;q=0", ""])
async def test_who_does_not_take_it_gets_it_plain(billed: House, accepted: str):
    answer, told = await raw(billed, DAILY, accepted)

    assert "Content-Encoding" not in answer.headers
    assert json.loads(told)["org_slug"] == "acme_corp"


async def test_what_is_small_is_not_packed(house: House):
    answer, _ = await raw(house, "/api/v1/organizations", "gzip")

    assert "Content-Encoding" not in answer.headers
    assert "ETag" in answer.headers


async def test_a_file_is_packed_as_it_is_made_and_has_no_tag(billed: House):
    _, told = await raw(billed, f"{DAILY}&format=csv", None)
    answer, sent = await raw(billed, f"{DAILY}&format=csv", "gzip")
    parquet, _ = await raw(billed, f"{DAILY}&format=parquet", "gzip")

    assert gzip.decompress(sent) == told
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "ETag" not in answer.headers
    assert "Content-Length" not in answer.headers
    assert "Content-Encoding" not in parquet.headers


async def test_every_piece_of_a_packed_file_can_be_read_before_the_next_is_made():
    made: list[int] = []

    def pieces():
        for number in range(3):
            made.append(number)
            yield b"row %d\n" % number

    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    sent = packed(pieces())
    for number in range(3):
        assert unpacker.decompress(next(sent)) == b"row %d\n" % number
        assert made == list(range(number + 1))
    assert unpacker.decompress(next(sent)) == b""
    assert unpacker.eof


async def test_what_holds_a_secret_is_never_packed(house: House):
    """What a caller can have said back beside a secret, packed with it, gives the secret away by its length (BREACH)."""
    document = house.app.openapi()
    schemas = document["components"]["schemas"]
    for operations in document["paths"].values():
        for method, operation in operations.items():
            if "x-conditional" in operation:
                assert method == "get"
                shown = json.dumps(operation["responses"]["200"])
                assert not SECRETS & _fields(shown, schemas), operation["operationId"]
                assert operation["responses"].keys() >= {"304"}

    def encoding(answer: httpx2.Response) -> Any:
        return answer.headers.get("Content-Encoding"), answer.headers.get("ETag")

    async with house.client(**{"X-CA-Root-Key": ROOT_KEY, "Accept-Encoding": "gzip"}) as caller:
        assert encoding(await caller.post("/api/v1/organizations/acme_corp/keys/rotate")) == (None, None)


def _fields(text: str, schemas: dict[str, Any], seen: frozenset[str] = frozenset()) -> set[str]:
    found: set[str] = set()
    for name, schema in schemas.items():
        if f'"#/components/schemas/{name}"' in text and name not in seen:
            found |= set(schema.get("properties", ())) | _fields(json.dumps(schema), schemas, seen | {name})
    return found
