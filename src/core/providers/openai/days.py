"""What OpenAI tells of each day of a window, the oldest first: usage of all its reports, and costs."""

import threading
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from operator import itemgetter
from typing import Any

from src.core.base.secret import Secret
from src.core.base.window import Window
from src.core.providers.http.buckets import BucketReader, day_of, spans
from src.core.providers.http.side_by_side import side_by_side
from src.core.providers.link import ProviderLink
from src.core.providers.openai.client import GroupingRefused, costs, usage
from src.core.providers.openai.columns import cost_columns, usage_columns
from src.core.providers.openai.reports import USAGE, UsageReport
from src.core.providers.slices import DayColumns

# of what was used before, OpenAI does not know by which key it was
KEYS_SINCE = date(2025, 12, 6)
COARSE = ("project_id", "line_item")
BY_KEY = (*COARSE, "api_key_id")
REFUSED_DAYS = 30
"""After so many days an organisation that was refused costs by key is asked for them again."""
Piece = tuple[date, DayColumns]


def usage_days(link: ProviderLink, key: Secret, window: Window, widths: Mapping[date, int]) -> Iterator[Piece]:
    """All reports, side by side. `widths` are the lengths of buckets on days that are not told whole."""
    stopped = threading.Event()
    lists = [_pieces(usage(link, key, report, stopped), report, window, widths) for report in USAGE.values()]
    return side_by_side(lists, itemgetter(0), link.pace.facts.at_once, stopped)


def _pieces(reader: BucketReader[Any], report: UsageReport, window: Window, widths: Mapping[date, int]) -> Iterator[list[Piece]]:
    for span, seconds in spans(window, widths):
        for page in reader.pages(span, seconds):
            # columns are made here, beside what other reports are asked meanwhile
            yield [(day_of(start), usage_columns(report, start, seconds, rows)) for start, rows in page if rows]


def cost_days(link: ProviderLink, key: Secret, window: Window, refused_on: date | None) -> Iterator[Piece]:
    """Each day asked in one way, so that no money comes twice; by key where OpenAI tells that."""
    today = link.clock.now().date()
    fine = refused_on is None or (today - refused_on).days >= REFUSED_DAYS
    begins = max(window.start, KEYS_SINCE)
    if window.start < KEYS_SINCE:
        yield from _cost_days(link, key, Window(window.start, min(window.end, KEYS_SINCE - timedelta(1))), COARSE, None)
    if begins <= window.end and fine:
        try:
            for piece in _cost_days(link, key, Window(begins, window.end), BY_KEY, None):
                yield piece
                begins = piece[0] + timedelta(1)
        except GroupingRefused:
            fine, refused_on = False, today
    if begins <= window.end and not fine:
        yield from _cost_days(link, key, Window(begins, window.end), COARSE, refused_on)


def _cost_days(link: ProviderLink, key: Secret, window: Window, groups: tuple[str, ...], refused_on: date | None) -> Iterator[Piece]:
    for day, rows in costs(link, key, *groups).days(window):
        if rows:
            yield day, cost_columns(day, rows, ",".join(groups), refused_on)
