"""OpenAI's reports of use and costs, by the UTC day: every day of a window once and whole, or a failure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Generic

from src.core.base.faults import StepFailed, Unavailable
from src.core.base.secret import Secret
from src.core.base.window import Window
from src.core.providers.http.auth import bearer
from src.core.providers.http.client import HttpAnswer
from src.core.providers.http.paging import Page, pages
from src.core.providers.http.shapes import read
from src.core.providers.link import ProviderLink
from src.core.providers.openai.refusals import TITLE, refusal
from src.core.providers.openai.reports import COSTS, FINE, BucketPage, CostLine, R, UsageReport

BAD_REQUEST = 400
EPOCH, DAY_SECONDS = date(1970, 1, 1), 86_400
NO_JSON = (
    "is no JSON: it was cut short, or something between here and OpenAI answered in its place. Ask again; if it stays so, look at the "
    "network's proxy and at PROVIDER_URLS"
)


class GroupingRefused(StepFailed):
    """Costs are not told by key or by person to this organisation, or not of this range: a coarser question may be answered."""


@dataclass(frozen=True, slots=True)
class ReportReader(Generic[R]):
    """One report, asked with one key, grouped in one way."""

    link: ProviderLink
    key: Secret
    report: UsageReport
    groups: tuple[str, ...]
    shape: type[BucketPage[R]]

    def days(self, window: Window, *, page_days: int | None = None) -> Iterator[tuple[date, list[R]]]:
        """The oldest first; a day on which nothing was used has no rows. Days to come are not asked for."""
        today = self.link.clock.now().date()
        if window.start <= today:
            most = min(page_days or self.report.most_days, self.report.most_days)
            for part in parts(Window(window.start, min(window.end, today)), most):
                yield from self._part(part)

    def _part(self, part: Window) -> Iterator[tuple[date, list[R]]]:
        """It is all there when its days are: answers have announced more than there was, and named no page for it."""
        wanted = list(part)
        for answer in pages(self._asked, self._first(part), _following, most=len(part)):
            for bucket in read(answer, self.shape, TITLE, self.report.path).data:
                if not wanted or bucket.start_time != _seconds(wanted[0]):
                    told = datetime.fromtimestamp(bucket.start_time, UTC)
                    raise StepFailed(
                        f"{TITLE} tells of {told:%Y-%m-%d %H:%M} out of turn in {self.report.path}, asked for {part}: a page came twice "
                        "or a day is left out; ask again"
                    )
                yield wanted.pop(0), bucket.results
            if not wanted:
                return
        raise StepFailed(
            f"{TITLE} tells of no day from {wanted[0]} on in {self.report.path}, asked for {part}: ask again; "
            "where that is today, see that this machine's clock is right"
        )

    def _first(self, part: Window) -> Page:
        times = {"start_time": _seconds(part.start), "end_time": _seconds(part.end + timedelta(1)), "limit": len(part)}
        return Page(f"{self.link.endpoint()}/{self.report.path}", {**times, "bucket_width": "1d", "group_by[]": self.groups})

    def _asked(self, page: Page) -> HttpAnswer:
        answer = _asked(self.link, self.key, page)
        if answer.status == BAD_REQUEST and self.report == COSTS and FINE & set(self.groups):
            raise GroupingRefused(refusal(answer, self.link.clock.now(), self.report.path).detail)
        return _told(self.link, answer, self.report)


def usage(link: ProviderLink, key: Secret, report: UsageReport) -> ReportReader[dict[str, Any]]:
    """Grouped by all that the report knows."""
    return ReportReader(link, key, report, report.groups, BucketPage[dict[str, Any]])


def costs(link: ProviderLink, key: Secret, *groups: str) -> ReportReader[CostLine]:
    return ReportReader(link, key, COSTS, groups, BucketPage[CostLine])


def organization(link: ProviderLink, key: Secret) -> str | None:
    """Asks for the costs of today, the least that a key must read; tells what OpenAI calls the organisation, where it says so."""
    first = Page(f"{link.endpoint()}/{COSTS.path}", {"start_time": _seconds(link.clock.now().date()), "limit": 1})
    answer = _told(link, _asked(link, key, first), COSTS)
    read(answer, BucketPage[CostLine], TITLE, COSTS.path)
    return answer.headers.get("openai-organization")


def parts(window: Window, most: int) -> Iterator[Window]:
    """Of at most so many days each."""
    start = window.start
    while start <= window.end:
        yield Window(start, min(start + timedelta(most - 1), window.end))
        start += timedelta(most)


def _asked(link: ProviderLink, key: Secret, page: Page) -> HttpAnswer:
    return link.http.ask("GET", page.url, params=page.params, auth=bearer(key))


def _told(link: ProviderLink, answer: HttpAnswer, report: UsageReport) -> HttpAnswer:
    if not answer.ok:
        raise refusal(answer, link.clock.now(), report.path)
    if not isinstance(answer.body, dict):
        raise Unavailable(f"{TITLE}'s answer to {report.path} {NO_JSON}")
    return answer


def _following(page: Page, answer: HttpAnswer) -> Page | None:
    more, cursor = answer.body.get("has_more"), answer.body.get("next_page")
    return Page(page.url, {**page.params, "page": cursor}) if more and isinstance(cursor, str) and cursor else None


def _seconds(day: date) -> int:
    return (day - EPOCH).days * DAY_SECONDS
