"""What a change of prices is said to do before it is made, and what making it and its days anew then does, of the sandbox's own use."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.served import Served, served

FIRST, LAST, TODAY = date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 2)
COSTS = """
SELECT FORMAT_DATE('%Y%m', usage_date) AS usage_month, COALESCE(model, model_told) AS named, currency, SUM(cost) AS cost
FROM openai_cost_daily WHERE cost IS NOT NULL GROUP BY usage_month, named, currency
"""
MOST_USED = """
SELECT model FROM openai_cost_daily WHERE cost IS NOT NULL AND token_kind = 'input' GROUP BY model ORDER BY SUM(cost) DESC LIMIT 1
"""
UNKNOWN = """
SELECT model_told, token_kind, COUNT(*) AS row_count FROM openai_cost_daily
WHERE unpriced_reason LIKE 'model unknown%' AND service_tier = 'standard' AND kind_else IS NULL AND unit = 'token'
GROUP BY model_told, token_kind ORDER BY model_told, token_kind
"""
Told = dict[tuple[str, str, str], Decimal]


def told(openai: Served) -> Told:
    return {(row["usage_month"], row["named"], row["currency"]): row["cost"] for row in openai.here.ask(COSTS)}


async def changed(openai: Served, method: str, path: str, body: Any = None, **params: str) -> dict[str, Any]:
    answer = await openai.ask(method, f"integrations/{{org}}/openai/pricing{path}", body, **params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found["costs_known"], found
    return found


async def held(openai: Served, method: str, path: str, body: Any = None, **params: str) -> dict[str, Any]:
    """A change made and its days made anew by the call that its answer names, to the last digit as its dry run said."""
    would = await changed(openai, method, path, body, dry_run="true", **params)
    before = told(openai)
    done = await changed(openai, method, path, body, **params)
    assert told(openai) == before
    assert [done[name] for name in done if name.startswith("costs")] == [would[name] for name in done if name.startswith("costs")]
    call = done["costs_run"]
    window = {"start_date": call["start_date"], "end_date": call["end_date"]}
    run = (await openai.http.request(call["method"], call["path"], json=window, params={"wait": "true"})).json()
    assert run.get("status") == "SUCCESS", run
    after = told(openai)
    moved = {key: Fraction(after.get(key, 0)) - Fraction(before.get(key, 0)) for key in after.keys() | before.keys()}
    said = {(one["usage_month"], one["model"], one["currency"]): Fraction(one["difference"]) for one in done["costs"]}
    assert {key: by for key, by in moved.items() if by} == {key: by for key, by in said.items() if by}
    assert said
    return done


@pytest.mark.proof  # of sums that `test_effects.py` holds in seconds, through the whole service
@pytest.mark.bill
async def test_what_is_said_of_a_change_is_what_it_does(tmp_path: Path) -> None:
    async with served(tmp_path, TODAY) as openai:
        await openai.connect("openai", "openai-demo.txt")
        await openai.load("openai/usage_cost", FIRST, LAST)
        [most], unknown = openai.here.ask(MOST_USED), openai.here.ask(UNKNOWN)

        cheaper = await held(openai, "POST", "/discount", {"percent": "12.5", "effective_from": "2026-10-31"})
        assert {one["usage_month"] for one in cheaper["costs"]} == {"202610", "202611"}
        assert len(cheaper["costs"]) > 10
        assert cheaper["costs_run"]["start_date"] == "2026-10-31"

        rates = [{"model": one["model_told"], "token_kind": one["token_kind"], "price": "0.123456789012345678"} for one in unknown]
        priced = await held(openai, "POST", "", rates)
        assert sum(one["rows_priced"] for one in priced["costs"]) == sum(one["row_count"] for one in unknown) > 0

        gone = await held(openai, "DELETE", f"/{most['model']}", effective_from="2026-11-01")
        days = (LAST - date(2026, 11, 1)) // timedelta(1) + 1
        [lost] = gone["costs"]
        assert (lost["cost_then"], lost["days_unpriced"], lost["rows_unpriced"] == lost["rows"]) == ("0.00", days, True)
        assert lost["unpriced_reason"].startswith("no rate: ")
