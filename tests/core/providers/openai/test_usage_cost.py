"""OpenAI end to end, as an organisation asks for it: usage and its report are read, priced, held against each other and billed."""

import io
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.fakes.served import Served, served

FIRST, LAST, TODAY = date(2026, 11, 8), date(2026, 11, 20), date(2026, 11, 21)
SETTLED = date(2026, 11, 13)
DAYS = "SELECT usage_date, billed_cost, credits, net_cost, completeness, completeness_reason, figure FROM x_cost_daily ORDER BY usage_date"
REPORTED = "SELECT SUM(amount) AS cost FROM openai_costs_daily_raw WHERE usage_date <= @last"
BILLED = "SELECT SUM(net_cost) AS cost FROM openai_bill_daily WHERE figure = @figure"
PRICED = "SELECT SUM(cost) AS cost FROM openai_cost_daily WHERE usage_date > @last"
MOST_USED = """SELECT model, SUM(cost) AS cost FROM openai_cost_daily
WHERE usage_date > @last AND token_kind = 'input' AND service_tier = 'standard'
GROUP BY model ORDER BY cost DESC LIMIT 1"""
TOLD = "SELECT period, net_after - net_before AS more, reason FROM x_cost_history WHERE grain = 'day' ORDER BY period"

EVERY_COST = """SELECT usage_date, model, token_kind, rate_id, unpriced_reason, SUM(quantity) AS quantity, SUM(cost) AS cost
FROM openai_cost_daily
GROUP BY usage_date, model, token_kind, rate_id, unpriced_reason ORDER BY usage_date, model, token_kind, rate_id, unpriced_reason"""
EVERY_LINE = """SELECT usage_date, line_item, remainder_state, SUM(computed) AS computed, SUM(reported) AS reported,
  SUM(difference) AS difference, SUM(cause_long_context) AS long_context, SUM(cause_late_data) AS late_data, SUM(unexplained) AS unexplained
FROM openai_cost_reconciliation_daily GROUP BY usage_date, line_item, remainder_state ORDER BY usage_date, line_item, remainder_state"""
EVERY_BILL = """SELECT usage_date, project_id, line_item, figure, allocation, SUM(net_cost) AS cost FROM openai_bill_daily
GROUP BY usage_date, project_id, line_item, figure, allocation ORDER BY usage_date, project_id, line_item, figure, allocation"""


def step(run: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one["result"] for one in run["steps"] if one["step_id"] == name)
    return found


@pytest.mark.bill
async def test_from_a_key_to_a_bill_and_days_that_are_priced_anew(tmp_path: Path) -> None:
    async with served(tmp_path, TODAY) as openai:
        await openai.connect("openai", "openai-demo.txt")
        run = await openai.load("openai/usage_cost", FIRST, LAST)
        assert (run["pipeline_id"], run["document"]) == ("acme-corp-openai-usage-cost", "openai/usage_cost")
        loaded = step(run, "load_cost")
        # days that may be told otherwise are read again before the window too
        assert loaded["figures"] == {"reported": 13, "computed": 7}
        assert {one["reason"].split(":")[0] for one in loaded["unpriced"]} == {"model unknown"}
        assert {one["what"] for one in loaded["tells"]} <= {"ok", "warn", "hold"}
        assert sum(one["row_count"] for one in loaded["tells"]) == loaded["tables"]["openai_cost_reconciliation_daily"]
        days = openai.here.ask(DAYS)
        assert Counter(one["completeness"] for one in days) == {"complete": 13, "unpriced": 7}
        assert {one["figure"] for one in days if one["usage_date"] <= SETTLED} == {"reported"}
        [reported], [billed] = openai.here.ask(REPORTED, last=SETTLED), openai.here.ask(BILLED, figure="reported")
        assert reported == billed
        [priced], [computed] = openai.here.ask(PRICED, last=SETTLED), openai.here.ask(BILLED, figure="computed")
        assert priced == computed

        await answers_say_which_figure(openai, days)
        again = await openai.load("openai/usage_cost", FIRST, LAST)
        assert (again["rows_processed"], step(again, "load_cost")["days_touched"]) == (0, 0)
        await priced_anew(openai)


