"""DeepSeek end to end, as an organisation asks for it: balances make an estimate, and the console's export takes its place."""

import asyncio
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from src.sandbox.deepseek.provider import Deepseek, account_of
from src.sandbox.deepseek.use import used
from tests.core.deepseek.test_imports import imported, said
from tests.fakes.running import ROOT_KEY
from tests.fakes.served import Served, served

FIRST, LAST, TODAY = date(2026, 11, 8), date(2026, 11, 10), date(2026, 11, 10)
BALANCES = "SELECT * FROM deepseek_balance_daily ORDER BY usage_date, currency"
BILLED = "SELECT SUM(net_cost) AS net, SUM(cost) AS cost FROM deepseek_bill_daily WHERE usage_date = @day AND figure = @figure"
TOLD = "SELECT usage_date, completeness, completeness_reason, figure FROM x_cost_daily ORDER BY usage_date"

EVERY_BALANCE = """SELECT usage_date, currency, samples, whole_day, spend_least, spend_most, spend_granted
FROM deepseek_balance_daily ORDER BY usage_date, currency"""
EVERY_USE = """SELECT usage_date, endpoint, model, token_kind, price_window, unpriced_reason, SUM(quantity) AS quantity, SUM(cost) AS cost
FROM deepseek_cost_daily GROUP BY usage_date, endpoint, model, token_kind, price_window, unpriced_reason
ORDER BY usage_date, endpoint, model, token_kind, price_window, unpriced_reason"""
EVERY_LINE = """SELECT usage_date, model_family, line_item, remainder_state, computed, reported, difference
FROM deepseek_cost_reconciliation_daily ORDER BY usage_date, model_family, line_item"""
EVERY_BILL = """SELECT usage_date, model, api_key_id, figure, allocation, SUM(cost) AS cost, SUM(credits) AS credits
FROM deepseek_bill_daily GROUP BY usage_date, model, api_key_id, figure, allocation
ORDER BY usage_date, model, api_key_id, figure, allocation"""


def sandboxed(acme: Served) -> Deepseek:
    assert acme.here.parts.sandbox is not None
    provider = acme.here.parts.sandbox.providers["deepseek"]
    assert isinstance(provider, Deepseek)
    return provider


def spent(account: str, day: date) -> Decimal:
    whole = datetime.fromisoformat(f"{day}T23:59:59.999999+00:00")
    return sum((one.cost for one in used(account_of(account), day, whole)), Decimal(0))


async def sampled(acme: Served, first: date, last: date) -> dict[str, Any]:
    """Once a day, at noon."""
    run: dict[str, Any] = {}
    for number in range((last - first).days + 1):
        acme.today = first + timedelta(number)
        run = await acme.load("deepseek/usage_cost", acme.today, acme.today)
    return run


@pytest.mark.bill
async def test_from_balances_to_an_estimate_and_from_the_console_to_what_was_charged(tmp_path: Path) -> None:
    async with served(tmp_path, FIRST) as acme:
        await acme.connect("deepseek", "deepseek-second.txt")
        [stored] = (await acme.found("integrations/{org}/deepseek"))["credentials"]
        assert (stored["validation_status"], stored["currencies"]) == ("VALID", ["USD"])
        await sampled(acme, FIRST, TODAY)
        told = {row["usage_date"]: row for row in acme.here.ask(TOLD)}
        assert {(row["completeness"], row["figure"]) for row in told.values()} == {("partial", "estimated")}
        whole = [row for row in acme.here.ask(BALANCES) if row["whole_day"]]
        assert [row["usage_date"] for row in whole] == [FIRST + timedelta(number) for number in range(1, 2)]
        for row in whole:
            assert row["spend_least"] <= spent("second", row["usage_date"]) <= row["spend_most"]
            [bill] = acme.here.ask(BILLED, day=row["usage_date"], figure="estimated")
            assert bill == {"net": row["spend"], "cost": row["spend"]}

        acme.today = LAST + timedelta(3)
        await imported(acme, sandboxed(acme).export("second", FIRST, LAST), exported_on=str(acme.today))
        for day in (FIRST, LAST):
            [bill] = acme.here.ask(BILLED, day=day, figure="reported")
            assert bill["net"] == spent("second", day)
        assert {day: one[1] for day, one in said(acme).items() if day <= LAST.day} == dict.fromkeys(range(8, 11), "complete")
        # what is asked of the balance says nothing of how whole a day is; and of two that ask at once neither loses the other's sample
        plan = await acme.http.put(
            "/api/v1/organizations/acme_corp/subscription", json={"plan": "SCALE"}, headers={"X-CA-Root-Key": ROOT_KEY, "X-API-Key": ""}
        )
        assert plan.is_success, plan.text
        await asyncio.gather(*(acme.load("deepseek/usage_cost", day, day) for day in (LAST, acme.today)))
        assert said(acme)[9][1] == "complete"
        [now] = acme.here.ask("SELECT samples FROM deepseek_balance_daily WHERE usage_date = @day", day=acme.today)
        assert now["samples"] == 2


@pytest.mark.bill
async def test_records_of_the_organisation_are_exact_and_count_until_the_console_tells(tmp_path: Path) -> None:
    async with served(tmp_path, TODAY) as acme:
        await acme.connect("deepseek", "deepseek-second.txt")
        acme.today = LAST + timedelta(3)
        await imported(acme, sandboxed(acme).records("second", FIRST, LAST).encode(), name="requests.jsonl")
        told = {row["usage_date"]: (row["completeness"], row["figure"]) for row in acme.here.ask(TOLD)}
        assert set(told.values()) == {("partial", "computed")}
        for day in told:
            [bill] = acme.here.ask(BILLED, day=day, figure="computed")
            assert bill["cost"] == spent("second", day)
        await imported(acme, sandboxed(acme).export("second", FIRST, LAST), exported_on=str(acme.today))
        assert said(acme)[FIRST.day] == (f"{spent('second', FIRST):.2f}", "complete")
        assert {row["endpoint"] for row in acme.here.ask("SELECT DISTINCT endpoint FROM deepseek_cost_daily")} == {"console"}


@pytest.mark.proof
async def test_bigquery_tells_deepseek_the_same(tmp_path: Path, bigquery_emulator: Any) -> None:
    """Two samples, records of a day, the console's export of two others, and all of it priced anew."""
    told = []
    emulated = {"warehouse": "bigquery", "bigquery_job_seconds": 300.0, **bigquery_emulator.named}
    for name, settings in (("duckdb", {}), ("bigquery", emulated)):
        async with served(tmp_path / name, FIRST, **settings) as acme:
            await acme.connect("deepseek", "deepseek-second.txt")
            await sampled(acme, FIRST, FIRST + timedelta(1))
            acme.today = LAST + timedelta(3)
            await imported(acme, sandboxed(acme).records("second", LAST, LAST).encode())
            await imported(acme, sandboxed(acme).export("second", FIRST, LAST - timedelta(1)), exported_on=str(acme.today))
            await acme.load("deepseek/reprice", FIRST, LAST)
            told.append([acme.here.ask(question) for question in (TOLD, EVERY_BALANCE, EVERY_USE, EVERY_LINE, EVERY_BILL)])
            acme.here.parts.warehouse.drop_dataset(acme.here.tenant)
    assert told[0] == told[1]
    assert all(len(rows) > 1 for rows in told[0])
