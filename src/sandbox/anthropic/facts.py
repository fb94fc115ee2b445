"""Use and charges with all that they may be told apart by; reports of either generation add up the same facts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from src.sandbox.anthropic.charges import SESSIONS, TOKEN_TYPES, ClaudeCharge, charged
from src.sandbox.anthropic.organizations import ORGANIZATIONS, ClaudeOrganization, midnight
from src.sandbox.anthropic.prices import alias
from src.sandbox.anthropic.use import ClaudeUse, used

Told = Literal["used", "charged"]
# of both reports a month
KEPT_DAYS = 80
# of what no report of use shows; containers are of no product
PRODUCTS: Mapping[str, str] = {SESSIONS: "managed_agents_api"}


@dataclass(frozen=True, slots=True)
class ClaudeFact:
    at: datetime
    kinds: Mapping[str, str | None]
    measures: Mapping[str, int | Decimal]
    of_api: bool
    """Whether the Console's reports tell of it."""


def facts(organization: ClaudeOrganization, told: Told, day: date, now: datetime) -> Iterator[ClaudeFact]:
    # a day that is over is told alike all day long
    yield from _day_over(organization, told, day, now.date()) if day < now.date() else _day(organization, told, day, now)


@lru_cache(maxsize=KEPT_DAYS)
def _day_over(organization: ClaudeOrganization, told: Told, day: date, today: date) -> tuple[ClaudeFact, ...]:
    return tuple(_day(organization, told, day, midnight(today)))


def _day(organization: ClaudeOrganization, told: Told, day: date, now: datetime) -> Iterator[ClaudeFact]:
    if told == "used":
        yield from (_use(organization, one) for one in used(organization, day, now))
    else:
        yield from (_charge(organization, one) for one in charged(organization, day, now))


def with_children(organization: ClaudeOrganization, told: Told, day: date, now: datetime) -> Iterator[ClaudeFact]:
    """A parent's, without those of its children that are ready for HIPAA."""
    yield from facts(organization, told, day, now)
    for child in (ORGANIZATIONS[name] for name in organization.children):
        if not child.hipaa:
            yield from facts(child, told, day, now)


def _use(organization: ClaudeOrganization, one: ClaudeUse) -> ClaudeFact:
    measures: dict[str, int | Decimal] = {name: one.amounts[kind] for kind, name in TOKEN_TYPES.items()}
    measures |= {"web_search_requests": one.amounts["searches"], "requests": one.requests}
    return ClaudeFact(one.at, _by(organization, one), measures, one.of_api)


def _by(organization: ClaudeOrganization, one: ClaudeUse) -> dict[str, str | None]:
    work = one.work
    key = work.key and organization.named("apikey", work.key)
    person = work.person and organization.named("user", work.person)
    account = work.service_account and organization.named("svac", work.service_account)
    return {
        **_where(organization, work.workspace_name),
        "model": work.model,
        "api_key_id": key,
        "account_id": person,
        "service_account_id": account,
        "service_tier": work.tier,
        "context_window": work.context_window,
        "inference_geo": work.geo,
        "speed": work.speed,
        "product": work.product,
        "actor": person or account or key,
        "actor_type": "user_actor" if person else "service_account_actor" if account else "api_actor",
    }


def _charge(organization: ClaudeOrganization, one: ClaudeCharge) -> ClaudeFact:
    by = _by(organization, one.use) if one.use else {**_where(organization, one.workspace), "product": PRODUCTS.get(one.cost_type)}
    kinds = {**by, "cost_type": one.cost_type, "token_type": one.token_type, "description": one.description}
    # of a tool no report tells the model
    tool = one.cost_type != "tokens"
    kinds["told_model"] = None if tool or one.use is None else alias(one.use.work.model)
    kinds["told_tier"] = None if tool else kinds.get("service_tier")
    measures: dict[str, int | Decimal] = {"amount": one.amount * 100, "list_amount": one.listed * 100}
    # those of a use stand at one of its charges, so that they add up
    measures["requests"] = one.requests if one.kind in ("input", "code_execution") else 0
    return ClaudeFact(one.at, kinds, measures, one.use is None or one.use.of_api)


def _where(organization: ClaudeOrganization, workspace: str | None) -> dict[str, str | None]:
    told = organization.workspace_id(workspace)
    return {"organization_id": organization.id, "workspace_id": told, "told_workspace_id": told or organization.default_workspace_id}
