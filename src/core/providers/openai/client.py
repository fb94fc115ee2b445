"""OpenAI's reports of use and costs, bucket by bucket: every one of a window once and whole, or a failure."""

import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Generic

import msgspec

from src.core.base.faults import StepFailed, Unavailable
from src.core.base.secret import Secret
from src.core.base.window import Window
from src.core.providers.http.auth import bearer
from src.core.providers.http.client import BodyTooLarge, HttpAnswer
from src.core.providers.http.paging import Page, pages
from src.core.providers.link import ProviderLink
from src.core.providers.openai.columns import novel_row
from src.core.providers.openai.refusals import TITLE, refusal
from src.core.providers.openai.reports import COSTS, DAY, FINE, WIDTHS, Bucket, BucketPage, CostLine, R, UsageReport

BAD_REQUEST = 400
EPOCH = date(1970, 1, 1)
PAGE_BYTES = 8 * 1024 * 1024
BUCKET_BYTES = 64 * 1024 * 1024
"""A bucket cannot be asked for in parts."""
FILLED = 0.8
"""Of a page, when it is asked for again with fewer buckets: they are not all of one size."""
NO_JSON = (
    "is no JSON: it was cut short, or something between here and OpenAI answered in its place. Ask again; if it stays so, look at the "
    "network's proxy and at PROVIDER_URLS"
)
MISSING = re.compile(r"missing required field `(\w+)`")
COST_PAGES = msgspec.json.Decoder(BucketPage[CostLine])
NOVEL_PAGES = msgspec.json.Decoder(BucketPage[dict[str, Any]], float_hook=Decimal)
Told = tuple[int, list[R]]
"""Where a bucket begins, and its rows."""


class GroupingRefused(StepFailed):
    """Costs are not told by key or by person to this organisation, or not of this range: a coarser question may be answered."""


