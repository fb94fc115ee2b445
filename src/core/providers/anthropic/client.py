"""Anthropic's two generations of reports. What of either is asked of a day, `days.py` says."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from src.core.base.faults import CredentialRefused, Fault, StepFailed
from src.core.base.secret import Secret
from src.core.base.window import Window
from src.core.providers.anthropic import reports
from src.core.providers.anthropic.columns import CostRow, UsedRow, cost_row, used_row
from src.core.providers.anthropic.refusals import TITLE, refusal
from src.core.providers.anthropic.reports import AnalyticsPage, AnthropicOwner, Api, CodePage, CodeRow, ReportBucket, RowPage, TimedRow
from src.core.providers.http.auth import HeaderKey
from src.core.providers.http.buckets import DAY, WIDTHS, BucketPage, BucketReader, parts, since_epoch
from src.core.providers.http.client import HttpAnswer
from src.core.providers.http.paging import Page, Params, pages
from src.core.providers.http.reports import ReportApi, each
from src.core.providers.link import ProviderLink

P = TypeVar("P", bound=RowPage)
ORGANIZATION = "anthropic-organization-id"
MOST_PAGES, PAGE_ROWS, PART_DAYS = 10_000, 1_000, 31


def _span(first: int, end: int) -> Params:
    return {name: f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}" for name, at in (("starting_at", first), ("ending_at", end))}


def _api(beta: str) -> ReportApi:
    return ReportApi(TITLE, partial(HeaderKey, "x-api-key"), refusal, _span, {"anthropic-version": "2023-06-01", "anthropic-beta": beta})


# without its header `speed` may not be asked for
REPORTS, ANALYTICS = _api("fast-mode-2026-02-01"), _api("analytics-usage-cost-2026-08-24")
BUCKET_PAGES = msgspec.json.Decoder(BucketPage[ReportBucket], float_hook=Decimal)
ROW_PAGES = msgspec.json.Decoder(AnalyticsPage, float_hook=Decimal)
CODE_PAGES, ORGANIZATIONS = msgspec.json.Decoder(CodePage), msgspec.json.Decoder(AnthropicOwner)
FIRST_ASKED: Mapping[Api, tuple[ReportApi, str]] = {
    "reports": (REPORTS, reports.COSTS),
    "analytics": (ANALYTICS, reports.USAGE_ROWS),
}
RESTATES = 3
"""As `restates` in configs/anthropic/books.yml."""
WORKSPACE_PAGES = msgspec.json.Decoder(reports.WorkspacePage)


@dataclass(frozen=True, slots=True)
class AnthropicAccount:
    id: str | None
    name: str | None
    api: Api


def account(link: ProviderLink, key: Secret, api: Api | None) -> AnthropicAccount:
    """Whose the key is, and which reports it reads: where nobody says, analytics if the others are refused to such an organisation."""
    own: AnthropicOwner | None = None
    try:
        own = REPORTS.decoded(link, _ask(link, key, REPORTS, reports.ME, {}), reports.ME, ORGANIZATIONS.decode)
    except CredentialRefused:
        # a key that reads analytics alone reads nothing else
        if api != "analytics":
            raise
    today = _span(since_epoch(link.clock.now().date()), 0)["starting_at"]
    refused: list[Fault] = []
    for name, (generation, path) in FIRST_ASKED.items():
        if api in (None, name):
            answer = _ask(link, key, generation, path, {"starting_at": today, "limit": 1})
            if answer.ok:
                return AnthropicAccount(own.id, own.name, name) if own else AnthropicAccount(answer.headers.get(ORGANIZATION), None, name)
            refused.append(refusal(answer, link.clock.now(), path))
            if not isinstance(refused[0], CredentialRefused | StepFailed):
                break
    raise refused[0]


def usage(link: ProviderLink, key: Secret) -> BucketReader[UsedRow]:
    return BucketReader(REPORTS, link, key, reports.USAGE, reports.GROUPS, partial(_buckets, reports.USAGE, used_row))


def costs(link: ProviderLink, key: Secret) -> BucketReader[CostRow]:
    return BucketReader(REPORTS, link, key, reports.COSTS, reports.COST_GROUPS, partial(_buckets, reports.COSTS, cost_row))


def claude_code(link: ProviderLink, key: Secret, day: date) -> Iterator[CodeRow]:
    path = reports.CLAUDE_CODE
    for page in _pages(link, key, REPORTS, Page(path, {"starting_at": str(day), "limit": PAGE_ROWS}), CODE_PAGES.decode):
        for row in page.data:
            if row.date.astimezone(UTC).date() != day:
                raise StepFailed(f"{TITLE} was asked for {day} in {path} and told of {row.date}")
            yield row


def workspaces(link: ProviderLink, key: Secret) -> frozenset[str] | None:
    """All that are listed, among them those that were put away; None where the key may not read the list."""
    first = Page(reports.WORKSPACES, {"limit": PAGE_ROWS, "include_archived": "true"})
    try:
        return frozenset(one.id for page in _pages(link, key, REPORTS, first, WORKSPACE_PAGES.decode) for one in page.data)
    except CredentialRefused:
        return None


def analytics(link: ProviderLink, key: Secret, path: str, window: Window, params: Params) -> Iterator[TimedRow]:
    """Its rows in the order of time, each once; what a page says of how fresh they are is said of each row of it."""
    for part in parts(window, PART_DAYS):
        seen: set[tuple[Any, ...]] = set()
        end = since_epoch(part.end) + DAY
        before = since_epoch(part.start)
        order: Params = {"time_bucket_width": WIDTHS[DAY], "order_by": "time", "order": "asc", "limit": PAGE_ROWS}
        # of days that are not read again what is not there yet would be taken for nothing
        settled = since_epoch(min(part.end, link.clock.now().date() - timedelta(RESTATES)))
        for page in _pages(link, key, ANALYTICS, Page(path, {**_span(before, end), **order, **params}), ROW_PAGES.decode):
            fresh = page.data_refreshed_at
            if fresh is not None and fresh.timestamp() < settled:
                raise StepFailed(f"{TITLE} tells in {path} of nothing since {fresh:%Y-%m-%d %H:%M} UTC yet; ask again")
            for row in page.data:
                if not before <= row.begins < end or row.key in seen:
                    told = "a page came twice, or another order was told than was asked for; ask again"
                    raise StepFailed(f"{TITLE} tells of {row.starting_at:%Y-%m-%d %H:%M} out of turn in {path}: {told}")
                before = row.begins
                seen.add(row.key)
                yield msgspec.structs.replace(row, refreshed_at=page.data_refreshed_at)


def _ask(link: ProviderLink, key: Secret, api: ReportApi, path: str, params: Params) -> HttpAnswer:
    return api.ask(link, key, Page(f"{link.endpoint()}/{path}", params))


def _pages(link: ProviderLink, key: Secret, api: ReportApi, first: Page, decode: Callable[[bytes], P]) -> Iterator[P]:
    """`first` names the path alone."""

    def ask(page: Page) -> P:
        answer = link.pace.asked(partial(api.ask, link, key, page), link.clock.now)
        return api.decoded(link, answer, first.url, decode)

    return pages(ask, Page(f"{link.endpoint()}/{first.url}", first.params), _following, most=MOST_PAGES)


def _following(page: Page, told: RowPage) -> Page | None:
    if not told.has_more:
        return None
    if not told.following:
        # to stop here would tell part of a list as all of it
        raise StepFailed(f"a page of {urlsplit(page.url).path} says that there are more and does not name them")
    name, text = told.following
    return Page(page.url, {**page.params, name: text})


def _buckets(path: str, make: Callable[[dict[str, Any]], Any], body: bytes) -> BucketPage[Any]:
    page = BUCKET_PAGES.decode(body)
    data = [
        ReportBucket(one.starting_at, None if one.rows is None else each(make, one.rows, f"data.{number}.results"))
        for number, one in enumerate(page.data)
    ]
    for bucket in page.data:
        # it would count twice, and both reports twice would agree
        if len({msgspec.json.encode(row) for row in bucket.rows or ()}) < len(bucket.rows or ()):
            raise StepFailed(f"{TITLE} tells a row of {bucket.starting_at:%Y-%m-%d %H:%M} twice in {path}; ask again")
    return BucketPage(data, page.has_more, page.next_page)
