"""One thing has one name, or two that mean the same; and an amount, a moment and a run are written in one way wherever they stand."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from src.app.answers.cost_tables import moment
from src.app.answers.runs import amounts_shown
from src.core.base.identity import Tenant
from src.core.base.names import OrgSlug
from src.core.costs.amounts import money
from tests.app.running_parts import House
from tests.core.costs.bills import cost, manifest, mark, prepare, publish

AT = "/api/v1/costs/acme_corp"
READ = datetime(2026, 10, 12, 6, 0, 7, 120000, tzinfo=UTC)
DAYS = [date(2026, 10, 1) + timedelta(days=number) for number in range(31)]


@pytest.fixture
def billed(house: House) -> House:
    warehouse, tenant = house.parts.warehouse, Tenant(OrgSlug("acme_corp"), house.parts.settings.environment)
    prepare(warehouse, tenant)
    publish(
        warehouse,
        tenant,
        gcp_cost_daily=[cost(day, amount) for day, amount in zip(DAYS, ("1", "2.5", "0.000000001", "1234.56"), strict=False)],
        x_cost_daily=[mark(day, source_as_of=READ) for day in DAYS],
        x_load_manifests=[manifest(READ)],
    )
    return house


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("from=2026-10-02&to=2026-10-03", "start_date=2026-10-02&end_date=2026-10-03"),
        ("from=2026-10-02&to=2026-10-03", "start_date=2026-10-02&to=2026-10-03"),
        ("from=2026-10-01&to=2026-10-31", "month=2026-10"),
        ("from=2026-11-01&to=2026-11-21", "month=2026-11"),
    ],
)
@pytest.mark.parametrize(
    "path", ["costs/acme_corp/daily", "costs/acme_corp/summary", "pipelines/runs/acme_corp", "organizations/acme_corp/audit"]
)
async def test_days_are_named_alike_wherever_they_are_asked(billed: House, path: str, one: str, other: str) -> None:
    assert await billed.found(f"/api/v1/{path}?{one}") == await billed.found(f"/api/v1/{path}?{other}")


@pytest.mark.parametrize(
    ("body", "window"),
    [
        ({"from": "2026-10-02", "to": "2026-10-03"}, ("2026-10-02", "2026-10-03")),
        ({"month": "2026-10"}, ("2026-10-01", "2026-10-31")),
        ({"month": "2026-02"}, ("2026-02-01", "2026-02-28")),
        ({"month": "2026-11"}, ("2026-11-01", "2026-11-21")),
    ],
)
async def test_a_run_takes_the_same_names(house: House, body: dict[str, str], window: tuple[str, str]) -> None:
    answer = (await house.ask("acme_corp", body)).json()
    assert (answer["window"]["start"], answer["window"]["end"]) == window


@pytest.mark.parametrize(
    ("month", "told"),
    [
        ("9999-12", "month: is no month of these years; write it as YYYY-MM, like 2026-10"),
        ("0000-01", "month: is no month of these years; write it as YYYY-MM, like 2026-10"),
        ("2026-12", "month: 2026-12 lies in the future; name 2026-11 or a month before it"),
    ],
)
async def test_a_month_that_costs_have_none_of_is_refused_as_a_month(house: House, month: str, told: str) -> None:
    async with house.client() as caller:
        for call in ("run", "backfill"):
            answer = await caller.post(f"/api/v1/pipelines/{call}/acme_corp/fake/cost", json={"month": month})
            assert (answer.status_code, answer.json()["detail"]) == (422, told), call


@pytest.mark.parametrize("path", ["costs/acme_corp/daily", "pipelines/runs/acme_corp", "organizations/acme_corp/audit"])
async def test_days_the_wrong_way_round_are_told_so_wherever_they_are_asked(billed: House, path: str) -> None:
    async with billed.client() as caller:
        answer = await caller.get(f"/api/v1/{path}?from=2026-10-03&to=2026-10-02")
    assert (answer.status_code, answer.json()["detail"]) == (422, "from 2026-10-03 lies after to 2026-10-02; turn them round")


async def test_runs_take_a_provider_by_its_aliases_as_costs_do(house: House) -> None:
    assert await house.found("/api/v1/pipelines/runs/acme_corp?provider=Google") == {"runs": [], "next_cursor": None}


@pytest.mark.parametrize("name", ["plan", "subscription_plan"])
async def test_a_plan_is_taken_and_answered_under_both_names_in_any_case(house: House, name: str) -> None:
    async with house.client() as caller:
        changed = (await caller.put("/api/v1/organizations/acme_corp/subscription", json={name: " Professional"})).json()
        shown = (await caller.get("/api/v1/organizations/acme_corp")).json()
        quota = (await caller.get("/api/v1/organizations/acme_corp/quota")).json()
    assert (
        {one["plan"] for one in (changed, shown, quota)}
        == {one["subscription_plan"] for one in (changed, shown, quota)}
        == {"PROFESSIONAL"}
    )


async def test_an_amount_and_a_moment_are_the_same_in_json_and_in_csv(billed: House) -> None:
    found = await billed.found(f"{AT}/daily?month=2026-10")
    file = [*csv.DictReader(io.StringIO((await billed.read(f"{AT}/daily?month=2026-10&format=csv")).text))]
    table = [*csv.DictReader(io.StringIO((await billed.read(f"{AT}/tables/gcp_cost_daily?format=csv")).text))]

    names = ("billed_cost", "credits", "net_cost", "source_as_of")
    assert [[row[name] or "" for name in names] for row in found["rows"]] == [[row[name] for name in names] for row in file]
    assert [row["billed_cost"] for row in found["rows"]][:4] == ["1.00", "2.50", "0.000000001", "1234.56"]
    assert sorted(row["cost"] for row in table) == sorted(["1.00", "2.50", "0.000000001", "1234.56"])
    assert {row["source_as_of"] for row in file} == {moment(READ)} == {"2026-10-12T06:00:07.120000Z"}


def test_amounts_of_a_run_are_written_as_those_of_costs() -> None:
    told: list[Any] = [
        {"source": "a_table", "rows": 7, "invoice_month": "202610", "billed_cost": "38.890000000", "credits": "-0.000000000"}
    ]
    [shown] = amounts_shown(told)
    assert (shown["billed_cost"], shown["rows"], shown["invoice_month"]) == (money(Decimal("38.89")), 7, "202610")


async def test_a_run_has_one_id_wherever_it_is_named(house: House) -> None:
    accepted = (await house.ask("acme_corp", {"month": "2026-10"})).json()
    run_id = accepted["pipeline_logging_id"]
    found = await house.found(accepted["links"]["run"])
    [listed] = (await house.found("/api/v1/pipelines/runs/acme_corp?month=2026-11"))["runs"]

    assert found["pipeline_logging_id"] == listed["pipeline_logging_id"] == run_id
    assert len(run_id) == 32
