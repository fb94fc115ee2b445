"""The report of Claude Code: what people and keys did with it on one day, and what it is estimated at."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

from src.sandbox.anthropic.asked import cursor, digest_of, given, number, placed, shown
from src.sandbox.anthropic.organizations import MEMBERS, ClaudeOrganization, midnight
from src.sandbox.anthropic.prices import rate
from src.sandbox.anthropic.problems import bad
from src.sandbox.anthropic.use import TOKEN_KINDS, ClaudeUse, used

ONCE = ("starting_at", "limit", "page")
USUAL, MOST = 20, 1000
BEHIND = timedelta(hours=1)
PRODUCT = "claude_code"
TOOLS = ("edit_tool", "multi_edit_tool", "write_tool", "notebook_edit_tool")


def page(params: Sequence[tuple[str, str]], organization: ClaudeOrganization, now: datetime) -> dict[str, Any]:
    told = given(params, ONCE, ())
    try:
        day = date.fromisoformat(told.get("starting_at", ("",))[0])
    except ValueError:
        raise bad("starting_at: Input should be a valid date in YYYY-MM-DD format") from None
    limit, digest = number(told, "limit", USUAL, MOST), digest_of(PRODUCT, day)
    first = placed(told, digest)
    first = first if isinstance(first, int) else 0
    records = _records(organization, day, now - BEHIND)
    more = first + limit < len(records)
    return {"data": records[first : first + limit], "has_more": more, "next_page": cursor(digest, first + limit) if more else None}


def _records(organization: ClaudeOrganization, day: date, now: datetime) -> list[dict[str, Any]]:
    by: dict[str, list[ClaudeUse]] = {}
    for one in used(organization, day, now):
        if one.work.product == PRODUCT:
            by.setdefault(one.work.name, []).append(one)
    return [_record(organization, day, uses) for _, uses in sorted(by.items())]


def _record(organization: ClaudeOrganization, day: date, uses: Sequence[ClaudeUse]) -> dict[str, Any]:
    work, requests = uses[0].work, sum(one.requests for one in uses)
    email = next((one.email for one in MEMBERS if one.name == work.person), None)
    actor = {"type": "user_actor", "email_address": email} if email else {"type": "api_actor", "api_key_name": work.key}
    sums = {kind: sum(one.amounts[kind] for one in uses) for kind in TOKEN_KINDS}
    estimate = sum((number * rate(work.model, kind, day) for kind, number in sums.items()), Decimal(0)) * 100
    return {
        "date": shown(midnight(day)),
        "actor": actor,
        "organization_id": organization.id,
        "customer_type": "api",
        "subscription_type": None,
        "terminal_type": "vscode" if email else "ci",
        "core_metrics": {
            "num_sessions": len(uses),
            "lines_of_code": {"added": requests * 9, "removed": requests * 4},
            "commits_by_claude_code": requests // 10,
            "pull_requests_by_claude_code": requests // 30,
        },
        "tool_actions": {name: {"accepted": requests // (number + 1), "rejected": number} for number, name in enumerate(TOOLS)},
        "model_breakdown": [
            {
                "model": work.model,
                "tokens": {
                    "input": sums["input"],
                    "output": sums["out"],
                    "cache_read": sums["read"],
                    "cache_creation": sums["write_5m"] + sums["write_1h"],
                },
                "estimated_cost": {"currency": "USD", "amount": int(estimate.to_integral_value(ROUND_CEILING))},
            }
        ],
    }
