"""What models cost over the API, as JSON and as files."""

import io
from decimal import Decimal
from typing import Any

import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from src.app.models.model_costs import ModelsAnswer
from src.core.base.identity import Tenant
from src.core.base.names import OrgSlug
from src.core.base.schema import TableSchema
from tests.app.running_parts import House
from tests.core.costs.bills import HOUSE as HOUSEKEEPING
from tests.core.costs.bills import mark, publish
from tests.core.costs.model_bills import DAY, asked_for, billed, computed, plan, prepare_models, use

AT = "/api/v1/costs/acme_corp/models"
M = 1_000_000
RANGE = {"from": str(DAY), "to": str(DAY)}


@pytest.fixture
def told(house: House) -> House:
    warehouse, tenant = house.parts.warehouse, Tenant(OrgSlug("acme_corp"), house.parts.settings.environment)
    warehouse.ensure_dataset(tenant)
    for name in ("x_cost_daily", "x_load_manifests"):
        warehouse.ensure_table(tenant, TableSchema.load(HOUSEKEEPING / f"{name}.json", name=name))
    prepare_models(warehouse, tenant, "openai")
    publish(
        warehouse,
        tenant,
        openai_cost_daily=[
            use("input", M, "2"),
            use("cached_input", 3 * M, "0.6", cost_if_uncached=Decimal(6)),
            use("output", M, None, model_told="=gpt-new"),
        ],
        openai_bill_daily=[computed()],
        openai_usage_daily_raw=[asked_for(9)],
        openai_subscriptions_monthly=[plan(DAY.replace(day=1), "75")],
        x_cost_daily=[mark(DAY, "unpriced", "openai", completeness_reason="no price for =gpt-new")],
    )
    return house


async def test_costs_are_told_by_model_with_what_is_not_known_of_them(told: House) -> None:
    async with told.client() as caller:
        found: dict[str, Any] = (await caller.get(AT, params=RANGE)).json()

    ModelsAnswer.model_validate(found)
    new, known = found["rows"]
    assert known == {
        "kind": "api",
        "provider": "openai",
        "model": "gpt-x",
        "currency": "USD",
        "tokens": 4 * M,
        "quantity": 4 * M,
        "unit": "token",
        "requests": 9,
        "figure": "computed",
        "cost": "2.60",
        "credits": "0.00",
        "net_cost": "2.60",
        "whole": True,
        "cost_least": None,
        "cost_most": None,
        "computed_cost": "2.60",
        "unpriced_tokens": 0,
        "unpriced_rows": 0,
        "cost_per_million": "0.65",
        "input_tokens": 4 * M,
        "cached_share": "0.75",
        "cache_saved": "5.40",
        "batch_share": "0.00",
        "batch_saved": "0.00",
        "completeness": "unpriced",
    }
    assert (new["model"], new["cost"], new["whole"], new["unpriced_tokens"], new["requests"]) == ("=gpt-new", None, False, M, None)
    [total] = found["totals"]
    assert (total["cost"], total["whole"], total["tokens"]) == ("2.60", False, 5 * M)
    assert [(one["kind"], one["plan_name"], one["cost"]) for one in found["seats"]] == [("seats", "BUSINESS", "75.00")]
    assert found["not_complete"] == [
        {"usage_date": str(DAY), "provider": "openai", "completeness": "unpriced", "completeness_reason": "openai: no price for =gpt-new"}
    ]
    assert "openai" not in [one["provider"] for one in found["left_out"]]


async def test_files_have_the_rows_of_apis_alone(told: House) -> None:
    async with told.client() as caller:
        csv = await caller.get(AT, params={**RANGE, "group_by": "day,model", "format": "csv"})
        parquet = await caller.get(AT, params=RANGE, headers={"Accept": "application/vnd.apache.parquet"})
    lines = pa_csv.read_csv(io.BytesIO(csv.content)).to_pylist()
    assert [(line["day"], line["model"], line["whole"], line["unpriced_tokens"]) for line in lines] == [
        (DAY, "'=gpt-new", False, M),
        (DAY, "gpt-x", True, 0),
    ]
    rows = pq.read_table(io.BytesIO(parquet.content)).to_pylist()
    assert [(row["kind"], row["model"], row["cost"], row["tokens"]) for row in rows] == [
        ("api", "=gpt-new", None, M),
        ("api", "gpt-x", Decimal("2.6"), 4 * M),
    ]
    assert "costs_models" in parquet.headers["Content-Disposition"]


async def test_pages_follow_each_other(told: House) -> None:
    async with told.client() as caller:
        first = await caller.get(AT, params={**RANGE, "limit": "1"})
        file = await caller.get(AT, params={**RANGE, "limit": "1", "format": "csv"})
        second = await caller.get(AT, params={**RANGE, "limit": "1", "cursor": first.json()["next_cursor"]})
        other = await caller.get(AT, params={**RANGE, "group_by": "key", "cursor": first.json()["next_cursor"]})
    assert [answer.json()["rows"][0]["model"] for answer in (first, second)] == ["=gpt-new", "gpt-x"]
    assert second.json()["next_cursor"] is None
    assert 'rel="next"' in file.headers["Link"]
    assert (other.status_code, "another question" in other.text) == (422, True)


WRONG: tuple[tuple[dict[str, str], str], ...] = (
    ({"provider": "gcp"}, "provides no models"),
    ({"group_by": "sku"}, "are not grouped by"),
    ({"group_by": "model,key,day,project,user"}, "at most 4 groups"),
    ({"modle": "gpt-x"}, "did you mean"),
    ({"cursor": "x"}, "cursor"),
)


async def test_what_is_asked_wrongly_is_told_with_its_mend(told: House) -> None:
    async with told.client() as caller:
        for asked, says in WRONG:
            answer = await caller.get(AT, params={**RANGE, **asked})
            assert (answer.status_code, says in answer.text) == (422, True), answer.text


async def test_nobody_sees_another_organisations_models(told: House) -> None:
    key = told.organisation("other_corp")
    async with told.client(**{"X-API-Key": key}) as caller:
        assert (await caller.get(AT)).status_code == 403


async def test_tools_and_reported_costs_stand_under_their_own_names(told: House) -> None:
    warehouse, tenant = told.parts.warehouse, Tenant(OrgSlug("acme_corp"), told.parts.settings.environment)
    publish(warehouse, tenant, openai_bill_daily=[billed("call", "0.000000000001", model="web-search", account="org-2")])
    async with told.client() as caller:
        found = (await caller.get(AT, params={**RANGE, "model": "web-search"})).json()
    [row] = found["rows"]
    assert (row["cost"], row["figure"], row["tokens"], row["cost_per_million"]) == ("0.000000000001", "reported", None, None)
