"""No trap of use and its price catches us; and every figure of an organisation with which nothing is wrong is the right one."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from src.core.base.identity import Tenant
from src.core.base.names import Environment, org_slug
from src.sandbox.openai.organizations import DEMO
from tests.fakes.served import served
from tests.openai_traps import FIRST, LAST, LATE, READINGS, openai_answers
from tests.trap_answers import Answer, shown

TOOLS = {
    "web_search_calls": "web-search",
    "file_search_calls": "file-search",
    "code_interpreter_sessions": "code-interpreter",
    "vector_stores": "vector-storage",
}


@dataclass(frozen=True)
class Found:
    answers: list[Answer]
    tables: dict[str, list[dict[str, Any]]]
    idle: dict[str, Any]
    """How the days of one that used nothing are told."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    async def load() -> Found:
        async with served(tmp_path_factory.mktemp("openai"), LATE) as service:
            answers, asked = await openai_answers(service)

            def read(name: str, sql: str) -> list[dict[str, Any]]:
                tenant = Tenant(org_slug(f"{name}_org"), Environment.DEVELOPMENT)
                days = {"first": FIRST, "last": LAST}
                sql = f"{sql} usage_date BETWEEN @first AND @last"
                rows: list[dict[str, Any]] = service.here.parts.warehouse.query(tenant, sql, days).to_pylist()
                return rows

            tables = {
                "computed": read(DEMO, "SELECT usage_date, model_told, endpoint, service_tier, cost FROM openai_cost_daily WHERE"),
                "reconciled": read(DEMO, "SELECT * FROM openai_cost_reconciliation_daily WHERE"),
                "unknown": read("novel", "SELECT model_told, cost, unpriced_reason FROM openai_cost_daily WHERE rate_id IS NULL AND"),
            }
            days = {"provider": "openai", "from": str(FIRST), "to": str(LAST)}
            return Found(answers, tables, await asked["idle"].ask("GET", "costs/{org}/reconciliation", **days))

    return asyncio.run(load())


@pytest.mark.bill
def test_no_trap_of_use_catches_us_and_every_trap_is_one(found: Found):
    assert len(found.answers) >= 20
    assert all(one.right for one in found.answers), shown(found.answers)
    assert all(one.trap.naive != one.trap.right for one in found.answers), shown(found.answers)


@pytest.mark.bill
def test_each_use_costs_what_the_list_asks_to_the_last_digit(found: Found):
    known = READINGS.of(DEMO)
    right: defaultdict[tuple[date, str | None, str], Decimal] = defaultdict(Decimal)
    for one in known.figures:
        if one.listed is not None and one.endpoint and one.endpoint != "moderations":
            right[one.day, TOOLS.get(one.endpoint, one.model), one.tier] += one.listed
    ours: defaultdict[tuple[date, str | None, str], Decimal] = defaultdict(Decimal)
    for row in found.tables["computed"]:
        if row["cost"] is not None and row["endpoint"] != "moderations":
            ours[row["usage_date"], row["model_told"], row["service_tier"]] += row["cost"]

    assert len(right) > 100
    assert ours == right


@pytest.mark.bill
def test_each_day_differs_from_its_report_by_the_causes_that_were_planted(found: Found):
    causes: defaultdict[tuple[date, str], Decimal] = defaultdict(Decimal)
    for row in found.tables["reconciled"]:
        parts = {name: value for name, value in row.items() if name.startswith("cause_") or name == "unexplained"}
        assert sum(parts.values()) == row["difference"]
        for name, value in parts.items():
            causes[row["usage_date"], name.removeprefix("cause_")] += value

    known = READINGS.of(DEMO)
    days = {one.day for one in known.figures}
    right = {(day, cause): amount for day in days for cause, amount in known.of(day=day).causes.items()}
    assert {key: amount for key, amount in causes.items() if amount} == {key: amount for key, amount in right.items() if amount}


@pytest.mark.bill
def test_a_model_that_no_list_has_costs_nobody_knows_what(found: Found):
    rows = found.tables["unknown"]

    assert {row["model_told"].split("-")[0] for row in rows} == {"nova", "ft:gpt"}
    assert {row["cost"] for row in rows} == {None}
    assert all(row["unpriced_reason"].startswith("model unknown") for row in rows)


@pytest.mark.bill
def test_two_empty_sides_agree_on_nothing(found: Found):
    told = found.idle

    assert (told["verified"], told["verified_since"]) == ([], None)
    assert {name: days for name, days in told["days"].items() if days} == {"neither": 7}
    assert {name: days for name, days in told["completeness"].items() if days} == {"missing": 7}
