"""Anthropic end to end, as an organisation asks for it: by either generation of reports, never added, and seats apart."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from src.core.base.identity import Tenant
from src.core.base.names import Environment, org_slug
from src.sandbox.anthropic.charges import charged
from src.sandbox.anthropic.organizations import ORGANIZATIONS
from tests.fakes.running import ROOT_KEY
from tests.fakes.served import Served, served

FIRST, LAST, TODAY = date(2026, 11, 10), date(2026, 11, 16), date(2026, 11, 21)
DAYS = [FIRST + timedelta(number) for number in range(-3, 7)]
TOLD = "SELECT usage_date, net_cost, completeness, completeness_reason, figure FROM x_cost_daily ORDER BY usage_date"
LINES = """SELECT COUNT(*) AS lines, COUNTIF(difference <> 0) AS differing FROM anthropic_cost_reconciliation_daily
WHERE line_item_known AND model_family <> 'claude-haiku-5-5'"""
WAYS = """SELECT told_by, COUNT(*) AS row_count FROM anthropic_usage_daily_raw GROUP BY told_by
UNION ALL SELECT told_by, COUNT(*) AS row_count FROM anthropic_costs_daily_raw GROUP BY told_by"""
OF_NOBODY = """SELECT COUNTIF(project_id IS NULL AND net_cost > 0) AS default_workspace,
  COUNTIF(api_key_id IS NULL AND net_cost > 0) AS without_key FROM anthropic_bill_daily"""
EVERY_COST = """SELECT usage_date, model, service_tier, region, token_kind, unpriced_reason, SUM(quantity) AS quantity, SUM(cost) AS cost,
  SUM(cost_if_long) AS if_long, SUM(cost_if_uncached) AS if_uncached, SUM(cost_if_standard) AS if_standard FROM anthropic_cost_daily
GROUP BY usage_date, model, service_tier, region, token_kind, unpriced_reason ORDER BY 1, 2, 3, 4, 5, 6"""
EVERY_LINE = """SELECT usage_date, model_family, line_item, remainder_state, SUM(computed) AS computed, SUM(reported) AS reported,
  SUM(cause_long_context) AS long_context, SUM(cause_not_in_usage) AS not_in_usage, SUM(unexplained) AS unexplained
