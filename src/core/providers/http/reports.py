"""How one provider's reports are asked over HTTP, and its answers read by msgspec: one that is of another shape fails by the place."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from src.core.base.faults import Fault, StepFailed, Unavailable
from src.core.base.secret import Secret
from src.core.providers.http.auth import Auth
from src.core.providers.http.client import HttpAnswer
from src.core.providers.http.paging import Page, Params
from src.core.providers.link import ProviderLink

PAGE_BYTES = 8 * 1024 * 1024
MISSING = re.compile(r"missing required field `(\w+)`")
NO_JSON = (
    "is no JSON: it was cut short, or something between here and {title} answered in its place. Ask again; if it stays so, look at the "
    "network's proxy and at PROVIDER_URLS"
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReportApi:
    title: str
    """As people call it."""
    auth: Callable[[Secret], Auth]
    refusal: Callable[[HttpAnswer, datetime, str], Fault]
    span: Callable[[int, int], Params]
    """How a question names a span of time: its first second since 1970, and the first after it."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def ask(self, link: ProviderLink, key: Secret, page: Page, limit: int = PAGE_BYTES) -> HttpAnswer:
        return link.http.ask("GET", page.url, params=page.params, headers=self.headers, auth=self.auth(key), limit=limit, reads=bytes)

    def decoded(self, link: ProviderLink, answer: HttpAnswer, path: str, decode: Callable[[bytes], T]) -> T:
        if not answer.ok:
            raise self.refusal(answer, link.clock.now(), path)
        no_json = f"{self.title}'s answer to {path} {NO_JSON.format(title=self.title)}"
        if "json" not in answer.headers.get("content-type", "json").lower():
            raise Unavailable(no_json)
        try:
            return decode(answer.body)
        except msgspec.ValidationError as wrong:
            raise self.shape_flaw(path, place_of(wrong)) from None
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise Unavailable(no_json) from None

    def shape_flaw(self, path: str, place: str) -> StepFailed:
        return StepFailed(f"{self.title}'s answer to {path} is not of the shape it should have (at {place or 'its root'})")


def place_of(wrong: msgspec.ValidationError) -> str:
    """Of `... - at `$.data[0].results`` the place alone; a field that is missing is told before it."""
    said = str(wrong)
    missing = MISSING.search(said)
    place = said.partition("`$")[2].strip("`").replace("[", ".").replace("]", "")
    return ".".join(filter(None, (place.strip("."), missing[1] if missing else "")))


def each(make: Callable[[Any], T], rows: Iterable[Any], place: str) -> list[T]:
    """Made of the rows that lie at this place of an answer; one that does not fit is told by its own."""
    made: list[T] = []
    for number, row in enumerate(rows):
        try:
            made.append(make(row))
        except msgspec.ValidationError as wrong:
            raise msgspec.ValidationError(f"at `$.{place}.{number}.{place_of(wrong)}`") from None
    return made
