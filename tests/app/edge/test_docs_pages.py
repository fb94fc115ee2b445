import base64
import hashlib
import re

import httpx2
import pytest

from tests.app.edge.conftest import build, client

PAGES = ["/docs", "/redoc"]


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_names_only_what_is_served_here(caller: httpx2.AsyncClient, page: str) -> None:
    answer = await caller.get(page)
    assert answer.status_code == 200
    assert not re.search(r"(https?:)?//", answer.text)
    named = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert len(named) >= 3
    for address in named:
        assert (await caller.get(f"/{address}")).status_code == 200


@pytest.mark.parametrize("page", PAGES)
async def test_a_pages_policy_allows_its_own_files_and_its_one_script(caller: httpx2.AsyncClient, page: str) -> None:
    answer = await caller.get(page)
    [inline] = re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
    [policy] = answer.headers.get_list("content-security-policy")
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'self' 'sha256-{digest}'"
    assert "http" not in policy
    assert rules["img-src"] == "'self' data:"


async def test_swagger_sends_the_document_to_no_validator(caller: httpx2.AsyncClient) -> None:
    assert "validatorUrl: null" in (await caller.get("/docs")).text


async def test_redocs_outside_logo_is_taken_out(caller: httpx2.AsyncClient) -> None:
    script = await caller.get("/docs/assets/redoc.standalone.js")
    assert len(script.text) > 500_000
    assert "cdn.redoc.ly" not in script.text


@pytest.mark.parametrize(
    ("name", "kind"), [("swagger-ui-bundle.js", "text/javascript"), ("swagger-ui.css", "text/css"), ("favicon.png", "image/png")]
)
async def test_assets_may_be_kept(caller: httpx2.AsyncClient, name: str, kind: str) -> None:
    answer = await caller.get(f"/docs/assets/{name}")
    assert answer.headers["content-type"].startswith(kind)
    assert answer.headers.get_list("cache-control") == ["public, max-age=86400"]


@pytest.mark.parametrize("name", ["core.py", "..%2Fcore.py", "%2Fetc%2Fpasswd", "nope"])
async def test_nothing_but_the_assets_is_served(caller: httpx2.AsyncClient, name: str) -> None:
    assert (await caller.get(f"/docs/assets/{name}")).status_code == 404


@pytest.mark.parametrize("page", [*PAGES, "/openapi.json", "/docs/assets/favicon.png"])
async def test_all_are_gone_when_off(page: str) -> None:
    async with client(build(enable_api_docs=False)) as caller:
        answer = await caller.get(page)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_the_pages_are_not_part_of_the_document(caller: httpx2.AsyncClient) -> None:
    paths = (await caller.get("/openapi.json")).json()["paths"]
    assert "/health" in paths
    assert not [path for path in paths if path.startswith(("/docs", "/redoc"))]
