"""The traps of DeepSeek: balances that move by more than use, and exports sent twice, told by hours or without prices.

Right and naive figures are the sandbox's own (`src/sandbox/deepseek/traps.py`). Each of its accounts is an organisation of the service.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from src.core.base.identity import Tenant
from src.core.base.names import Environment, org_slug
from src.sandbox.deepseek.accounts import DEMO
from src.sandbox.deepseek.provider import Deepseek
from src.sandbox.deepseek.traps import AS_FLASH, HOLIDAY, OVERLAP_BEGINS, SATURDAY_BEFORE, SUNDAY_AFTER, DeepseekReading, traps
from src.sandbox.trap import Trap
from tests.fakes.running import ROOT_KEY
from tests.fakes.served import Served
from tests.trap_answers import Answer

FIRST, LAST, LATE = date(2026, 11, 9), date(2026, 11, 15), date(2026, 11, 17)
SAMPLED = (date(2026, 11, 9), date(2026, 11, 12), date(2026, 11, 13))
SAMPLED_ACCOUNTS = ("gifted", "topped", "twofold")
NOON = time(12)


def noon(day: date) -> datetime:
    return datetime.combine(day, NOON, UTC)


READING = DeepseekReading(FIRST, LAST, noon(LATE), tuple(map(noon, SAMPLED)))
MONTH = (date(2026, 11, 1), date(2026, 11, 30))
SENT: Mapping[str, tuple[tuple[date, date], ...]] = {
    # the month twice, and then some of its days by a file of their own
    DEMO: (MONTH, MONTH, (OVERLAP_BEGINS, LAST), (SATURDAY_BEFORE, SATURDAY_BEFORE), (AS_FLASH, AS_FLASH)),
    "twofold": ((FIRST, MONTH[1]),),
    "bare": ((SUNDAY_AFTER, SUNDAY_AFTER), (AS_FLASH, HOLIDAY)),
}
OF_DAYS = "usage_date BETWEEN @first AND @last"
OF_MODEL = f"{OF_DAYS} AND (@model IS NULL OR model_told = @model) AND @currency IS NULL"
OF_MONEY = f"{OF_DAYS} AND currency = @currency AND @model IS NULL"
QUESTIONS: Mapping[str, str] = {
    "computed": f"SELECT SUM(cost) AS told FROM deepseek_cost_daily WHERE {OF_MODEL}",
    "least": f"SELECT SUM(COALESCE(cost, cost_least)) AS told FROM deepseek_cost_daily WHERE {OF_MODEL}",
    "most": f"SELECT SUM(COALESCE(cost, cost_most)) AS told FROM deepseek_cost_daily WHERE {OF_MODEL}",
    "billed": f"SELECT SUM(cost) AS told FROM deepseek_bill_daily WHERE figure = 'reported' AND {OF_MONEY}",
    "paid": f"SELECT SUM(net_cost) AS told FROM deepseek_bill_daily WHERE figure = 'reported' AND {OF_MONEY}",
    # from the first sample to the last, of whichever days they are
    "spent": f"SELECT SUM(spend) AS told FROM deepseek_balance_daily WHERE {OF_MONEY}",
}


@dataclass(frozen=True)
class Paying:
    """An organisation of the service that pays for one of the sandbox's accounts of DeepSeek."""

    service: Served
    name: str
    key: str

    @property
    def slug(self) -> str:
        return f"{self.name}_org"

    async def ask(self, path: str, content: bytes | None = None, body: Any = None, **params: str) -> Any:
        path = f"/api/v1/{path.format(org=self.slug)}"
        headers = {"X-API-Key": self.key}
        answer = await self.service.http.post(path, json=body, content=content, params=params, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()

    async def sample(self) -> None:
        run = await self.ask("pipelines/run/{org}/deepseek/usage_cost", wait="true")
        assert run.get("status") == "SUCCESS", run

    async def send(self, first: date, last: date) -> None:
        file = _sandbox(self.service).export(self.name, first, last, noon(LATE))
        run = await self.ask("imports/{org}/deepseek", file, wait="true")
        assert run.get("status") == "SUCCESS", run

    def said(self, trap: Trap) -> Decimal:
        where = dict(trap.where)
        assert where.pop("account") == self.name
        days = (where.pop("first", str(FIRST)), where.pop("last", str(LAST)))
        if trap.measure == "spent":
            days = (str(SAMPLED[0]), str(SAMPLED[-1]))
        asked = {axis: where.pop(axis, None) for axis in ("model", "currency")}
        assert not where, f"the trap {trap.name} asks for {where}"
        given = {"first": date.fromisoformat(days[0]), "last": date.fromisoformat(days[1])}
        tenant = Tenant(org_slug(self.slug), Environment.DEVELOPMENT)
        [row] = self.service.here.parts.warehouse.query(tenant, QUESTIONS[trap.measure], {**asked, **given}).to_pylist()
        return Decimal("NaN" if row["told"] is None else row["told"])


async def paying(service: Served, name: str) -> Paying:
    new = {"org_slug": f"{name}_org", "company_name": name, "admin_email": "finops@example.com", "subscription_plan": "SCALE"}
    made = await service.http.post("/api/v1/organizations/onboard", json=new, headers={"X-CA-Root-Key": ROOT_KEY})
    assert made.status_code == 201, made.text
    one = Paying(service, name, made.json()["api_key"])
    await one.ask("integrations/{org}/deepseek/setup", body={"credential": _sandbox(service).key(name)})
    return one


async def deepseek_answers(service: Served) -> tuple[list[Answer], Mapping[str, Paying]]:
    """And the organisations that were asked, as they are afterwards."""
    service.today = SAMPLED[0]
    found = {name: await paying(service, name) for name in dict.fromkeys((*SAMPLED_ACCOUNTS, *SENT))}
    for day in SAMPLED:
        service.today = day
        await asyncio.gather(*(found[name].sample() for name in SAMPLED_ACCOUNTS))
    service.today = LATE
    for name, sent in SENT.items():
        for first, last in sent:
            await found[name].send(first, last)
    return [Answer(trap, found[trap.where["account"]].said(trap)) for trap in traps(READING)], found


def _sandbox(service: Served) -> Deepseek:
    assert service.here.parts.sandbox is not None
    provider = service.here.parts.sandbox.providers["deepseek"]
    assert isinstance(provider, Deepseek)
    return provider
