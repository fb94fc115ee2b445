"""What closes OpenAI's books goes red where a figure is lost, told twice or moved: each damage is done to books that are whole."""

from datetime import UTC, datetime, time
from typing import Any

import pytest

from src.core.base.identity import Tenant
from src.core.engine.port import Fence, Warehouse
from tests.core.step.reconciliation.both_sides import DAY, USAGE, BothSides, answers, booked, schema_of

M = 1_000_000
TWICE = "INSERT INTO {table} SELECT * FROM {table} WHERE account = 'fine'"


def whole(warehouse: Warehouse, tenant: Tenant) -> None:
    """Of one account all is reported, of the other nothing."""
    made = BothSides()
    made.use("input", M, "2", account="fine")
    made.use("output", 2 * M, "3", account="silent")
    made.tell("gpt-x, input", "2.5", M, account="fine")
    booked(warehouse, tenant, made)
    warehouse.ensure_table(tenant, schema_of(USAGE))
    told: dict[str, Any] = {"usage_date": DAY, "source_slice": str(DAY), "bucket_start": datetime.combine(DAY, time(), UTC)}
    told |= {"bucket_seconds": 86_400, "endpoint": "completions", "model": "gpt-x"}
    rows = [{**told, "source": "fine", "input_tokens": M}, {**told, "source": "silent", "input_tokens": 0, "output_tokens": 2 * M}]
    generation = warehouse.last_generation(tenant, "usage") + 1
    with warehouse.publication(tenant, f"usage_{generation}", Fence("usage", generation)) as publication:
        publication.replace(USAGE, rows)


def wrong(warehouse: Warehouse, tenant: Tenant, proof: str) -> set[str]:
    found = answers(warehouse, tenant, proof)
    assert found
    return {one["what"] for one in found if one["ours"] != one["theirs"]}


def damaged(warehouse: Warehouse, tenant: Tenant, statement: str) -> None:
    generation = warehouse.last_generation(tenant, "damage") + 1
    with warehouse.publication(tenant, f"damage_{generation}", Fence("damage", generation)) as publication:
        assert publication.execute(statement) > 0


@pytest.mark.parametrize(
    ("proof", "damage", "told"),
    [
        ("proof_usage", "DELETE FROM openai_cost_daily WHERE account = 'fine'", {"tokens used"}),
        ("proof_usage", TWICE.format(table="openai_cost_daily"), {"tokens used"}),
        ("proof_usage", f"DELETE FROM {USAGE} WHERE source = 'silent'", {"tokens used"}),
        (
            "money",
            "UPDATE openai_bill_daily SET net_cost = net_cost - 0.000000000001 WHERE account = 'fine'",
            {"billed as reported USD"},
        ),
        ("money", TWICE.format(table="openai_bill_daily"), {"billed as reported USD"}),
        (
            "money",
            "UPDATE openai_bill_daily SET currency = 'EUR' WHERE account = 'silent'",
            {"billed as computed USD", "billed as computed EUR"},
        ),
        ("money", "UPDATE openai_cost_reconciliation_daily SET unexplained = unexplained + 0.01 WHERE TRUE", {"different USD"}),
        ("rows", "DELETE FROM openai_cost_reconciliation_daily WHERE account = 'silent'", {"rows of usage"}),
        ("rows", "DELETE FROM openai_cost_reconciliation_daily WHERE account = 'fine'", {"rows of the cost report", "rows of usage"}),
        (
            "rows",
            "UPDATE openai_cost_reconciliation_daily SET cause_cache = cause_cache + 1 WHERE account = 'fine'",
            {"lines whose parts are not their difference"},
        ),
        ("rows", "UPDATE openai_bill_daily SET account = 'fine' WHERE TRUE", {"days with both figures"}),
    ],
)
def test_a_proof_tells_what_is_lost_told_twice_or_moved(duckdb: Warehouse, acme: Tenant, proof: str, damage: str, told: set[str]) -> None:
    whole(duckdb, acme)
    assert wrong(duckdb, acme, proof) == set()

    damaged(duckdb, acme, damage)

    assert wrong(duckdb, acme, proof) == told


@pytest.mark.parametrize("account", ["fine", "silent"])
def test_a_day_without_the_figure_of_an_account_is_no_whole_day(duckdb: Warehouse, acme: Tenant, account: str) -> None:
    """A rule may leave it without one, so that no proof can tell; the day does."""
    whole(duckdb, acme)

    damaged(duckdb, acme, f"DELETE FROM openai_bill_daily WHERE account = '{account}'")

    doubts = answers(duckdb, acme, "doubts")
    assert [one["completeness"] for one in doubts if account in one["reason"]] == ["partial"]
