"""Lists that come in pages. How the next page is named is a part; that a list ends, and that no page is asked for twice, holds for all."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar
from urllib.parse import urljoin, urlsplit

from src.core.base.faults import StepFailed
from src.core.providers.http.client import HttpAnswer

Params: TypeAlias = Mapping[str, str | int | Sequence[str | int]]
NEXT_LINK = re.compile(r"""<([^<>]*)>[^<]*;\s*rel\s*=\s*(?:"[^"]*\bnext\b[^"]*"|next\b)""", re.IGNORECASE)
SAYS_NEXT = re.compile(r"rel\s*=\s*['\"]?next", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Page:
    """Where one is asked for."""

    url: str
    params: Params


A = TypeVar("A")
Ask = Callable[[Page], A]
"""Answers what is a success, read as far as its asker likes; raises what is none."""


Following = Callable[[Page, HttpAnswer], Page | None]
"""The page after this one; None when it is the last."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The answer holds a text, the next request names it: `next_page` as `page`, `nextPageToken` as `pageToken`, `last_id` as `after`."""

    of: str
    param: str
    more: str | None = None
    """The truth value that says whether there is a next page, like `has_more`; where there is none, the text alone says it."""

    def __call__(self, page: Page, answer: HttpAnswer) -> Page | None:
        body = answer.body if isinstance(answer.body, Mapping) else {}
        if self.more is not None:
            more = body.get(self.more)
            # taken for the last page, a list that goes on would be told as whole
            if not isinstance(more, bool):
                raise StepFailed(f"a page of {_place(page)} does not say whether there are more ({self.more})")
            if not more:
                return None
        text = body.get(self.of)
        if text is None or text == "":
            if self.more is not None:
                raise StepFailed(f"a page of {_place(page)} says that there are more and does not name them ({self.of})")
            return None
        if not isinstance(text, str):
            raise StepFailed(f"a page of {_place(page)} names the next one by something that is no text ({self.of})")
        return Page(page.url, {**page.params, self.param: text})


def link_header(page: Page, answer: HttpAnswer) -> Page | None:
    """The next page is the address that the header `Link` calls `next`."""
    told = answer.headers.get("link", "")
    found = NEXT_LINK.search(told)
    if found is None and SAYS_NEXT.search(told):
        # to stop here would tell part of a list as all of it
        raise StepFailed(f"a page of {_place(page)} names a next one in a header `Link` that is not understood")
    return _linked(page, found[1]) if found else None


@dataclass(frozen=True, slots=True)
class LinkIn:
    """The next page is an address in the answer, like `nextLink`."""

    of: str

    def __call__(self, page: Page, answer: HttpAnswer) -> Page | None:
        text = answer.body.get(self.of) if isinstance(answer.body, Mapping) else None
        if text is not None and not isinstance(text, str):
            raise StepFailed(f"a page of {_place(page)} names as the next one what is no address")
        return _linked(page, text) if text else None


def pages(ask: Ask[A], first: Page, following: Callable[[Page, A], Page | None], *, most: int, longer: str = "") -> Iterator[A]:
    """Each page as it comes. A list of more than `most` pages fails once these are read; `longer` is what is told of it then."""
    page, seen = first, {first.url: [first.params]}
    for _ in range(most):
        answer = ask(page)
        yield answer
        after = following(page, answer)
        if after is None:
            return
        asked = seen.setdefault(after.url, [])
        # a page that is read twice counts its amounts twice, and a list that goes round never ends
        if after.params in asked:
            raise StepFailed(f"a page of {_place(first)} names as the next one a page that was read already")
        asked.append(after.params)
        page = after
    raise StepFailed(longer or f"the list of {_place(first)} has more than {most} pages; ask for less at once")


def _linked(page: Page, address: str) -> Page:
    """Followed only to where the list itself is: the key goes with the request."""
    target = urljoin(page.url, address)
    if urlsplit(target)[:2] != urlsplit(page.url)[:2]:
        raise StepFailed(f"a page of {_place(page)} names as the next one an address elsewhere, which is not asked")
    return Page(target, {})


def _place(page: Page) -> str:
    parts = urlsplit(page.url)
    return f"{parts.hostname}{parts.path}"
