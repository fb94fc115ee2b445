"""The traps of use and its price: organisations that misbehave, each loaded by the running service, and what it says of them.

Right and naive figures are the sandbox's own (`src/sandbox/openai/traps.py`). Days are read twice: the morning after the last of them, and
when nothing changes any more.
"""

import asyncio
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from src.sandbox.openai.organizations import DEMO, NOON, ORGANIZATIONS, WITHIN_AN_HOUR, Agreed
from src.sandbox.openai.prices import CANCELLED, MISTAKEN, UnchargedRate, per_million
from src.sandbox.openai.traps import SHARED_DIGITS, TwoReadings, noon, traps
from src.sandbox.trap import Trap
from tests.fakes.served import Served
from tests.trap_answers import Answer
from tests.trap_users import TrapUser

FIRST, LAST = date(2026, 11, 9), date(2026, 11, 15)
BEFORE, EARLY, LATE = date(2026, 11, 8), date(2026, 11, 16), date(2026, 11, 27)
READINGS = TwoReadings(FIRST, LAST, noon(EARLY), noon(LATE))
LOADED_EARLY = ("restated", "late")
LOADED_LATE = (DEMO, "restated", "novel", "coarse", "discount", "midday", "idle")
QUESTIONS: Mapping[str, str] = {
    "computed": """SELECT SUM(cost) AS told FROM openai_cost_daily
WHERE (@model IS NULL OR model = @model) AND (@tier IS NULL OR service_tier IN UNNEST(SPLIT(@tier, ','))) AND @key IS NULL""",
    "billed": """SELECT SUM(net_cost) AS told FROM openai_bill_daily
WHERE (@key IS NULL OR api_key_id = @key) AND @model IS NULL AND @tier IS NULL""",
    "cause_long_context": """SELECT SUM(cause_long_context) AS told FROM openai_cost_reconciliation_daily
WHERE @model IS NULL AND @tier IS NULL AND @key IS NULL""",
    "cause_model_unknown": """SELECT SUM(cause_model_unknown) AS told FROM openai_cost_reconciliation_daily
WHERE @model IS NULL AND @tier IS NULL AND @key IS NULL""",
    "cause_rate_differs": """SELECT SUM(cause_rate_differs) AS told FROM openai_cost_reconciliation_daily
WHERE (@model IS NULL OR model_family = @model) AND @tier IS NULL AND @key IS NULL""",
    "agreeing": """SELECT COUNTIF(completeness = 'complete') AS told FROM x_cost_daily
WHERE @model IS NULL AND @tier IS NULL AND @key IS NULL""",
}
# a run reads the days before its window again, too
OF_DAYS = " AND usage_date BETWEEN CAST(COALESCE(@day, @first) AS DATE) AND CAST(COALESCE(@day, @last) AS DATE)"
AXES = ("model", "tier", "key", "day")


class Using(TrapUser):
    provider = "openai"

    async def discount(self, percent: Decimal, since: str, **chosen: str) -> None:
        body = {"percent": str(percent), "effective_from": since, **chosen}
        await self.ask("POST", "integrations/{org}/openai/pricing/discount", body)

    def said(self, trap: Trap) -> Decimal:
        where = dict(trap.where)
        assert where.pop("organization") == self.name
        asked = {axis: where.pop(axis, None) for axis in AXES}
        assert not where, f"the trap {trap.name} asks for {where}"
        if asked["key"] is not None:
            asked["key"] = ORGANIZATIONS[self.name].named("key", asked["key"])
        question = QUESTIONS[trap.measure.removesuffix("_early")] + OF_DAYS
        told = self.told(question, {**asked, "first": str(FIRST), "last": str(LAST)})
        return round(told, SHARED_DIGITS) if asked["key"] else told


async def openai_answers(service: Served) -> tuple[list[Answer], Mapping[str, Using]]:
    """And the organisations that were asked, as they are afterwards."""
    asked = traps(READINGS)
    service.today = BEFORE
    found = {name: await Using.using(service, name) for name in dict.fromkeys((*LOADED_LATE, *LOADED_EARLY))}
    await _announce(found[DEMO])
    for one in (NOON, WITHIN_AN_HOUR):
        await _agree(found["midday"], one)

    service.today = EARLY
    for name in LOADED_EARLY:
        await found[name].load(FIRST, LAST)
    answers = [Answer(trap, found[trap.where["organization"]].said(trap)) for trap in asked if trap.measure.endswith("_early")]

    service.today = LATE
    # one before the others: they ask what was rendered for it
    await found[DEMO].load(FIRST, LAST)
    await asyncio.gather(*(found[name].load(FIRST, LAST) for name in LOADED_LATE if name != DEMO))
    answers += [_answer(found, trap) for trap in asked if trap.name == "a discount that no book has"]
    await found["discount"].discount(100 - 100 * ORGANIZATIONS["discount"].price, str(FIRST))
    await _lay(found["novel"], MISTAKEN)
    await asyncio.gather(*(found[name].load(FIRST, LAST, "reprice") for name in ("discount", "novel")))
    answered = {one.trap.name for one in answers}
    return answers + [_answer(found, trap) for trap in asked if trap.name not in answered], found


def _answer(found: Mapping[str, Using], trap: Trap) -> Answer:
    return Answer(trap, found[trap.where["organization"]].said(trap))


async def _announce(one: Using) -> None:
    """And takes it back a day later."""
    told = await _lay(one, CANCELLED)
    assert "announced" in {row["state"] for row in told["opened"]}
    one.service.today = FIRST
    taken = await one.ask("DELETE", f"integrations/{{org}}/openai/pricing/{CANCELLED.model}", withdraw="true")
    assert {row["closed_because"] for row in taken["closed"]} >= {"withdrawn"}


async def _lay(one: Using, rate: UnchargedRate) -> Any:
    listed = per_million(rate.model, "standard", rate.since, long=False)[rate.kind]
    chosen = {"token_kind": "input", "service_tier": "standard", "prompt_tokens_over": 0}
    body = {"price": str(listed * rate.factor), "effective_from": str(rate.since), **chosen}
    return await one.ask("PUT", f"integrations/{{org}}/openai/pricing/{rate.model}", body)


async def _agree(one: Using, agreed: Agreed) -> None:
    await one.discount(100 - 100 * agreed.share, agreed.since.isoformat(), model=agreed.model)
