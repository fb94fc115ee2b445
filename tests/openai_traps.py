"""The traps of use and its price: organisations that misbehave, each loaded by the running service, and what it says of them.

Right and naive figures are the sandbox's own (`src/sandbox/openai/traps.py`). Days are read twice: the morning after the last of them, and
when nothing changes any more.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from src.core.base.identity import Tenant
from src.core.base.names import Environment, org_slug
from src.sandbox.openai.organizations import DEMO, NOON, ORGANIZATIONS, WITHIN_AN_HOUR, Agreed
from src.sandbox.openai.prices import CANCELLED, MISTAKEN, UnchargedRate, per_million
from src.sandbox.openai.traps import SHARED_DIGITS, TwoReadings, noon, traps
from src.sandbox.trap import Trap
from tests.fakes.running import ROOT_KEY
from tests.fakes.served import Served
from tests.trap_answers import Answer

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


@dataclass(frozen=True)
class Using:
    """An organisation of the service that uses one of the sandbox's OpenAI."""

    service: Served
    name: str
    key: str

    @property
    def slug(self) -> str:
        return f"{self.name}_org"

    async def ask(self, method: str, path: str, body: Any = None, **params: str) -> Any:
        path = f"/api/v1/{path.format(org=self.slug)}"
        answer = await self.service.http.request(method, path, json=body, params=params, headers={"X-API-Key": self.key})
        assert answer.is_success, answer.text
        return answer.json()

    async def load(self, pipeline: str = "openai/usage_cost") -> dict[str, Any]:
        window = {"start_date": str(FIRST), "end_date": str(LAST)}
        run: dict[str, Any] = await self.ask("POST", f"pipelines/run/{{org}}/{pipeline}", window, wait="true")
        assert run.get("status") == "SUCCESS", run
        return run

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
        tenant = Tenant(org_slug(self.slug), Environment.DEVELOPMENT)
        question = QUESTIONS[trap.measure.removesuffix("_early")] + OF_DAYS
        days = {"first": str(FIRST), "last": str(LAST)}
        [row] = self.service.here.parts.warehouse.query(tenant, question, {**asked, **days}).to_pylist()
        return round(Decimal(row["told"]), SHARED_DIGITS) if asked["key"] else Decimal(row["told"])


async def using(service: Served, name: str) -> Using:
    new = {"org_slug": f"{name}_org", "company_name": name, "admin_email": "finops@example.com", "subscription_plan": "SCALE"}
    made = await service.http.post("/api/v1/organizations/onboard", json=new, headers={"X-CA-Root-Key": ROOT_KEY})
    assert made.status_code == 201, made.text
    one = Using(service, name, made.json()["api_key"])
    files = service.here.parts.settings.data_dir / "sandbox" / "credentials"
    credential = (files / f"openai-{one.name}.txt").read_text()
    await one.ask("POST", "integrations/{org}/openai/setup", {"credential": credential})
    return one


async def openai_answers(service: Served) -> tuple[list[Answer], Mapping[str, Using]]:
    """And the organisations that were asked, as they are afterwards."""
    asked = traps(READINGS)
    service.today = BEFORE
    found = {name: await using(service, name) for name in dict.fromkeys((*LOADED_LATE, *LOADED_EARLY))}
    await _announce(found[DEMO])
    for one in (NOON, WITHIN_AN_HOUR):
        await _agree(found["midday"], one)

    service.today = EARLY
    for name in LOADED_EARLY:
        await found[name].load()
    answers = [Answer(trap, found[trap.where["organization"]].said(trap)) for trap in asked if trap.measure.endswith("_early")]

    service.today = LATE
    # one before the others: they ask what was rendered for it
    await found[DEMO].load()
    await asyncio.gather(*(found[name].load() for name in LOADED_LATE if name != DEMO))
    answers += [_answer(found, trap) for trap in asked if trap.name == "a discount that no book has"]
    await found["discount"].discount(100 - 100 * ORGANIZATIONS["discount"].price, str(FIRST))
    await _lay(found["novel"], MISTAKEN)
    await asyncio.gather(*(found[name].load("openai/reprice") for name in ("discount", "novel")))
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
