"""Lists over the wire: a server that answers what each test has written down for an address."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from src.core.base.faults import StepFailed
from src.core.providers.http.client import Http, HttpAnswer
from src.core.providers.http.paging import Cursor, Following, LinkIn, Page, link_header, pages
from tests.fakes.google import FakeGoogle

GOOGLE = Cursor(of="nextPageToken", param="pageToken")
USAGE = Cursor(of="next_page", param="page", more="has_more")
AFTER = Cursor(of="last_id", param="after", more="has_more")
MOST = 5


def asked(http: Http, page: Page) -> HttpAnswer:
    return http.ask("GET", page.url, params=page.params)


def read(google: FakeGoogle, following: Following, answers: Mapping[str, Any]) -> list[Any]:
    """What each page says of itself; `answers` are body, or body and headers, by path."""

    def answer(path: str) -> tuple[int, Any, dict[str, str]]:
        said = answers[path]
        return (200, *said) if isinstance(said, tuple) else (200, said, {})

    google.fail = answer
    with Http("acme", 60.0) as http:
        first = Page(f"{google.address}/list", {"limit": 2})
        return [answer.body["n"] for answer in pages(partial(asked, http), first, following, most=MOST)]


WHOLE: dict[str, tuple[Following, dict[str, Any]]] = {
    "a token": (
        GOOGLE,
        {"/list?limit=2": {"n": 1, "nextPageToken": "a b&c"}, "/list?limit=2&pageToken=a+b%26c": {"n": 2, "nextPageToken": ""}},
    ),
    "a flag and a token": (
        USAGE,
        {
            "/list?limit=2": {"n": 1, "has_more": True, "next_page": "p2"},
            "/list?limit=2&page=p2": {"n": 2, "has_more": False, "next_page": "p3"},
        },
    ),
    "after the last one": (
        AFTER,
        {
            "/list?limit=2": {"n": 1, "has_more": True, "last_id": "k7"},
            "/list?limit=2&after=k7": {"n": 2, "has_more": False, "last_id": None},
        },
    ),
    "a header": (
        link_header,
        {
            "/list?limit=2": ({"n": 1}, {"Link": '</first>; rel="first", </list?cursor=x>; title="more"; rel="next"'}),
            "/list?cursor=x": ({"n": 2}, {"Link": '</list?limit=2>; rel="prev"'}),
        },
    ),
    "a link": (LinkIn("nextLink"), {"/list?limit=2": {"n": 1, "nextLink": "/list?skip=2"}, "/list?skip=2": {"n": 2, "nextLink": None}}),
}


@pytest.mark.parametrize(("following", "answers"), WHOLE.values(), ids=WHOLE.keys())
def test_a_list_is_read_to_its_end_and_no_further(google: FakeGoogle, following: Following, answers: dict[str, Any]):
    assert read(google, following, answers) == [1, 2]
    assert [path.removeprefix("GET ") for path in google.asked] == list(answers)


BROKEN: dict[str, tuple[Following, dict[str, Any], str]] = {
    "more without a cursor": (USAGE, {"has_more": True, "next_page": None}, "says that there are more and does not name them"),
    "no word of more": (USAGE, {"next_page": "p2"}, "does not say whether there are more"),
    "a number": (GOOGLE, {"nextPageToken": 7}, "no text"),
    "a list": (AFTER, {"has_more": True, "last_id": ["k7"]}, "no text"),
    "elsewhere": (LinkIn("nextLink"), {"nextLink": "https://stranger.example/list?limit=2"}, "an address elsewhere"),
    "another port": (LinkIn("nextLink"), {"nextLink": "http://127.0.0.1:9/list"}, "an address elsewhere"),
}


@pytest.mark.parametrize(("following", "body", "told"), BROKEN.values(), ids=BROKEN.keys())
def test_a_page_that_does_not_say_where_the_list_goes_on_fails(google: FakeGoogle, following: Following, body: dict[str, Any], told: str):
    with pytest.raises(StepFailed, match=told) as caught:
        read(google, following, {"/list?limit=2": {"n": 1, **body}})

    assert len(google.asked) == 1
    assert "127.0.0.1/list" in caught.value.detail


@pytest.mark.parametrize("following", [USAGE, LinkIn("nextLink")], ids=["token", "link"])
def test_a_cursor_that_comes_back_fails_rather_than_counting_a_page_twice(google: FakeGoogle, following: Following):
    there = {"p2": "p3", "p3": "p2"}

    def going_round(path: str) -> dict[str, Any]:
        following = there.get(path[-2:], "p2")
        return {"n": path, "has_more": True, "next_page": following, "nextLink": f"/list?page={following}"}

    answers = {path: going_round(path) for path in ("/list?limit=2", "/list?limit=2&page=p2", "/list?limit=2&page=p3")}
    answers |= {path: going_round(path) for path in ("/list?page=p2", "/list?page=p3")}
    with pytest.raises(StepFailed, match="a page that was read already"):
        read(google, following, answers)
    assert len(google.asked) == 3


def test_a_list_without_an_end_is_given_up(google: FakeGoogle):
    google.fail = lambda path: (200, {"nextPageToken": str(len(path))}, {})

    with Http("acme", 60.0) as http, pytest.raises(StepFailed, match=f"more than {MOST} pages"):
        list(pages(partial(asked, http), Page(f"{google.address}/list?{'x' * 10}", {}), _longer, most=MOST))
    assert len(google.asked) == MOST


def _longer(page: Page, _answer: HttpAnswer) -> Page:
    return Page(f"{page.url}x", {})
