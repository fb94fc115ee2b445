"""The bare address says where to go, to programs and to people."""

import re
from pathlib import Path

import httpx2
import pytest

from tests.app.running_parts import House

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


async def called(house: House, method: str, path: str, **headers: str) -> httpx2.Response:
    """Without any key."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=house.app), base_url="http://test") as anyone:
        return await anyone.request(method, path, headers=headers)


@pytest.mark.parametrize("accepted", ["*/*", "application/json", "application/json, text/html;q=0.5"])
async def test_a_program_is_told_addresses_that_all_answer(house: House, accepted: str):
    answer = await called(house, "GET", "/", Accept=accepted)

    told = answer.json()
    assert (told.pop("name"), told.pop("version")) == (house.app.title, house.app.version)
    assert told.keys() == {"docs", "redoc", "openapi", "health", "ready", "metrics", "problems"}
    for address in told.values():
        assert (await called(house, "GET", address)).status_code in (200, 503)
    assert answer.headers["Vary"] == "Accept"


async def test_a_browser_is_shown_a_page_with_the_same_links(house: House):
    told = (await called(house, "GET", "/")).json()
    page = await called(house, "GET", "/", Accept=BROWSER)

    assert page.headers["content-type"].startswith("text/html")
    linked = {f"/{link}" for link in re.findall(r'href="([^"]+)"', page.text)}
    assert linked == set(told.values()) - {told["name"], told["version"]}
    assert "script" not in page.text


async def test_where_the_docs_are_off_nobody_is_sent_there(tmp_path: Path):
    house = House.build(tmp_path, enable_api_docs=False)

    told = (await called(house, "GET", "/")).json()
    page = await called(house, "GET", "/", Accept="text/html")

    assert (told["docs"], told["redoc"], told["openapi"], told["health"]) == (None, None, None, "/health")
    assert "docs" not in page.text
    house.parts.close()


async def test_other_forms_are_refused_and_a_probe_may_ask_by_head(house: House):
    assert (await called(house, "GET", "/", Accept="image/png")).status_code == 406
    assert (await called(house, "HEAD", "/")).status_code == 200
