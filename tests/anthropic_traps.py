"""The traps of Anthropic's use and its price: organisations that misbehave, each loaded by the running service, and what it says of them.

Right and naive figures are the sandbox's own (`src/sandbox/anthropic/traps.py`). Days are read twice: the morning after the last of them,
and when nothing changes any more.
"""

import asyncio
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from src.sandbox.anthropic.organizations import DEMO, ORGANIZATIONS, midnight
from src.sandbox.anthropic.traps import OVERNIGHT, SHARED_DIGITS, SURCHARGE, ClaudeReadings, traps
from src.sandbox.trap import Trap
from tests.fakes.served import Served
from tests.trap_answers import Answer
from tests.trap_users import TrapUser

FIRST, LAST = date(2026, 11, 9), date(2026, 11, 15)
BEFORE, EARLY, LATE = date(2026, 11, 8), date(2026, 11, 16), date(2026, 11, 27)
READINGS = ClaudeReadings(FIRST, LAST, midnight(EARLY).replace(hour=12), midnight(LATE).replace(hour=12))
LOADED_EARLY = ("restated", "late")
LOADED_LATE = (DEMO, "restated", "priority", "blocked", "novel", "discount", "idle", "enterprise", "parent")
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "parent": {"api": "analytics", "children": [ORGANIZATIONS[name].id for name in ORGANIZATIONS["parent"].children]}
}
USED = """(@model IS NULL OR model = @model) AND (@tier IS NULL OR service_tier = @tier) AND (@region IS NULL OR region = @region)"""
BILLED = """(@workspace IS NULL OR COALESCE(project_id, '') = @workspace) AND (@key IS NULL OR COALESCE(api_key_id, '') = @key)"""
QUESTIONS: Mapping[str, str] = {
    "computed": f"SELECT SUM(cost) AS told FROM anthropic_cost_daily WHERE {USED}",
    "unpriced": f"SELECT SUM(quantity) AS told FROM anthropic_cost_daily WHERE cost IS NULL AND {USED}",
    "billed": f"SELECT SUM(net_cost) AS told FROM anthropic_bill_daily WHERE {BILLED}",
    "partial": "SELECT COUNTIF(completeness = 'partial') AS told FROM x_cost_daily WHERE TRUE",
    "complete": "SELECT COUNTIF(completeness = 'complete') AS told FROM x_cost_daily WHERE TRUE",
}
CAUSE = "SELECT SUM({measure}) AS told FROM anthropic_cost_reconciliation_daily WHERE (@model IS NULL OR model_family = @model)"
OF_DAYS = " AND usage_date BETWEEN CAST(@first AS DATE) AND CAST(@last AS DATE)"
AXES = ("model", "tier", "region", "workspace", "key")


class ClaudeUser(TrapUser):
    provider = "anthropic"

    def said(self, trap: Trap) -> Decimal:
        where = {"first": str(FIRST), "last": str(LAST), **trap.where}
        assert where.pop("organization") == self.name
        asked = {**dict.fromkeys(AXES), **where}
        assert asked.keys() == {*AXES, "first", "last"}, f"the trap {trap.name} asks for {where}"
        if asked["key"]:
            asked["key"] = ORGANIZATIONS[self.name].named("apikey", asked["key"])
        measure = trap.measure.removesuffix("_early")
        told = self.told(QUESTIONS.get(measure, CAUSE.format(measure=measure)) + OF_DAYS, asked)
        return told if asked["key"] is None else round(told, SHARED_DIGITS)


async def anthropic_answers(service: Served) -> tuple[list[Answer], Mapping[str, ClaudeUser]]:
    """And the organisations that were asked, as they are afterwards."""
    asked = traps(READINGS)
    service.today = BEFORE
    found = {name: await ClaudeUser.using(service, name, SETTINGS.get(name)) for name in dict.fromkeys((*LOADED_LATE, *LOADED_EARLY))}

    service.today = EARLY
    for name in LOADED_EARLY:
        await found[name].load(FIRST, LAST)
    early = {trap.name: found[trap.where["organization"]].said(trap) for trap in asked if trap.measure.endswith("_early")}

    service.today = LATE
    # one before the others: they ask what was rendered for it
    for days in ((FIRST, LAST), OVERNIGHT, SURCHARGE):
        await found[DEMO].load(*days)
    await asyncio.gather(*(found[name].load(FIRST, LAST) for name in LOADED_LATE if name != DEMO))
    return [Answer(trap, early.get(trap.name) or found[trap.where["organization"]].said(trap)) for trap in asked], found
