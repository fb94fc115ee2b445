"""What the cost reports say of a day: use at its price, and what no report of use shows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from src.sandbox.anthropic.organizations import FIRST_DAY, ClaudeOrganization, midnight
from src.sandbox.anthropic.prices import CONTAINER_HOUR, SEARCH, SESSION_HOUR, alias, rate
from src.sandbox.anthropic.use import TOKEN_KINDS, ClaudeUse, used

SATURDAY = 5
TOKEN_TYPES: Mapping[str, str] = {
    "input": "uncached_input_tokens",
    "read": "cache_read_input_tokens",
    "write_5m": "cache_creation.ephemeral_5m_input_tokens",
    "write_1h": "cache_creation.ephemeral_1h_input_tokens",
    "out": "output_tokens",
}
WORDS: Mapping[str, str] = {
    "input": "Input Tokens",
    "read": "Input Tokens, Cache Hit",
    "write_5m": "Input Tokens, Cache Write 5m",
    "write_1h": "Input Tokens, Cache Write 1h",
    "out": "Output Tokens",
}
SEARCHES, CONTAINERS, SESSIONS = "web_search", "code_execution", "session_usage"


@dataclass(frozen=True, slots=True)
class ClaudeCharge:
    at: datetime
    cost_type: str
    kind: str
    description: str
    workspace: str | None
    amount: Decimal
    """Dollars, as charged."""
    listed: Decimal
    """Dollars, by the list."""
    requests: int
    use: ClaudeUse | None = None
    """None of what no report of use shows."""

    @property
    def token_type(self) -> str | None:
        return TOKEN_TYPES.get(self.kind)


def charged(organization: ClaudeOrganization, day: date, now: datetime) -> Iterator[ClaudeCharge]:
    """As the reports say it now."""
    if not charges_told(organization, day, now):
        return
    for use in used(organization, day, now):
        yield from charges_of(organization, use)
    yield from (one for one in besides(organization, day) if one.at <= now)


def charges_told(organization: ClaudeOrganization, day: date, now: datetime) -> bool:
    return FIRST_DAY <= day <= now.date() - timedelta(organization.costs_late)


def charges_of(organization: ClaudeOrganization, use: ClaudeUse) -> Iterator[ClaudeCharge]:
    """A commitment is paid otherwise, and what was blocked is not paid."""
    work = use.work
    if work.tier == "priority" or work.blocked:
        return
    for kind in TOKEN_KINDS:
        if number := use.amounts[kind]:
            whole = number * rate(work.model, kind, use.day, tier=work.tier, fast=work.fast, geo=work.geo, over=work.over)
            told = f"{title(work.model)} Usage - {WORDS[kind]}{_apart(use)}"
            yield ClaudeCharge(use.at, "tokens", kind, told, work.workspace_name, whole * organization.price, whole, use.requests, use)
    if number := use.amounts["searches"]:
        whole = number * SEARCH
        amount = whole * organization.price
        yield ClaudeCharge(use.at, SEARCHES, "searches", "Web Search Usage", work.workspace_name, amount, whole, use.requests, use)


def besides(organization: ClaudeOrganization, day: date) -> Iterator[ClaudeCharge]:
    """What no report of use shows: containers that ran, and sessions of agents on Saturdays."""
    told = [(CONTAINERS, "Code Execution Usage", Decimal(7) * CONTAINER_HOUR)]
    if day.weekday() == SATURDAY:
        told.append((SESSIONS, "Managed Agents Session Usage", Decimal(9) * SESSION_HOUR))
    if "research" in organization.workspaces:
        for cost_type, description, whole in told:
            amount = whole * organization.price
            yield ClaudeCharge(midnight(day), cost_type, cost_type, description, "research", amount, whole, 21)


def title(model: str) -> str:
    """`claude-sonnet-5-5` is Claude Sonnet 5.5."""
    words = [word for word in alias(model).split("-") if not word.isdigit()]
    numbers = [word for word in alias(model).split("-") if word.isdigit()]
    return " ".join([*(word.title() for word in words), ".".join(numbers)])


def _apart(use: ClaudeUse) -> str:
    work = use.work
    told = [("Batch", work.tier == "batch"), ("Fast Mode", work.fast), ("US", work.geo == "us"), ("Long Context", work.is_long)]
    return "".join(f" ({words})" for words, so in told if so)