@dataclass(frozen=True, slots=True)
class ReportReader(Generic[R]):
    """One report, asked with one key, grouped in one way."""

    link: ProviderLink
    key: Secret
    report: UsageReport
    groups: tuple[str, ...]
    decode: Callable[[bytes], BucketPage[R]]
    stopped: threading.Event = field(default_factory=threading.Event)

    def days(self, window: Window) -> Iterator[tuple[date, list[R]]]:
        """The oldest first; a day on which nothing was used has no rows."""
        for page in self.pages(window):
            yield from ((EPOCH + timedelta(seconds=start), rows) for start, rows in page)

    def pages(self, window: Window, seconds: int = DAY, *, size: int | None = None) -> Iterator[list[Told[R]]]:
        """Of buckets of this length, and of so many on a page. Days to come are not asked for."""
        now = self.link.clock.now()
        most = self.report.most[seconds]
        size = min(size or most, most)
        if window.start > now.date():
            return
        for part in parts(Window(window.start, min(window.end, now.date())), max(1, most * seconds // DAY)):
            wanted = deque(range(since_epoch(part.start), since_epoch(part.end + timedelta(1)), seconds))
            while wanted:
                try:
                    yield from self._read(wanted, seconds, size)
                except BodyTooLarge as large:
                    size = self._fewer(large, min(size, len(wanted)))
                else:
                    self._require_whole(wanted, seconds, now, part)
                    break

    def _read(self, wanted: deque[int], seconds: int, size: int) -> Iterator[list[Told[R]]]:
        """Takes from what is wanted what is told. It is all there when that is: answers have announced more than there was."""
        first = self._first(wanted, seconds, min(size, len(wanted)))
        for page in pages(self._asked, first, _following, most=len(wanted)):
            yield [self._told(number, bucket, wanted) for number, bucket in enumerate(page.data)]
            if not wanted:
                return

    def _told(self, number: int, bucket: Bucket[R], wanted: deque[int]) -> Told[R]:
        if not wanted or bucket.start_time != wanted[0]:
            told = datetime.fromtimestamp(bucket.start_time, UTC)
            why = "a page came twice or a day is left out; ask again"
            raise StepFailed(f"{TITLE} tells of {told:%Y-%m-%d %H:%M} out of turn in {self.report.path}: {why}")
        rows = bucket.rows
        if rows is None:
            raise StepFailed(shape_flaw(self.report, f"data.{number}.results"))
        return wanted.popleft(), rows

    def _require_whole(self, wanted: deque[int], seconds: int, now: datetime, part: Window) -> None:
        # of a day that runs, hours that are not over need not be told
        if wanted and (seconds == DAY or wanted[0] + seconds <= now.timestamp()):
            raise StepFailed(
                f"{TITLE} tells of no day from {EPOCH + timedelta(seconds=wanted[0])} on in {self.report.path}, asked for {part}: ask "
                "again; where that is today, see that this machine's clock is right"
            )
        wanted.clear()

    def _fewer(self, large: BodyTooLarge, size: int) -> int:
        if size == 1:
            raise StepFailed(f"one bucket alone of {self.report.path} is too large: {large.detail}") from None
        return max(1, size // 4 if large.size is None else min(size - 1, int(size * FILLED * PAGE_BYTES / large.size)))

    def _first(self, wanted: deque[int], seconds: int, size: int) -> Page:
        times = {"start_time": wanted[0], "end_time": wanted[-1] + seconds, "limit": size}
        return Page(f"{self.link.endpoint()}/{self.report.path}", {**times, "bucket_width": WIDTHS[seconds], "group_by[]": self.groups})

    def _asked(self, page: Page) -> BucketPage[R]:
        most = BUCKET_BYTES if page.params["limit"] == 1 else PAGE_BYTES
        ask = partial(_ask, self.link, self.key, page, limit=most)
        answer = self.link.pace.asked(ask, self.link.clock.now, self.stopped)
        if answer.status == BAD_REQUEST and self.report == COSTS and FINE & set(self.groups):
            raise GroupingRefused(refusal(answer, self.link.clock.now(), self.report.path).detail)
        return _decoded(self.link, answer, self.report, self.decode)


def usage(link: ProviderLink, key: Secret, report: UsageReport, stopped: threading.Event | None = None) -> ReportReader[Any]:
    """Grouped by all that the report knows."""
    decode = partial(_usage_page, report)
    return ReportReader(link, key, report, report.groups, decode, stopped or threading.Event())


def costs(link: ProviderLink, key: Secret, *groups: str) -> ReportReader[CostLine]:
    return ReportReader(link, key, COSTS, groups, COST_PAGES.decode)


def organization(link: ProviderLink, key: Secret) -> str | None:
    """Asks for the costs of today, the least that a key must read; tells what OpenAI calls the organisation, where it says so."""
    first = Page(f"{link.endpoint()}/{COSTS.path}", {"start_time": since_epoch(link.clock.now().date()), "limit": 1})
    answer = _ask(link, key, first, limit=PAGE_BYTES)
    _decoded(link, answer, COSTS, COST_PAGES.decode)
    return answer.headers.get("openai-organization")


def parts(window: Window, most: int) -> Iterator[Window]:
    """Of at most so many days each."""
    start = window.start
    while start <= window.end:
        yield Window(start, min(start + timedelta(most - 1), window.end))
        start += timedelta(most)


def since_epoch(day: date) -> int:
    return (day - EPOCH).days * DAY


def shape_flaw(report: UsageReport, place: str) -> str:
    return f"{TITLE}'s answer to {report.path} is not of the shape it should have (at {place or 'its root'})"


def _ask(link: ProviderLink, key: Secret, page: Page, *, limit: int) -> HttpAnswer:
    return link.http.ask("GET", page.url, params=page.params, auth=bearer(key), limit=limit, reads=bytes)


def _decoded(link: ProviderLink, answer: HttpAnswer, report: UsageReport, decode: Callable[[bytes], BucketPage[R]]) -> BucketPage[R]:
    if not answer.ok:
        raise refusal(answer, link.clock.now(), report.path)
    if "json" not in answer.headers.get("content-type", "json").lower():
        raise Unavailable(f"{TITLE}'s answer to {report.path} {NO_JSON}")
    try:
        return decode(answer.body)
    except msgspec.ValidationError as wrong:
        raise StepFailed(shape_flaw(report, _place(wrong))) from None
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise Unavailable(f"{TITLE}'s answer to {report.path} {NO_JSON}") from None


def _place(wrong: msgspec.ValidationError) -> str:
    """Of `... - at `$.data[0].results`` the place alone; a field that is missing is told before it."""
    said = str(wrong)
    missing = MISSING.search(said)
    place = said.partition("`$")[2].strip("`").replace("[", ".").replace("]", "")
    return ".".join(filter(None, (place.strip("."), missing[1] if missing else "")))


def _usage_page(report: UsageReport, body: bytes) -> BucketPage[Any]:
    try:
        return report.decoder.decode(body)
    except msgspec.ValidationError:
        # a field that this release does not know is no flaw, and a number in it no nothing
        page = NOVEL_PAGES.decode(body)
    return BucketPage([_novel_bucket(report, number, bucket) for number, bucket in enumerate(page.data)], page.has_more, page.next_page)


def _novel_bucket(report: UsageReport, number: int, bucket: Bucket[dict[str, Any]]) -> Bucket[Any]:
    rows: list[Any] = []
    for place, row in enumerate(bucket.rows or ()):
        try:
            rows.append(novel_row(report, row))
        except msgspec.ValidationError as wrong:
            raise msgspec.ValidationError(f"at `$.data.{number}.results.{place}.{_place(wrong)}`") from None
    return Bucket(bucket.start_time, msgspec.UNSET if bucket.rows is None else rows)


def _following(page: Page, told: BucketPage[Any]) -> Page | None:
    return Page(page.url, {**page.params, "page": told.next_page}) if told.has_more and told.next_page else None
