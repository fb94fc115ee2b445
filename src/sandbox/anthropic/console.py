"""The Console's reports of messages and of their costs: buckets of time, and in each what was asked to be told apart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from src.sandbox.anthropic.asked import (
    WIDTHS,
    Given,
    cursor,
    digest_of,
    each_of,
    floored,
    given,
    moment,
    number,
    one_of,
    placed,
    shown,
)
from src.sandbox.anthropic.charges import TOKEN_TYPES
from src.sandbox.anthropic.facts import ClaudeFact, Told, facts
from src.sandbox.anthropic.organizations import ClaudeOrganization
from src.sandbox.anthropic.problems import bad

FAST_MODE = "fast-mode-2026-02-01"
ONCE = ("starting_at", "ending_at", "bucket_width", "limit", "page")
# buckets on a page: usual, and at most
BUCKETS: Mapping[str, tuple[int, int]] = {"1d": (7, 31), "1h": (24, 168), "1m": (60, 1440)}
USAGE_GROUPS = (
    *("api_key_id", "workspace_id", "model", "service_tier", "context_window"),
    *("inference_geo", "account_id", "service_account_id", "speed"),
)
USAGE_FILTERS: Mapping[str, str] = {
    "api_key_ids": "api_key_id",
    "workspace_ids": "workspace_id",
    "models": "model",
    "service_tiers": "service_tier",
    "context_window": "context_window",
    "inference_geos": "inference_geo",
    "account_ids": "account_id",
    "speeds": "speed",
}
COST_GROUPS = ("workspace_id", "description")
# what a description says, told apart too
DESCRIBED: Mapping[str, str] = {
    "cost_type": "cost_type",
    "token_type": "token_type",
    "model": "told_model",
    "service_tier": "told_tier",
    "context_window": "context_window",
    "inference_geo": "inference_geo",
}
SHORT_PAGE = 3
Group = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class ConsoleQuestion:
    told: Told
    start: datetime
    end: datetime
    width: timedelta
    limit: int
    groups: tuple[str, ...]
    only: tuple[tuple[str, tuple[str, ...]], ...]
    first: datetime
    """Where the page begins that is asked for."""
    fast_mode: bool

    @property
    def digest(self) -> str:
        return digest_of(self.told, self.start, self.width, self.limit, self.groups, self.only)


def usage_question(params: Sequence[tuple[str, str]], now: datetime, betas: str) -> ConsoleQuestion:
    told = given(params, ONCE, ("group_by", *USAGE_FILTERS))
    fast_mode = FAST_MODE in betas
    if not fast_mode and ("speed" in told.get("group_by", ()) or "speeds" in told):
        raise bad(f"speed: This dimension requires the beta header anthropic-beta: {FAST_MODE}")
    return _read("used", told, now, USAGE_GROUPS, filters=USAGE_FILTERS, widths=tuple(WIDTHS), fast_mode=fast_mode)


def cost_question(params: Sequence[tuple[str, str]], now: datetime) -> ConsoleQuestion:
    return _read("charged", given(params, ONCE, ("group_by",)), now, COST_GROUPS, filters={}, widths=("1d",), fast_mode=False)


def _read(
    of: Told, told: Given, now: datetime, groups: Sequence[str], *, filters: Mapping[str, str], widths: Sequence[str], fast_mode: bool
) -> ConsoleQuestion:
    name = one_of(told, "bucket_width", widths, "1d") or "1d"
    width, (usual, most) = WIDTHS[name], BUCKETS[name]
    start = moment(told, "starting_at")
    if start is None:
        raise bad("starting_at: Field required")
    start, end = floored(start, width), moment(told, "ending_at") or now
    if end <= start and "ending_at" in told:
        raise bad("ending_at: ending date must be after starting date")
    only = tuple((dimension, told[param]) for param, dimension in filters.items() if param in told)
    by = each_of(told, "group_by", groups)
    asked = ConsoleQuestion(of, start, min(end, now), width, number(told, "limit", usual, most), by, only, start, fast_mode)
    place = placed(told, asked.digest)
    if place is None:
        return asked
    return ConsoleQuestion(of, start, asked.end, width, asked.limit, by, only, datetime.fromisoformat(str(place)), fast_mode)


def page(question: ConsoleQuestion, organization: ClaudeOrganization, now: datetime) -> dict[str, Any]:
    sound = organization.paging == "sound"
    limit = question.limit if sound else min(question.limit, SHORT_PAGE)
    starts = _starts(question, limit + 1)
    data = [_bucket(question, organization, start, now) for start in starts[:limit]]
    after = starts[limit] if len(starts) > limit else None
    following = None if after is None else cursor(question.digest, after.isoformat())
    match organization.paging:
        case "endless" if after is None:
            return {"data": data, "has_more": True, "next_page": ""}
        case "cut" if after is not None:
            return {"data": data, "has_more": True, "next_page": None}
        case "circling" if after is not None:
            return {"data": data, "has_more": True, "next_page": cursor(question.digest, question.start.isoformat())}
    return {"data": data, "has_more": after is not None, "next_page": following}


def _starts(question: ConsoleQuestion, most: int) -> list[datetime]:
    starts = (question.first + number * question.width for number in range(most))
    return [start for start in starts if start < question.end]


def _bucket(question: ConsoleQuestion, organization: ClaudeOrganization, start: datetime, now: datetime) -> dict[str, Any]:
    end = start + question.width
    groups: dict[Group, list[ClaudeFact]] = {}
    for fact in _facts(question, organization, start, now):
        if start <= fact.at < end:
            groups.setdefault(_group(question, fact), []).append(fact)
    results = [_result(question, found) for _, found in sorted(groups.items(), key=lambda one: str(one[0]))]
    return {"starting_at": shown(start), "ending_at": shown(end), "results": results}


def _facts(question: ConsoleQuestion, organization: ClaudeOrganization, start: datetime, now: datetime) -> Iterator[ClaudeFact]:
    for fact in facts(organization, question.told, start.date(), now):
        if fact.of_api and all(fact.kinds.get(name) in values for name, values in question.only):
            yield fact


def _group(question: ConsoleQuestion, fact: ClaudeFact) -> Group:
    apart = [*question.groups, *(DESCRIBED.values() if "description" in question.groups else ())]
    return tuple(fact.kinds.get(name) for name in apart)


def _result(question: ConsoleQuestion, found: Sequence[ClaudeFact]) -> dict[str, Any]:
    kinds = {name: found[0].kinds.get(name) if name in question.groups else None for name in (*USAGE_GROUPS, *COST_GROUPS)}
    if question.told == "charged":
        described = "description" in question.groups
        amount = sum((Decimal(one.measures["amount"]) for one in found), Decimal(0))
        by = {name: found[0].kinds.get(source) if described else None for name, source in DESCRIBED.items()}
        return {"amount": cents(amount), "currency": "USD", **by, **{name: kinds[name] for name in COST_GROUPS}}
    sums = {name: sum(int(one.measures[name]) for one in found) for name in (*TOKEN_TYPES.values(), "web_search_requests")}
    told = {name: kinds[name] for name in USAGE_GROUPS if question.fast_mode or name != "speed"}
    return {**measured(sums), **told}


def measured(sums: Mapping[str, int]) -> dict[str, Any]:
    """As both generations tell tokens."""
    return {
        "uncached_input_tokens": sums["uncached_input_tokens"],
        "cache_creation": {name: sums[f"cache_creation.{name}"] for name in ("ephemeral_1h_input_tokens", "ephemeral_5m_input_tokens")},
        "cache_read_input_tokens": sums["cache_read_input_tokens"],
        "output_tokens": sums["output_tokens"],
        "server_tool_use": {"web_search_requests": sums["web_search_requests"]},
    }


def cents(amount: Decimal) -> str:
    """A decimal text with four places, and with more where it has more."""
    text = f"{amount.normalize():f}"
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction:0<4}"
