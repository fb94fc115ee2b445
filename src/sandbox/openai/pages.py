"""A page of a report: buckets of time, and in each what was asked to be told apart."""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from src.sandbox.openai.organizations import Organization
from src.sandbox.openai.questions import Question
from src.sandbox.openai.reports import COSTS, Fact
from src.sandbox.openai.usage import CACHE_WRITES_SINCE

SHORT_PAGE = 3
# since about then the live service writes money as a text
TEXT_SINCE = date(2026, 5, 16)
TINY = Decimal("0.0001")
NUMBER = re.compile(r'"#(-?[0-9.e+-]+)"')
Group = tuple[str | bool | None, ...]


def page(question: Question, organization: Organization, now: datetime) -> dict[str, Any]:
    sound = organization.cursors == "sound"
    limit = question.limit if sound else min(question.limit, SHORT_PAGE)
    spans = list(islice(_spans(question), limit + 1))
    data = _buckets(question, organization, spans[:limit], now)
    after = spans[limit][0] if len(spans) > limit else None
    following = None if after is None else question.cursor(after)
    match organization.cursors:
        case "endless" if after is None:
            return _told(data, more=True, following="")
        case "cut" if after is not None:
            return _told(data, more=True, following="")
        case "circling" if after is not None:
            return _told(data, more=True, following=question.cursor(question.start))
    return _told(data, more=after is not None, following=following)


def as_json(body: Mapping[str, Any]) -> bytes:
    """With its decimals digit for digit, which a float could not be."""
    return NUMBER.sub(r"\1", json.dumps(body, default=_decimal, separators=(",", ":"))).encode()


def _decimal(value: object) -> str:
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} has no JSON")
    tiny = value and abs(value) < TINY
    return f"#{value.normalize():e}" if tiny else f"#{value.normalize():f}"


def _told(data: list[dict[str, Any]], *, more: bool, following: str | None) -> dict[str, Any]:
    return {"object": "page", "data": data, "has_more": more, "next_page": following}


def _spans(question: Question) -> Iterator[tuple[int, int]]:
    start = question.first
    while start < question.end:
        end = (start // question.width + 1) * question.width
        yield start, end
        start = end


def _buckets(question: Question, organization: Organization, spans: Sequence[tuple[int, int]], now: datetime) -> list[dict[str, Any]]:
    if not spans:
        return []
    starts = [start for start, _ in spans]
    groups: list[dict[Group, list[Fact]]] = [{} for _ in spans]
    for fact in _facts(question, organization, spans[0][0], min(spans[-1][1], question.end), now):
        group = tuple(fact.kinds.get(name) for name in question.groups)
        groups[bisect_right(starts, fact.at) - 1].setdefault(group, []).append(fact)
    return [
        {
            "object": "bucket",
            "start_time": start,
            "end_time": end,
            "results": [_result(question, group, facts, start) for group, facts in sorted(found.items(), key=lambda one: str(one[0]))],
        }
        for (start, end), found in zip(spans, groups, strict=True)
    ]


def _facts(question: Question, organization: Organization, start: int, end: int, now: datetime) -> Iterator[Fact]:
    day = _day(start)
    while day <= _day(end - 1):
        for fact in question.report.facts(organization, day, now.date(), int(now.timestamp())):
            if start <= fact.at < end and all(fact.kinds.get(name) in values for name, values in question.only):
                yield fact
        day += timedelta(1)


def _result(question: Question, group: Group, facts: list[Fact], start: int) -> dict[str, Any]:
    sums: dict[str, Any] = {}
    for fact in facts:
        for name, value in fact.measures.items():
            sums[name] = sums.get(name, 0) + value
    apart = {**dict.fromkeys(question.report.groups), **dict(zip(question.groups, group, strict=True))}
    if question.report.name == COSTS:
        sums = _money(question, sums, {fact.unit for fact in facts}, start)
    elif "input_cache_write_30m_tokens" in sums and _day(start) < CACHE_WRITES_SINCE:
        sums["input_cache_write_30m_tokens"] = None
    return {"object": question.report.object, **sums, **apart}


def _money(question: Question, sums: Mapping[str, Any], units: set[str | None], start: int) -> dict[str, Any]:
    value = sums["amount"]
    unit = units.pop() if len(units) == 1 else None
    counted = "line_item" in question.groups
    return {
        "amount": {"value": f"{value:.14f}".rstrip("0").rstrip(".") if _day(start) >= TEXT_SINCE else value, "currency": "usd"},
        "quantity": sums.get("quantity") if counted else None,
        "quantity_unit": unit if counted else None,
    }


def _day(at: int) -> date:
    return datetime.fromtimestamp(at, UTC).date()