FROM anthropic_cost_reconciliation_daily GROUP BY usage_date, model_family, line_item, remainder_state ORDER BY 1, 2, 3, 4"""
EVERY_BILL = """SELECT usage_date, project_id, model, line_item, figure, allocation, SUM(net_cost) AS cost FROM anthropic_bill_daily
GROUP BY usage_date, project_id, model, line_item, figure, allocation ORDER BY 1, 2, 3, 4, 5, 6"""
SEATS = "SELECT SUM(estimated_cost) AS seats FROM anthropic_claude_code_daily_raw"


def right(name: str, day: date, service: Served) -> Decimal:
    now = service.here.clock.now()
    return sum((one.amount for one in charged(ORGANIZATIONS[name], day, now) if one.use is None or one.use.of_api), Decimal(0))


async def connect(service: Served, name: str, credential_name: str = "default", **settings: Any) -> dict[str, Any]:
    credential = (service.here.parts.settings.data_dir / "sandbox" / "credentials" / f"anthropic-{name}.txt").read_text()
    answer = await service.ask(
        "POST", "integrations/{org}/claude/setup", {"credential": credential, "credential_name": credential_name, "settings": settings}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def asked(service: Served, sql: str) -> list[dict[str, Any]]:
    tenant = Tenant(org_slug("acme_corp"), Environment.DEVELOPMENT)
    rows: list[dict[str, Any]] = service.here.parts.warehouse.query(tenant, sql, {}).to_pylist()
    return rows


@pytest.mark.bill
async def test_either_generation_tells_the_bill_to_the_last_digit_and_one_replaces_the_other(tmp_path: Path) -> None:
    async with served(tmp_path, TODAY) as service:
        # a plan that takes as many runs
        service.http.headers["X-CA-Root-Key"] = ROOT_KEY
        assert (await service.ask("PUT", "organizations/{org}/subscription", {"plan": "SCALE"})).status_code == 200
        del service.http.headers["X-CA-Root-Key"]
        for api in ("reports", "analytics"):
            assert (await connect(service, "demo", api=api))["api"] == api
            run = await service.load("anthropic/usage_cost", FIRST, LAST)
            loaded = next(one["result"] for one in run["steps"] if one["step_id"] == "load_cost")
            assert {one["told_by"] for one in loaded["totals"]} == {api}
            days = asked(service, TOLD)
            assert {one["usage_date"]: one["net_cost"] for one in days} == {day: right("demo", day, service) for day in DAYS}
            assert {one["figure"] for one in days} == {"reported"}
            assert {row["told_by"] for row in asked(service, WAYS)} == {api}
            [lines] = asked(service, LINES)
            assert lines["differing"] == 0 < lines["lines"]
            [nobody] = asked(service, OF_NOBODY)
            assert min(nobody.values()) > 0
            # told apart, and in no day's cost
            [seats] = asked(service, SEATS)
            assert seats["seats"] > 1
            models = await service.found("costs/{org}/models", **{"from": str(FIRST), "to": str(LAST), "provider": "anthropic"})
            [total] = models["totals"]
            assert Decimal(total["cost"]) == sum(one["net_cost"] for one in days if one["usage_date"] >= FIRST)
            assert {one["product"] for one in models["claude_code"]} == {"claude_code"}
            # of requests the reports say nothing
            assert (total["requests"] is None) == (api == "reports")
            again = await service.load("anthropic/reprice", FIRST, LAST)
            assert next(one["result"] for one in again["steps"] if one["step_id"] == "load_cost")["days_changed"] == 0
        # a page more tells a day as it was
        assert (await service.load("anthropic/usage_cost", FIRST, LAST))["rows_processed"] == 0


@pytest.mark.bill
async def test_a_child_that_no_report_tells_of_makes_every_day_partial(tmp_path: Path) -> None:
    async with served(tmp_path, TODAY) as service:
        children = [ORGANIZATIONS[name].id for name in ("north", "clinic")]
        assert (await connect(service, "parent", api="analytics", children=children))["children"] == children
        await service.load("anthropic/usage_cost", FIRST, LAST)

        days = asked(service, TOLD)
        assert {one["completeness"] for one in days} == {"partial"}
        reason = f"no report of {ORGANIZATIONS['parent'].id} tells of {children[1]}, which is under it"
        assert {one["completeness_reason"] for one in days} == {reason}
        for one in days:
            both = right("parent", one["usage_date"], service) + right("north", one["usage_date"], service)
            assert one["net_cost"] == both

        # the child by its own key as well, and nobody left out
        await connect(service, "north", credential_name="north")
        await service.load("anthropic/usage_cost", LAST, LAST, credential_name="north")
        await connect(service, "parent", api="analytics", children=children[:1])
        await service.load("anthropic/usage_cost", LAST, LAST, reload=True)
        [last] = [one for one in asked(service, TOLD) if one["usage_date"] == LAST]
        assert last["completeness"] == "provisional"
        assert f"{children[0]} is told by a key of its own" in last["completeness_reason"]


@pytest.mark.bill
async def test_a_child_that_was_told_once_is_missed_once_it_is_told_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(tmp_path, TODAY) as service:
        north = ORGANIZATIONS["north"]
        await connect(service, "parent", api="analytics", children=[north.id])
        await service.load("anthropic/usage_cost", FIRST, LAST)
        assert {one["completeness"] for one in asked(service, TOLD)} == {"complete"}
        monkeypatch.setitem(ORGANIZATIONS, "north", replace(north, hipaa=True))
        service.today = TODAY + timedelta(14)
        later = LAST + timedelta(10)
        await service.load("anthropic/usage_cost", later, later)
        said = {one["usage_date"]: (one["completeness"], one["completeness_reason"]) for one in asked(service, TOLD)}
        assert said[LAST] == ("complete", None)
        assert said[later] == ("partial", f"no report of {ORGANIZATIONS['parent'].id} tells of {north.id}, which is under it")


@pytest.mark.bill
async def test_a_parent_and_its_child_that_nobody_named_are_seen_by_what_both_tell_of(tmp_path: Path) -> None:
    async with served(tmp_path, TODAY) as service:
        await connect(service, "parent", api="analytics")
        await service.load("anthropic/usage_cost", LAST, LAST)
        assert {one["completeness"] for one in asked(service, TOLD)} == {"complete"}
        await connect(service, "north", credential_name="north")
        await service.load("anthropic/usage_cost", LAST, LAST, credential_name="north")
        [last] = [one for one in asked(service, TOLD) if one["usage_date"] == LAST]
        assert last["completeness"] == "provisional"
        assert "tell of the same workspaces or keys" in last["completeness_reason"]


@pytest.mark.bill
async def test_an_enterprise_reads_analytics_by_itself_and_none_older_than_a_year(tmp_path: Path) -> None:
    async with served(tmp_path, TODAY) as service:
        assert (await connect(service, "enterprise"))["api"] == "analytics"
        window = {"start_date": "2025-10-01", "end_date": "2025-10-02"}
        old = (await service.ask("POST", "pipelines/run/{org}/anthropic/usage_cost", window, wait="true")).json()
        assert "tells of no day before 2026-01-01" in old["error"]["message"]
        await service.load("anthropic/usage_cost", FIRST, LAST)
        today = await service.load("anthropic/usage_cost", TODAY, TODAY)
        assert today["rows_processed"] > 0
        reasons = {one["usage_date"]: one["completeness_reason"] for one in asked(service, TOLD)}
        assert reasons[LAST] is None
        assert "its figures go to 2026-11-21" in reasons[TODAY]


@pytest.mark.proof
async def test_bigquery_bills_anthropic_the_same(tmp_path: Path, bigquery_emulator: Any) -> None:
    """Four days by either generation, every table derived of them, and the same priced anew."""
    told = []
    emulated = {"warehouse": "bigquery", "bigquery_job_seconds": 300.0, **bigquery_emulator.named}
    for name, settings in (("duckdb", {}), ("bigquery", emulated)):
        async with served(tmp_path / name, TODAY, **settings) as service:
            for api in ("reports", "analytics"):
                await connect(service, "demo", api=api)
                await service.load("anthropic/usage_cost", LAST, LAST)
                told.append([name, [asked(service, question) for question in (TOLD, EVERY_COST, EVERY_LINE, EVERY_BILL, SEATS)]])
            run = await service.load("anthropic/reprice", LAST, LAST)
            assert next(one["result"] for one in run["steps"] if one["step_id"] == "load_cost")["days_changed"] == 0
            service.here.parts.warehouse.drop_dataset(service.here.tenant)
    ours, theirs = ([rows for engine, rows in told if engine == name] for name in ("duckdb", "bigquery"))
    assert ours == theirs
    assert all(rows for some in ours for rows in some)
