"""Both sides of OpenAI's costs over the API, which of them is the bill, and the rules by which it is."""

import io
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from src.core.base.identity import Tenant
from src.core.base.names import OrgSlug
from src.core.base.schema import TableSchema
from src.core.costs.reconciliation import GROUPS
from tests.app.running_parts import House
from tests.core.costs.bills import HOUSE as HOUSEKEEPING
from tests.core.costs.bills import prepare as prepare_bills
from tests.core.costs.bills import publish
from tests.core.costs.test_summary import month
from tests.core.step.reconciliation.both_sides import DAY, BothSides, booked, prepare

AT = "/api/v1/costs/acme_corp"
M = 1_000_000
LAST = DAY + timedelta(2)
RANGE = {"provider": "openai", "from": str(DAY), "to": str(LAST)}


@pytest.fixture
def reconciled(house: House) -> House:
    """Of three days the first is known to both sides and differs by price and by a credit, the second to usage alone, the third to none."""
    warehouse, tenant = house.parts.warehouse, Tenant(OrgSlug("acme_corp"), house.parts.settings.environment)
    prepare(warehouse, tenant)
    warehouse.ensure_table(tenant, TableSchema.load(HOUSEKEEPING / "x_cost_daily.json", name="x_cost_daily"))
    sides = BothSides()
    sides.use("input", M, "2")
    sides.use("output", M, "10")
    sides.use("input", M, "2", usage_date=DAY + timedelta(1))
    sides.tell("gpt-x, input", "2", M)
    sides.tell("gpt-x, output", "9", M)
    sides.tell("promotional credit", "-3")
    booked(warehouse, tenant, sides)
    return house


async def told(house: House, **asked: str) -> Any:
    return await house.found(f"{AT}/reconciliation?{urlencode(asked)}")


async def test_both_sides_are_told_by_day_with_the_verified_share_on_top(reconciled: House) -> None:
    found = await told(reconciled, **RANGE)

    [month] = found["verified"]
    assert month == {
        "month": "202611",
        "currency": "USD",
        "billed": "10.00",
        "money": "16.00",
        # of 2 and 9 and 3 billed by the report, and 2 by usage alone: the first, and 8 of the second
        "verified": "10.00",
        "share": "0.625",
        "open": {
            "unexplained": "0.00",
            "rate_differs": "1.00",
            "model_unknown": "0.00",
            "late_data": "2.00",
            "not_in_usage": "3.00",
            "not_in_report": "0.00",
        },
    }
    assert (found["verified_since"], found["days"]["both"], found["days_without_both"]) == (
        str(DAY),
        1,
        {str(DAY + timedelta(1)): "computed", str(LAST): "neither"},
    )
    first, second, third = found["rows"]
    names = ("day", "sides", "figure", "billed", "computed", "reported", "difference")
    assert [first[name] for name in names] == [str(DAY), "both", "reported", "8.00", "12.00", "8.00", "-4.00"]
    assert (first["causes"]["rate_differs"], first["causes"]["not_in_usage"], first["least_price_ratio"]) == ("-1.00", "-3.00", "0.90")
    assert [second[name] for name in names] == [str(DAY + timedelta(1)), "computed", "computed", "2.00", "2.00", None, "-2.00"]
    assert [third[name] for name in names] == [str(LAST), "neither", None, None, None, None, None]


async def test_a_statement_holds_the_month_against_the_cost_report(reconciled: House) -> None:
    warehouse, tenant = reconciled.parts.warehouse, Tenant(OrgSlug("acme_corp"), reconciled.parts.settings.environment)
    prepare_bills(warehouse, tenant)
    publish(warehouse, tenant, x_cost_monthly=[month("202611", net="10", provider="openai")])

    found = await reconciled.found(f"{AT}/statement?month=2026-11")

    [openai] = found["verification"]
    [check] = openai["checks"]
    assert (check["against"], openai["verified"], openai["share"], openai["billed"]) == ("cost_report", False, "0.625", "10.00")
    assert openai["why"] == (
        "10.00 of 16.00 USD is explained to the cent by the provider's cost report; not explained: rate differs 1.00, late data 2.00, "
        "not in usage 3.00; GET /api/v1/costs/acme_corp/reconciliation?provider=openai shows the lines"
    )
    assert found["trust"].startswith("Not yet: ")


