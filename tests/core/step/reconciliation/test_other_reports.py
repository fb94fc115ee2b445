"""Reports that tell less than OpenAI's: no kinds, no quantities, not every tier, gifts; and figures that lie between two bounds."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from src.core.base.identity import Tenant
from src.core.engine.port import Warehouse
from tests.core.step.reconciliation.both_sides import BothSides, answers, booked, by_item, parts_of

M = 1_000_000
COARSE: Mapping[str, Any] = {"grouped_by": "project_id,line_item", "api_key_id": None}
COMPUTED: Mapping[str, Any] = {"bill": "computed"}


def shown(bill: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    return {(row["api_key_id"], row["line_item"], row["figure"], row["allocation"], row["cost"], row["credits"]) for row in bill}


def proven(warehouse: Warehouse, tenant: Tenant, **said: Any) -> None:
    for name in ("money", "rows"):
        found = answers(warehouse, tenant, name, said=said)
        assert found
        assert [one for one in found if one["ours"] != one["theirs"]] == []


def doubts(warehouse: Warehouse, tenant: Tenant, **said: Any) -> list[tuple[str, str]]:
    return [(one["completeness"], one["reason"]) for one in answers(warehouse, tenant, "doubts", said=said)]


def test_a_tier_that_stands_in_no_report_is_added_to_it_and_explains_itself(duckdb: Warehouse, acme: Tenant) -> None:
    made = BothSides()
    made.use("input", M, "2")
    made.use("input", M, "4", service_tier="priority")
    made.use("output", M, "40", service_tier="priority")
    made.tell("gpt-x, input", "2", M)
    told = {"untold_tiers": ("priority",)}

    lines, bill = booked(duckdb, acme, made, said=told)

    assert {name: parts_of(line) for name, line in by_item(lines).items()} == {
        "input": {"cause_not_in_report": Decimal(-4)},
        "output": {"cause_not_in_report": Decimal(-40)},
    }
    assert (by_item(lines)["input"]["computed"], by_item(lines)["input"]["computed_quantity"]) == (6, 2 * M)
    assert shown(bill) == {
        ("key-1", "input", "reported", "billed", 2, 0),
        ("key-1", "input", "reported", "untold", 4, 0),
        ("key-1", "output", "reported", "untold", 40, 0),
    }
    proven(duckdb, acme, **told)
    assert doubts(duckdb, acme, **told) == []


def test_where_use_is_the_figure_such_a_tier_is_a_part_of_its_line(duckdb: Warehouse, acme: Tenant) -> None:
    made = BothSides()
    made.use("input", M, "2")
    made.use("input", M, "4", service_tier="priority")
    told = {"untold_tiers": ("priority",)}
    _, bill = booked(duckdb, acme, made, said=told, **COMPUTED)
    assert [(row["allocation"], row["cost"], row["row_count"]) for row in bill] == [("computed", Decimal(6), 2)]
    proven(duckdb, acme, **told)


def test_such_a_tier_without_a_price_leaves_the_day_partial(duckdb: Warehouse, acme: Tenant) -> None:
    made = BothSides()
    made.use("input", M, "2")
    made.use("input", M, None, service_tier="priority")
    made.tell("gpt-x, input", "2", M)
    told = {"untold_tiers": ("priority",)}

    booked(duckdb, acme, made, said=told)

    proven(duckdb, acme, **told)
    assert doubts(duckdb, acme, **told) == [("partial", "org-1: use of a tier that stands in no report has no price")]


def test_of_a_report_that_tells_no_kinds_all_money_of_a_model_is_one_line(duckdb: Warehouse, acme: Tenant) -> None:
    made = BothSides()
    for key, times in (("key-a", 1), ("key-b", 3)):
        made.use("input", times * M, "2", api_key_id=key)
        made.use("output", times * M, "6", api_key_id=key)
    made.tell("gpt-x, input", "32", **COARSE)
    made.tell("gpt-x, bees", "1", **COARSE)
    told = {"tells_kinds": False, "tells_quantities": False}

    lines, bill = booked(duckdb, acme, made, said=told)

    assert {name: (line["computed"], line["reported"], parts_of(line)) for name, line in by_item(lines).items()} == {
        "usage": (32, 32, {}),
        "bees": (None, 1, {"unexplained": Decimal(1)}),
    }
    assert shown(bill) == {
        ("key-a", "usage", "reported", "allocated", 8, 0),
        ("key-b", "usage", "reported", "allocated", 24, 0),
        (None, "bees", "reported", "billed", 1, 0),
    }
    proven(duckdb, acme, **told)


def test_what_a_gift_paid_is_cost_and_credit(duckdb: Warehouse, acme: Tenant) -> None:
    made = BothSides()
    made.use("input", M, "2")
    made.tell("gpt-x, input", "1.5", M, project_id=None)
    made.tell("gpt-x, input", "2", M)
    told = {"credit": "CASE WHEN project_id IS NOT NULL THEN -amount ELSE CAST(0 AS BIGNUMERIC) END"}

    lines, bill = booked(duckdb, acme, made, said=told)

    assert [(line["project_id"], line["reported"], line["difference"]) for line in lines if line["computed_rows"]] == [("proj-1", 2, 0)]
    assert sorted((row["cost"], row["credits"], row["net_cost"]) for row in bill) == [(Decimal("1.5"), 0, Decimal("1.5")), (2, -2, 0)]
    proven(duckdb, acme, **told)


def test_further_figures_stand_only_where_there_is_neither(duckdb: Warehouse, acme: Tenant) -> None:
    made = BothSides()
    made.use("input", M, "2")
    columns = """usage_date, '202611' AS invoice_month, account, CAST(NULL AS STRING) AS project_id, CAST(NULL AS STRING) AS api_key_id,
        CAST(NULL AS STRING) AS model, 'balance' AS line_item, 'estimated' AS figure, 'estimated' AS allocation, 'CNY' AS currency,
        BIGNUMERIC '7' AS cost, BIGNUMERIC '0' AS credits, BIGNUMERIC '7' AS net_cost, 0 AS unpriced_rows, 1 AS row_count,
        CAST(NULL AS TIMESTAMP) AS source_as_of"""
    days = (
        "UNNEST([STRUCT(DATE '2026-11-03' AS usage_date, 'org-1' AS account), STRUCT(DATE '2026-11-03' AS usage_date, 'other' AS account)])"
    )
    told = {"further": f"SELECT {columns} FROM {days} AS days"}

    _, bill = booked(duckdb, acme, made, said=told)

    assert {(row["account"], row["figure"], row["net_cost"]) for row in bill} == {("org-1", "computed", 2), ("other", "estimated", 7)}
    proven(duckdb, acme, **told)
    _, none = booked(duckdb, acme, made, said=told, bill="reported")
    assert {(row["account"], row["figure"]) for row in none} == {("org-1", "estimated"), ("other", "estimated")}


@pytest.mark.parametrize(
    ("amounts", "causes"),
    [
        (("3", "8", "4"), {"input": "cause_long_context", "output": "cause_long_context"}),
        (("1.7", "5.1", "3.4"), {"input": "cause_rate_differs", "output": "cause_rate_differs", "cached_input": "cause_rate_differs"}),
        (("9", "6", "4"), {"input": "unexplained"}),
    ],
)
def test_a_report_without_quantities_is_taken_to_mean_what_usage_tells(
    duckdb: Warehouse, acme: Tenant, amounts: tuple[str, str, str], causes: Mapping[str, str]
) -> None:
    made = BothSides()
    made.use("input", M, "2", cost_if_long=Decimal(4))
    made.use("output", M, "6", cost_if_long=Decimal(9))
    made.use("cached_input", 2 * M, "2")
    for kind, amount in zip(("input", "output", "cached input"), amounts, strict=True):
        made.tell(f"gpt-x, {kind}", amount)

    lines, _ = booked(duckdb, acme, made, said={"tells_quantities": False})

    assert {name: [*parts_of(line)] for name, line in by_item(lines).items() if parts_of(line)} == {
        name: [cause] for name, cause in causes.items()
    }
    # of a report that tells quantities of other lines nothing is taken for granted
    told, _ = booked(duckdb, acme, made)
    assert {cause for line in told for cause in parts_of(line)} <= {"unexplained", "cause_late_data"}
    # nor of a day that may still change: what of the difference is use that comes late is not known, and no rule is broken
    open_, _ = booked(duckdb, acme, made, settled=[], said={"tells_quantities": False})
    assert {cause for line in open_ for cause in parts_of(line)} == {"cause_late_data"}
    assert {line["remainder_state"] for line in open_} == {"ok"}


def test_a_computed_day_that_lies_between_two_bounds_says_them(duckdb: Warehouse, acme: Tenant) -> None:
    made = BothSides()
    made.use("input", M, "2", account="long", cost_if_long=Decimal(4))
    made.use("output", M, "6", account="long")
    made.use(
        "input", M, None, account="hours", currency="USD", cost_least=Decimal("0.15"), cost_most=Decimal("0.3"), unpriced_reason="range: x"
    )
    made.use("output", M, None, account="open end", currency="USD", cost_least=Decimal(1), unpriced_reason="range: x")
    made.use("output", M, "3", account="sure")

    booked(duckdb, acme, made, **COMPUTED)

    [reason] = [reason for completeness, reason in doubts(duckdb, acme) if completeness == "partial"]
    assert reason.split("; ") == [
        "hours cost between 0.15 and 0.3 USD: nobody tells by which of several rates some of it is charged",
        "long cost between 8 and 10 USD: nobody tells how long its prompts were",
        "open end cost 1 or more USD: nobody tells by which of several rates some of it is charged",
    ]


@pytest.mark.parametrize(("amount", "told"), [("2", []), ("3", ["partial"])])
def test_a_report_that_says_the_short_price_is_proof_that_no_prompt_was_long(
    duckdb: Warehouse, acme: Tenant, amount: str, told: list[str]
) -> None:
    made = BothSides()
    made.use("input", M, "2", cost_if_long=Decimal(4))
    made.tell("gpt-x, input", amount, M)

    booked(duckdb, acme, made, **COMPUTED)

    assert [completeness for completeness, _ in doubts(duckdb, acme)] == told
