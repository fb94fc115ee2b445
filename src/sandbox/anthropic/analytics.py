"""The analytics of an organisation and of those under it: rows, not buckets, of all that its people and programs do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from src.sandbox.anthropic.asked import WIDTHS, Given, cursor, digest_of, each_of, floored, given, moment, number, one_of, placed, shown
from src.sandbox.anthropic.charges import TOKEN_TYPES
from src.sandbox.anthropic.console import cents, measured
from src.sandbox.anthropic.facts import ClaudeFact, Told, with_children
from src.sandbox.anthropic.organizations import MEMBERS, ORGANIZATIONS, ClaudeOrganization
from src.sandbox.anthropic.problems import AnthropicProblem, bad

BETA = "analytics-usage-cost-2026-08-24"
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
LONGEST_AGO, WIDEST, WIDEST_IN_MINUTES = timedelta(365), timedelta(31), timedelta(1)
# the newest data are so old
BEHIND = timedelta(minutes=7)
USUAL, MOST, MOST_GROUPS = 20, 1000, 5
SHORT_PAGE = 30
FANNED_OUT = ("cost_type", "token_type")
GROUPS: Mapping[str, str] = {
    **{name: name for name in ("actor", "actor_type", "api_key_id", "context_window", "inference_geo", "model")},
    **{name: name for name in ("organization_id", "product", "service_tier", "speed")},
    "workspace_id": "told_workspace_id",
    # of these nothing is told by any organisation here
    **{name: name for name in ("agent_id", "claude_tag_category", "claude_tag_user_id", "deployment_id", "environment_id")},
    **{name: name for name in ("rbac_group_id", "session_id", "slack_channel_id", "user_profile_id")},
}
FILTERS: Mapping[str, str] = {
    "api_key_ids": "api_key_id",
    "workspace_ids": "told_workspace_id",
    "models": "model",
    "products": "product",
    "service_tiers": "service_tier",
    "context_windows": "context_window",
    "inference_geos": "inference_geo",
    "speeds": "speed",
    "actor_ids": "actor",
    "actor_types": "actor_type",
    "organization_ids": "organization_id",
}
ORDERS: Mapping[Told, tuple[str, ...]] = {
    "charged": ("amount", "list_amount", "time"),
    "used": ("total_tokens", "uncached_input_tokens", "output_tokens", "requests", "time"),
}
ONCE = ("starting_at", "ending_at", "time_bucket_width", "limit", "page", "order_by", "order")
Group = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class AnalyticsQuestion:
    told: Told
    start: datetime
    end: datetime
    width: timedelta | None
    limit: int
    groups: tuple[str, ...]
    fans: tuple[str, ...]
    only: tuple[tuple[str, tuple[str, ...]], ...]
    order_by: str
    ascending: bool

    @property
    def digest(self) -> str:
        return digest_of(*(getattr(self, name) for name in self.__slots__ if name != "limit"))


@dataclass(frozen=True, slots=True)
class AnalyticsRow:
    start: datetime
    group: Group
    found: tuple[ClaudeFact, ...]

    def sum(self, name: str) -> Decimal:
        names = TOKEN_TYPES.values() if name == "total_tokens" else (name,)
        return sum((Decimal(one.measures[each]) for one in self.found for each in names), Decimal(0))


def page(told: Told, params: Sequence[tuple[str, str]], organization: ClaudeOrganization, now: datetime, betas: str) -> dict[str, Any]:
    if BETA not in betas:
        raise bad(f"anthropic-beta: this endpoint requires the beta header {BETA}")
    if organization.hipaa:
        raise bad("Usage and cost analytics are not available for organizations with HIPAA readiness enabled.")
    given_now = given(params, ONCE, ("group_by", *FILTERS))
    question = _read(told, given_now, now)
    _check(question, organization)
    rows = _rows(question, organization, now - BEHIND)
    first = placed(given_now, question.digest)
    first = first if isinstance(first, int) else 0
    limit = question.limit if organization.paging == "sound" else min(question.limit, SHORT_PAGE)
    after = first + limit if first + limit < len(rows) else None
    following = None if after is None else cursor(question.digest, after)
    more = after is not None
    match organization.paging:
        case "endless" if not more:
            more, following = True, ""
        case "cut" if more:
            following = None
        case "circling" if more:
            following = cursor(question.digest, 0)
    data = [line for row in rows[first : first + limit] for line in _lines(question, row)]
    return {"data": data, "has_more": more, "next_page": following, "data_refreshed_at": shown(now - BEHIND)}


def _read(of: Told, told: Given, now: datetime) -> AnalyticsQuestion:
    name = one_of(told, "time_bucket_width", tuple(WIDTHS), None)
    start, end = moment(told, "starting_at"), moment(told, "ending_at")
    if start is None:
        raise bad("starting_at: Field required")
    if name and end is None:
        raise bad("ending_at: Field required when time_bucket_width is set")
    if start < max(SINCE, now - LONGEST_AGO):
        raise bad("starting_at: must be within the last 365 days and no earlier than 2026-01-01T00:00:00Z")
    end = end or min(now, start + WIDEST)
    if end <= start or end - start > (WIDEST_IN_MINUTES if name == "1m" else WIDEST):
        raise bad("ending_at: the range must be later than starting_at and may span at most 31 days")
    width = WIDTHS[name] if name else None
    every = each_of(told, "group_by", (*GROUPS, *(FANNED_OUT if of == "charged" else ())))
    groups, fans = tuple(one for one in every if one in GROUPS), tuple(one for one in every if one in FANNED_OUT)
    if len(groups) > MOST_GROUPS:
        raise bad(f"group_by: List should have at most {MOST_GROUPS} items")
    order_by = one_of(told, "order_by", ORDERS[of], ORDERS[of][0]) or ORDERS[of][0]
    order_by = ORDERS[of][0] if order_by == "time" and width is None else order_by
    only = tuple((dimension, told[param]) for param, dimension in FILTERS.items() if param in told)
    ascending = one_of(told, "order", ("asc", "desc"), "desc") == "asc"
    limit = number(told, "limit", USUAL, MOST)
    hour = WIDTHS["1h"]
    start, end = (floored(start, width), end) if width else (floored(start, hour), floored(end, hour))
    return AnalyticsQuestion(of, start, end, width, limit, groups, fans, only, order_by, ascending)


def _check(question: AnalyticsQuestion, organization: ClaudeOrganization) -> None:
    wanted = dict(question.only).get("organization_id", ())
    if (wanted or "organization_id" in question.groups) and not organization.children:
        raise AnthropicProblem(403, "organization_id requires an API key created at the parent organization level.")
    if any(ORGANIZATIONS[name].hipaa and ORGANIZATIONS[name].id in wanted for name in organization.children):
        raise bad("organization_ids: a child organization with HIPAA readiness enabled cannot be reported on")


def _rows(question: AnalyticsQuestion, organization: ClaudeOrganization, now: datetime) -> list[AnalyticsRow]:
    found: dict[tuple[datetime, Group], list[ClaudeFact]] = {}
    for fact in _facts(question, organization, now):
        start = floored(fact.at, question.width) if question.width else question.start
        group = tuple(fact.kinds.get(GROUPS[name]) for name in question.groups)
        found.setdefault((start, group), []).append(fact)
    rows = [AnalyticsRow(start, group, tuple(facts)) for (start, group), facts in found.items()]
    rows.sort(key=lambda row: (row.start, str(row.group)))
    ranked = ORDERS[question.told][0] if question.order_by == "time" else question.order_by
    rows.sort(key=lambda row: row.sum(ranked), reverse=question.order_by == "time" or not question.ascending)
    if question.order_by == "time":
        rows.sort(key=lambda row: row.start, reverse=not question.ascending)
    return rows


def _facts(question: AnalyticsQuestion, organization: ClaudeOrganization, now: datetime) -> Iterator[ClaudeFact]:
    day = question.start.date()
    while day <= (question.end - timedelta(microseconds=1)).date():
        for fact in with_children(organization, question.told, day, now):
            within = question.start <= fact.at < question.end
            # token types are those of tokens alone
            other = question.fans == ("token_type",) and fact.kinds["cost_type"] != "tokens"
            # an empty entry is what has none
            if within and not other and all((fact.kinds.get(name) or "") in values for name, values in question.only):
                yield fact
        day += timedelta(1)


def _lines(question: AnalyticsQuestion, row: AnalyticsRow) -> Iterator[dict[str, Any]]:
    end = row.start + question.width if question.width else question.end
    span = {"starting_at": shown(row.start), "ending_at": shown(end)}
    group = {name: _told(name, value) for name, value in zip(question.groups, row.group, strict=True)}
    every = {name: group.get(name) for name in GROUPS}
    if question.told == "used":
        names = (*TOKEN_TYPES.values(), "web_search_requests", "requests", "total_tokens")
        sums = {name: int(row.sum(name)) for name in names}
        usage = {**measured(sums), "total_tokens": sums["total_tokens"], "requests": sums["requests"]}
        yield {**span, "group": every, "usage": usage}
        return
    parts: dict[Group, list[ClaudeFact]] = {}
    for fact in row.found:
        parts.setdefault(tuple(fact.kinds.get(name) for name in question.fans), []).append(fact)
    for fanned, found in sorted(parts.items(), key=lambda one: str(one[0])):
        part = AnalyticsRow(row.start, row.group, tuple(found))
        apart = {**dict.fromkeys(FANNED_OUT), **dict(zip(question.fans, fanned, strict=True))}
        apart["cost_type"] = "tokens" if apart["token_type"] else apart["cost_type"]
        money = {"amount": cents(part.sum("amount")), "list_amount": cents(part.sum("list_amount")), "currency": "USD"}
        requests = None if question.fans else int(part.sum("requests"))
        yield {**span, "group": {**every, **apart}, "cost": {**money, "requests": requests}}


def _told(name: str, value: str | None) -> object:
    if name != "actor" or value is None:
        return value
    kind = value.partition("_")[0]
    if kind == "user":
        person = next(one for one in MEMBERS for org in ORGANIZATIONS.values() if org.named("user", one.name) == value)
        return {"type": "user_actor", "user_id": value, "name": person.name, "email_address": person.email, "deleted": False}
    return (
        {"type": "api_actor", "api_key_id": value} if kind == "apikey" else {"type": "service_account_actor", "service_account_id": value}
    )