async def test_each_group_comes_to_the_same_difference_whatever_the_page(reconciled: House) -> None:
    for group in GROUPS:
        whole = await told(reconciled, **RANGE, group_by=group)
        page = await told(reconciled, **RANGE, group_by=group, limit="1")
        rows: list[dict[str, Any]] = page["rows"]
        while page["next_cursor"] is not None:
            page = await told(reconciled, **RANGE, group_by=group, limit="1", cursor=page["next_cursor"])
            rows += page["rows"]

        assert rows == whole["rows"], group
        assert sum(Decimal(row["difference"] or 0) for row in rows) == Decimal(-6)


async def test_causes_are_rows_of_their_own_and_files_have_all_of_it(reconciled: House) -> None:
    asked = f"{AT}/reconciliation"
    found = await told(reconciled, **RANGE, group_by="cause")
    assert {row["cause"]: row["difference"] for row in found["rows"]} == {
        "late_data": "-2.00",
        "not_in_usage": "-3.00",
        "rate_differs": "-1.00",
    }
    async with reconciled.client() as caller:
        csv = await caller.get(asked, params={**RANGE, "format": "csv"})
        parquet = await caller.get(asked, params={**RANGE, "format": "parquet", "group_by": "model,cause"})
    lines = pa_csv.read_csv(io.BytesIO(csv.content)).to_pylist()
    assert [(line["day"], line["sides"]) for line in lines] == [
        (DAY, "both"),
        (DAY + timedelta(1), "computed"),
        (LAST, "neither"),
    ]
    rows = pq.read_table(io.BytesIO(parquet.content)).to_pylist()
    assert {(row["model"], row["cause"], row["difference"]) for row in rows} == {
        (None, "not_in_usage", Decimal(-3)),
        ("gpt-x", "late_data", Decimal(-2)),
        ("gpt-x", "rate_differs", Decimal(-1)),
    }


async def test_a_provider_is_known_by_its_aliases_in_any_case(reconciled: House) -> None:
    assert await told(reconciled, **{**RANGE, "provider": "OpenAI"}) == await told(reconciled, **RANGE)
    [named] = (await reconciled.found(f"{AT}/rules?provider=Claude"))["rules"]
    assert named["provider"] == "anthropic"
    asked = await reconciled.read(f"{AT}/reconciliation?provider=claude")
    assert (asked.status_code, "anthropic has not been reconciled" in asked.text) == (404, True)
    assert (await reconciled.found(f"{AT}/daily?provider=Claude"))["rows"][0]["net_cost"] is None


WRONG: tuple[tuple[dict[str, str], str], ...] = (
    ({"provider": "openay"}, "did you mean"),
    ({"provider": "gcp"}, "reconciled are anthropic, deepseek, openai"),
    ({"provider": "openai", "group_by": "sku"}, "is not grouped by 'sku'"),
    ({"provider": "openai", "group_by": "day,model,cause"}, "at most 2 groups"),
    ({"provider": "openai", "cursor": "x"}, "cursor"),
    ({}, "provider"),
)


async def test_what_is_asked_wrongly_is_told_with_its_mend(reconciled: House) -> None:
    async with reconciled.client() as caller:
        for asked, says in WRONG:
            answer = await caller.get(f"{AT}/reconciliation", params=asked)
            assert (answer.status_code, says in answer.text) == (422, True), answer.text


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("model", "gpt-y", "was ever told by the model 'gpt-y'; did you mean 'gpt-x'?"),
        ("currency", "EUR", "was ever told by the currency 'EUR'; there is USD"),
        ("project", "proj_none", "was ever told by the project 'proj_none'"),
    ],
)
async def test_a_filter_by_what_was_never_told_of_is_refused(reconciled: House, name: str, value: str, said: str) -> None:
    refused = await reconciled.read(f"{AT}/reconciliation?{urlencode(RANGE | {name: value})}")

    assert (refused.status_code, said in refused.text) == (422, True), refused.text


