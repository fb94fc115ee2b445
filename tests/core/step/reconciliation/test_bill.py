"""Which figure is the bill, whose the money is, which days are doubted, and which are to be made anew."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from src.core.base.identity import Tenant
from src.core.engine.port import Warehouse
from tests.core.step.reconciliation.both_sides import DAY, BothSides, answers, booked

M = 1_000_000
OPEN = date(2026, 11, 20)
COARSE: Mapping[str, Any] = {"grouped_by": "project_id,line_item", "api_key_id": None}
Shown = tuple[str | None, str, str, str, Decimal]


def sides() -> BothSides:
    made = BothSides()
    for key, times in (("key-a", 1), ("key-b", 2), (None, 4)):
        made.use("input", times * M, "2", account="coarse", api_key_id=key)
    made.tell("gpt-x, input", "0.10", 7 * M, account="coarse", **COARSE)
    made.tell("gpt-x, output", "0.07", None, account="coarse", **COARSE)
    made.tell("promotional credit", "-5", account="coarse", **COARSE)
    made.use("input", M, "2", account="fine")
    made.tell("gpt-x, input", "1.5", M, account="fine", api_key_id="gone")
    made.tell("gpt-x, input", "0.5", None, account="fine", api_key_id=None)
    made.tell("gpt-x, output", "3", None, account="fine", currency="EUR")
    for account, day in (("open", OPEN), ("told late", OPEN)):
        made.use("input", M, "2", account=account, usage_date=day)
    made.use("input", M, None, account="open", usage_date=OPEN, model="gpt-new", unpriced_reason="model unknown: none of this name")
    made.tell("gpt-x, input", "2", M, account="open", usage_date=OPEN)
    made.tell("gpt-x, training", "3", 9, account="training alone", usage_date=OPEN)
    return made


def shown(bill: list[dict[str, Any]]) -> Mapping[str, list[Shown]]:
    found: dict[str, list[Shown]] = defaultdict(list)
    for row in bill:
        found[row["account"]].append((row["api_key_id"], row["line_item"], row["figure"], row["allocation"], row["net_cost"]))
        assert row["net_cost"] == row["cost"] + row["credits"]
    return {account: sorted(rows, key=str) for account, rows in found.items()}


EXPECTED: Mapping[str, set[tuple[str | None, str, str, str, str]]] = {
    "coarse": {
        # sevenths of ten cents, cut at nine decimals of the share; what they leave is the last one's
        (None, "input", "reported", "allocated", "0.0571428571"),
        ("key-a", "input", "reported", "allocated", "0.0142857143"),
        ("key-b", "input", "reported", "allocated", "0.0285714286"),
        (None, "output", "reported", "billed", "0.07"),
        (None, "promotional credit", "reported", "billed", "-5"),
    },
    "fine": {
        ("gone", "input", "reported", "billed", "1.5"),
        (None, "input", "reported", "billed", "0.5"),
        ("key-1", "output", "reported", "billed", "3"),
    },
    "open": {("key-1", "input", "computed", "computed", "2"), ("key-1", "input", "computed", "computed", "0")},
    "told late": {("key-1", "input", "computed", "computed", "2")},
    "training alone": {("key-1", "training", "reported", "billed", "3")},
}


@pytest.mark.parametrize("engine", ["duckdb", pytest.param("bigquery", marks=pytest.mark.process)])
def test_a_day_has_one_figure_and_each_key_its_share(request: pytest.FixtureRequest, acme: Tenant, engine: str) -> None:
    warehouse: Warehouse = request.getfixturevalue(engine)
    _, bill = booked(warehouse, acme, sides())
    found = shown(bill)
    assert {name: {(*row[:4], row[4]) for row in rows} for name, rows in found.items()} == {
        name: {(*row[:4], Decimal(row[4])) for row in rows} for name, rows in EXPECTED.items()
    }
    assert sum(row[4] for row in found["coarse"] if row[1] == "input") == Decimal("0.10")
    assert {row["currency"] for row in bill if row["account"] == "fine" and row["line_item"] == "output"} == {"EUR"}
    for name in ("money", "rows"):
        assert [one for one in answers(warehouse, acme, name) if one["ours"] != one["theirs"]] == []
    doubts = sorted(answers(warehouse, acme, "doubts"), key=lambda one: one["completeness"])
    assert [(one["usage_date"], one["completeness"]) for one in doubts] == [(DAY, "provisional"), (OPEN, "unpriced")]
    assert doubts[1]["reason"] == "no price for gpt-new; lay the price and run openai/reprice"
    # in euros there is nothing beside it, and dollars are no part of them
    assert doubts[0]["reason"].endswith("EUR is explained by no cause")
    assert "USD" not in doubts[0]["reason"]
    assert answers(warehouse, acme, "due") == []
    due = answers(warehouse, acme, "due", settled=[OPEN])
    assert [one["usage_date"] for one in due] == [OPEN]
    assert answers(warehouse, acme, "due", settled=[OPEN], bill="computed") == due


@pytest.mark.parametrize(
    ("reason", "mend"),
    [
        ("no rate: m has none", "lay the price and run openai/reprice"),
        ("rate changed: at noon", "a price turned within the day, load it again"),
        ("kind unknown: m", "for what this release does not know none can be laid, and the report alone tells its cost"),
    ],
)
def test_what_is_to_be_done_for_use_without_a_price_goes_by_why_it_has_none(
    duckdb: Warehouse, acme: Tenant, reason: str, mend: str
) -> None:
    made = BothSides()
    made.use("input", M, None, unpriced_reason=reason)
    booked(duckdb, acme, made)
    assert [one["reason"] for one in answers(duckdb, acme, "doubts")] == [f"no price for gpt-x; {mend}"]


def test_keys_whose_costs_are_too_small_to_be_divided_leave_nothing_of_an_amount(duckdb: Warehouse, acme: Tenant) -> None:
    made = BothSides()
    for key in ("key-a", "key-b"):
        made.use("input", 1, "0.0000000001", api_key_id=key)
    made.tell("gpt-x, input", "1", 2, **COARSE)
    _, bill = booked(duckdb, acme, made)
    assert {row["api_key_id"]: row["net_cost"] for row in bill} == {"key-a": 0, "key-b": 1}


def test_the_rule_says_which_figure_it_is(duckdb: Warehouse, acme: Tenant) -> None:
    _, computed = booked(duckdb, acme, sides(), bill="computed")
    assert {account: {row[2] for row in rows} for account, rows in shown(computed).items()} == {
        "coarse": {"computed"},
        "fine": {"computed"},
        "open": {"computed"},
        "told late": {"computed"},
    }
    _, reported = booked(duckdb, acme, sides(), bill="reported")
    assert {account: {row[2] for row in rows} for account, rows in shown(reported).items()} == {
        account: {"reported"} for account in ("coarse", "fine", "open", "training alone")
    }


@pytest.mark.parametrize(
    ("bill", "told"),
    [
        (
            "reported",
            [
                "gpt-new: used, in no line of the report, and without a price",
                "told late has usage that the report does not tell, and by the rule of its bill only that counts",
            ],
        ),
        ("computed", ["training alone has a report without usage, and by the rule of its bill only usage counts"]),
        ("reported_where_complete", []),
    ],
)
def test_a_day_whose_rule_leaves_an_account_without_a_figure_is_no_whole_day(
    duckdb: Warehouse, acme: Tenant, bill: str, told: list[str]
) -> None:
    booked(duckdb, acme, sides(), bill=bill)
    found = [one for one in answers(duckdb, acme, "doubts") if one["completeness"] == "partial"]
    assert sorted((one["usage_date"], one["reason"].partition(";")[0]) for one in found) == [(OPEN, reason) for reason in told]


@pytest.mark.parametrize(
    ("rules", "state"),
    [
        ({}, "hold"),
        ({"hold_share": Decimal("0.5")}, "warn"),
        ({"hold_share": Decimal("0.5"), "warn_share": Decimal("0.4")}, "ok"),
        ({"least": Decimal("0.31")}, "ok"),
    ],
)
def test_what_nothing_explains_is_warned_of_or_held_by_the_rules(
    duckdb: Warehouse, acme: Tenant, rules: dict[str, Any], state: str
) -> None:
    made = BothSides()
    made.use("input", M, "1")
    made.use("output", M, "2")
    made.tell("gpt-x, input", "1", M)
    made.tell("gpt-x, output", "1.7")
    lines, _ = booked(duckdb, acme, made, **rules)
    assert {line["line_item"]: line["remainder_state"] for line in lines} == {"input": "ok", "output": state}
    assert bool(answers(duckdb, acme, "doubts")) == (state == "hold")
