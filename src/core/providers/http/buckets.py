"""Reports that are told in buckets of time: every bucket of a window once and whole, or a failure."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

from src.core.base.faults import StepFailed
from src.core.base.secret import Secret
from src.core.base.window import Window
from src.core.providers.http import reports
from src.core.providers.http.client import BodyTooLarge
from src.core.providers.http.paging import Page, pages
from src.core.providers.http.reports import ReportApi
from src.core.providers.link import ProviderLink

DAY, HOUR, MINUTE = 86_400, 3_600, 60
WIDTHS: Mapping[int, str] = {DAY: "1d", HOUR: "1h", MINUTE: "1m"}
# on a page, at most
BUCKETS: Mapping[int, int] = {DAY: 31, HOUR: 168, MINUTE: 1440}
EPOCH = date(1970, 1, 1)
BUCKET_BYTES = 64 * 1024 * 1024
"""A bucket cannot be asked for in parts."""
FILLED = 0.8
"""Of a page, when it is asked for again with fewer buckets: they are not all of one size."""


class TimeBucket(Protocol):
    @property
    def begins(self) -> int:
        """In seconds since 1970."""
        ...

    @property
    def rows(self) -> list[Any] | None:
        """None where it has none, not even an empty list."""
        ...


R = TypeVar("R")
B = TypeVar("B", bound=TimeBucket)
Told = tuple[int, list[R]]
"""Where a bucket begins, and its rows."""


class BucketPage(Struct, Generic[B], frozen=True):
    data: list[B]
    has_more: bool | None = None
    next_page: str | None = None


@dataclass(frozen=True, slots=True)
class BucketReader(Generic[R]):
    """One report, asked with one key, grouped in one way."""

    api: ReportApi
    link: ProviderLink
    key: Secret
    path: str
    groups: tuple[str, ...]
    decode: Callable[[bytes], BucketPage[Any]]
    most: Mapping[int, int] = field(default_factory=lambda: BUCKETS)
    """Buckets on one page, by their length."""
    stopped: threading.Event = field(default_factory=threading.Event)

    def days(self, window: Window) -> Iterator[tuple[date, list[R]]]:
        """The oldest first; a day on which nothing was used has no rows."""
        for page in self.pages(window):
            yield from ((day_of(start), rows) for start, rows in page)

    def pages(self, window: Window, seconds: int = DAY, *, size: int | None = None) -> Iterator[list[Told[R]]]:
        """Of buckets of this length, and of so many on a page. Days to come are not asked for."""
        now = self.link.clock.now()
        most = self.most[seconds]
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
        for page in pages(self._asked, first, following, most=len(wanted)):
            yield [self._told(number, bucket, wanted) for number, bucket in enumerate(page.data)]
            if not wanted:
                return

    def _told(self, number: int, bucket: TimeBucket, wanted: deque[int]) -> Told[R]:
        if not wanted or bucket.begins != wanted[0]:
            told = datetime.fromtimestamp(bucket.begins, UTC)
            why = "a page came twice or a day is left out; ask again"
            raise StepFailed(f"{self.api.title} tells of {told:%Y-%m-%d %H:%M} out of turn in {self.path}: {why}")
        rows = bucket.rows
        if rows is None:
            raise self.api.shape_flaw(self.path, f"data.{number}.results")
        return wanted.popleft(), rows

    def _require_whole(self, wanted: deque[int], seconds: int, now: datetime, part: Window) -> None:
        # of a day that runs, hours that are not over need not be told
        if wanted and (seconds == DAY or wanted[0] + seconds <= now.timestamp()):
            raise StepFailed(
                f"{self.api.title} tells of no day from {EPOCH + timedelta(seconds=wanted[0])} on in {self.path}, asked for {part}: ask "
                "again; where that is today, see that this machine's clock is right"
            )
        wanted.clear()

    def _fewer(self, large: BodyTooLarge, size: int) -> int:
        if size == 1:
            raise StepFailed(f"one bucket alone of {self.path} is too large: {large.detail}") from None
        return max(1, size // 4 if large.size is None else min(size - 1, int(size * FILLED * reports.PAGE_BYTES / large.size)))

    def _first(self, wanted: deque[int], seconds: int, size: int) -> Page:
        times = {**self.api.span(wanted[0], wanted[-1] + seconds), "limit": size}
        return Page(f"{self.link.endpoint()}/{self.path}", {**times, "bucket_width": WIDTHS[seconds], "group_by[]": self.groups})

    def _asked(self, page: Page) -> BucketPage[Any]:
        limit = BUCKET_BYTES if page.params["limit"] == 1 else reports.PAGE_BYTES
        ask = partial(self.api.ask, self.link, self.key, page, limit)
        answer = self.link.pace.asked(ask, self.link.clock.now, self.stopped)
        return self.api.decoded(self.link, answer, self.path, self.decode)


def following(page: Page, told: BucketPage[Any]) -> Page | None:
    return Page(page.url, {**page.params, "page": told.next_page}) if told.has_more and told.next_page else None


def parts(window: Window, most: int) -> Iterator[Window]:
    """Of at most so many days each."""
    start = window.start
    while start <= window.end:
        yield Window(start, min(start + timedelta(most - 1), window.end))
        start += timedelta(most)


def spans(window: Window, widths: Mapping[date, int]) -> Iterator[tuple[Window, int]]:
    """A window cut at the days that are told in shorter buckets."""
    start = window.start
    for day in sorted(day for day in widths if day in set(window)):
        if start < day:
            yield Window(start, day - timedelta(1)), DAY
        yield Window.day(day), widths[day]
        start = day + timedelta(1)
    if start <= window.end:
        yield Window(start, window.end), DAY


def widths(turns: Iterable[datetime]) -> dict[date, int]:
    """The lengths of buckets that leave each on one side of a turn: of days at whose midnight nothing turns."""
    found: dict[date, int] = {}
    for turn in turns:
        at = turn.astimezone(UTC)
        into = round((at - at.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds())
        if into:
            found[at.date()] = min(found.get(at.date(), DAY), MINUTE if into % HOUR else HOUR)
    return found


def since_epoch(day: date) -> int:
    return (day - EPOCH).days * DAY


def day_of(start: int) -> date:
    return EPOCH + timedelta(seconds=start)