async def test_an_organisation_without_a_reconciliation_is_told_what_to_do(house: House) -> None:
    house.dataset("acme_corp")
    answer = await house.read(f"{AT}/reconciliation?provider=openai")
    assert answer.status_code == 404
    assert "pipelines/run/acme_corp/openai/usage_cost" in answer.json()["detail"]


async def put(house: House, body: object, **headers: str) -> Any:
    async with house.client(**headers) as caller:
        return await caller.put(f"{AT}/rules", json=body)


async def test_rules_are_the_platforms_until_the_organisation_has_its_own(house: House) -> None:
    [platform] = (await house.found(f"{AT}/rules?provider=openai"))["rules"]
    assert platform == {
        "provider": "openai",
        "bill": "reported_where_complete",
        "warn_share": "0.005",
        "hold_share": "0.02",
        "least_amount": "0.50",
        "whose": dict.fromkeys(("bill", "warn_share", "hold_share", "least_amount"), "platform"),
    }

    changed = await put(house, {"provider": "openai", "bill": "computed", "hold_share": "0.1"})
    assert changed.status_code == 200, changed.text
    [own] = changed.json()["rules"]
    assert (own["bill"], own["hold_share"], own["warn_share"]) == ("computed", "0.1", "0.005")
    assert (own["whose"]["bill"], own["whose"]["warn_share"]) == ("organisation", "platform")
    assert "openai/reprice" in changed.json()["note"]
    every = await house.found(f"{AT}/rules")
    assert [one for one in every["rules"] if one["provider"] == "openai"] == [own]
    assert {one["whose"]["bill"] for one in every["rules"] if one["provider"] != "openai"} == {"platform"}
    assert "{provider}/reprice" in every["note"]

    back = (await put(house, {"provider": "openai", "bill": None})).json()["rules"]
    assert (back[0]["bill"], back[0]["whose"]["bill"], back[0]["hold_share"]) == ("reported_where_complete", "platform", "0.1")
    with house.parts.ledger.reading() as unit:
        audit = unit.tables["org_audit_logs"]
        rows = unit.rows(audit.select().where(audit.c.action == "costs.rules"))
    assert len(rows) == 2


UNFIT: tuple[tuple[dict[str, Any], str], ...] = (
    ({"provider": "openai"}, "names no rule"),
    ({"provider": "openai", "bill": "cheapest"}, "bill"),
    ({"provider": "openai", "warn_share": "1.5"}, "warn_share"),
    ({"provider": "openai", "warn_share": 0.01}, "as a text"),
    ({"provider": "openai", "warn_share": "nan"}, "warn_share"),
    ({"provider": "openai", "warn_share": "0.5"}, "hold_share"),
    ({"provider": "gcp", "bill": "computed"}, "reconciled are anthropic, deepseek, openai"),
    ({"provider": "openai", "bil": "computed"}, "bil"),
)


async def test_a_rule_that_cannot_be_is_refused_and_the_old_one_stays(house: House) -> None:
    before = await house.found(f"{AT}/rules")
    for body, says in UNFIT:
        answer = await put(house, body)
        assert (answer.status_code, says in answer.text) == (422, True), answer.text
    assert await house.found(f"{AT}/rules") == before


async def test_nobody_sees_or_sets_the_rules_of_another_organisation(house: House) -> None:
    key = house.organisation("other_corp")
    async with house.client(**{"X-API-Key": key}) as caller:
        for answer in (
            await caller.get(f"{AT}/rules"),
            await caller.put(f"{AT}/rules", json={"provider": "openai", "bill": "computed"}),
            await caller.get(f"{AT}/reconciliation", params={"provider": "openai"}),
        ):
            assert answer.status_code == 403, answer.text