async def answers_say_which_figure(openai: Served, days: list[dict[str, Any]]) -> None:
    asked = {"from": str(FIRST), "to": str(LAST), "provider": "openai"}
    found = await openai.found("costs/{org}/daily", **asked)
    told = {(str(one["usage_date"]), one["figure"], one["completeness"], one["net_cost"]) for one in days if one["usage_date"] >= FIRST}
    assert {(one["usage_date"], one["figure"], one["completeness"], Decimal(one["net_cost"])) for one in found["rows"]} == told
    assert [one["figure"] for one in found["totals"]] == ["mixed"]
    summary = await openai.found("costs/{org}/summary", **asked, group_by="project")
    assert {one["figure"] for one in summary["groups"]} == {"mixed"}
    assert [(one["figure"], one["completeness"]) for one in summary["invoice_months"]] == [("mixed", "unpriced")]
    file = await openai.ask("GET", "costs/{org}/daily", **asked, group_by="service", format="parquet")
    table = pq.read_table(io.BytesIO(file.content))
    assert {str(one) for one in table["figure"].unique().to_pylist()} == {"reported", "computed"}
    assert sum(table["net_cost"].to_pylist()).quantize(Decimal("0.01")) == Decimal(found["totals"][0]["net_cost"]).quantize(Decimal("0.01"))


async def priced_anew(openai: Served) -> None:
    """The dearest model's input costs a dollar a token more, since ever; nobody is asked, so no key is needed."""
    before = openai.here.ask(DAYS)
    [most] = openai.here.ask(MOST_USED, last=SETTLED)
    changed = await openai.ask(
        "PUT",
        f"integrations/{{org}}/openai/pricing/{most['model']}",
        {"price": "999999", "token_kind": "input", "service_tier": "standard", "prompt_tokens_over": 0, "effective_from": "2026-01-01"},
    )
    assert changed.status_code == 200, changed.text
    gone = await openai.ask("DELETE", "integrations/{org}/openai")
    assert gone.status_code == 200, gone.text
    run = await openai.load("openai/reprice", FIRST, LAST)
    result = step(run, "load_cost")
    assert (run["pipeline_id"], result["rows_processed"]) == ("acme-corp-openai-reprice", 0)
    # what was reported is the bill all the same, whatever the book says
    assert result["days_changed"] == len(openai.here.ask(TOLD)) == 7
    assert {one["reason"].partition(" ")[2] for one in openai.here.ask(TOLD)} == {"as the price book tells it now"}
    assert all(one["more"] > Decimal(1000) for one in openai.here.ask(TOLD))
    assert [one for one in openai.here.ask(DAYS) if one["usage_date"] <= SETTLED] == [one for one in before if one["usage_date"] <= SETTLED]
    assert step(await openai.load("openai/reprice", FIRST, LAST), "load_cost")["days_changed"] == 0


@pytest.mark.proof
async def test_bigquery_bills_the_same(tmp_path: Path, bigquery_emulator: Any) -> None:
    """Eight days of usage and report, every table derived of them, and the same priced anew."""
    told = []
    emulated = {"warehouse": "bigquery", "bigquery_job_seconds": 300.0, **bigquery_emulator.named}
    for name, settings in (("duckdb", {}), ("bigquery", emulated)):
        async with served(tmp_path / name, TODAY, **settings) as openai:
            await openai.connect("openai", "openai-demo.txt")
            await openai.load("openai/usage_cost", LAST, LAST)
            told.append([openai.here.ask(question) for question in (DAYS, EVERY_COST, EVERY_LINE, EVERY_BILL)])
            assert step(await openai.load("openai/reprice", LAST, LAST), "load_cost")["days_changed"] == 0
            openai.here.parts.warehouse.drop_dataset(openai.here.tenant)
    assert told[0] == told[1]
    assert all(len(rows) > 1 for rows in told[0])
