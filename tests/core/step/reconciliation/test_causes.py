"""One difference at a time, with its figures said beforehand; each in an account of its own, all booked at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from src.core.base.identity import Tenant
from src.core.engine.port import Warehouse
from tests.core.step.reconciliation.both_sides import DAY, BothSides, answers, booked, parts_of

M = 1_000_000
OPEN = date(2026, 11, 20)
TIERS = {"standard": Decimal(1), "batch": Decimal("0.5"), "flex": Decimal("0.45"), "priority": Decimal("2.5")}
KINDS = {"input": Decimal(2), "cached_input": Decimal("0.2"), "output": Decimal(10)}


@dataclass(frozen=True)
class Case:
    name: str
    used: Sequence[Mapping[str, Any]] = ()
    told: Sequence[tuple[Any, ...]] = ()
    parts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of each line item that has a difference."""
    day: date = DAY


def use(kind: str, millions: int = 1, tier: str = "standard", **more: Any) -> Mapping[str, Any]:
    price = KINDS.get(kind, Decimal(0)) * TIERS.get(tier, Decimal(1))
    return {"kind": kind, "quantity": millions * M, "price": price, "service_tier": tier, **more}


UNPRICED: Mapping[str, Any] = {"price": None, "cost": None}
CASES = (
    Case("cached tokens at the price of input", [use("cached_input")], [("cached input", "2", M)], {"cached_input": {"cache": "1.8"}}),
    Case("input at the price of cached tokens", [use("input")], [("input", "0.2", M)], {"input": {"cache": "-1.8"}}),
    Case(
        "cached tokens told among input",
        [use("input", 3), use("cached_input")],
        [("input", "8", 4 * M)],
        {"input": {"cache": "2"}, "cached_input": {"cache": "-0.2"}},
    ),
    Case(
        "cached tokens told twice",
        [use("input", 3), use("cached_input")],
        [("input", "8", 4 * M), ("cached input", "0.2", M)],
        {"input": {"cache": "2"}},
    ),
    Case(
        "input told among cached tokens",
        [use("input", 3), use("cached_input")],
        [("cached input", "0.8", 4 * M)],
        {"input": {"cache": "-6"}, "cached_input": {"cache": "0.6"}},
    ),
    Case("batch as standard", [use("input", tier="batch")], [("input", "2", M)], {"input": {"batch": "1"}}),
    Case("standard as batch", [use("input")], [("input", "1", M)], {"input": {"batch": "-1"}}),
    Case("batch as standard, without a quantity", [use("input", tier="batch")], [("input", "2", None)], {"input": {"batch": "1"}}),
    Case("flex as standard", [use("input", tier="flex")], [("input", "2", M)], {"input": {"tier": "1.1"}}),
    Case("priority as standard", [use("output", tier="priority")], [("output", "10", M)], {"output": {"tier": "-15"}}),
    Case("standard as priority", [use("input")], [("input", "5", M)], {"input": {"tier": "3"}}),
    Case("standard as flex", [use("input")], [("input", "0.9", M)], {"input": {"tier": "-1.1"}}),
    Case(
        "batch and priority as standard",
        [use("input"), use("input", tier="batch"), use("input", tier="priority")],
        [("input", "6", 3 * M)],
        {"input": {"batch": "1", "tier": "-3"}},
    ),
    Case("long requests", [use("input", cost_if_long=Decimal(4))], [("input", "2.7", M)], {"input": {"long_context": "0.7"}}),
    Case("more than long requests", [use("input", cost_if_long=Decimal(4))], [("input", "4.7", M)], {"input": {"rate_differs": "2.7"}}),
    Case(
        "a long request is dearer in what it reads and in what it writes",
        [use("input", cost_if_long=Decimal(4)), use("output", cost_if_long=Decimal(15))],
        [("input", "2.7", M), ("output", "11", M)],
        {"input": {"long_context": "0.7"}, "output": {"long_context": "1"}},
    ),
    Case(
        "one that is dearer in one of them alone is none",
        [use("input", cost_if_long=Decimal(4)), use("output", cost_if_long=Decimal(15))],
        [("input", "2.7", M), ("output", "10", M)],
        {"input": {"rate_differs": "0.7"}},
    ),
    Case(
        "one ratio on every line is no long request",
        [use("input", cost_if_long=Decimal(4)), use("output", cost_if_long=Decimal(15))],
        [("input", "2.2", M), ("output", "11", M)],
        {"input": {"rate_differs": "0.2"}, "output": {"rate_differs": "1"}},
    ),
    Case(
        "long requests of who pays 85 percent of every price",
        [
            use("input", cost_if_long=Decimal(4)),
            use("output"),
            use("call", price=Decimal(10), model="web-search", unit="call", per=1000, cost=Decimal(20)),
        ],
        [("input", "2.4", M), ("output", "8.5", M), ("!web search tool calls", "17", M, None)],
        {"input": {"rate_differs": "-0.3", "long_context": "0.7"}, "output": {"rate_differs": "-1.5"}, "call": {"rate_differs": "-3"}},
    ),
    Case(
        "storage told by the hour",
        [
            {
                "kind": "storage",
                "quantity": 3 * 2**30 // 2,
                "price": Decimal(0),
                "model": "vector-storage",
                "unit": "byte",
                "cost": Decimal("0.15"),
            }
        ],
        [("!vector store storage", "0.12", 36, "gibibyte_hours")],
        {"storage": {"rate_differs": "-0.03"}},
    ),
    Case("another price", [use("input")], [("input", "1.7", M)], {"input": {"rate_differs": "-0.3"}}),
    Case("another price of what no quantity is told", [use("input")], [("input", "1.7", None)], {"input": {"unexplained": "-0.3"}}),
    Case(
        "quantities in a unit that is not ours", [use("input")], [("input", "1.7", 9, "duration_hours")], {"input": {"unexplained": "-0.3"}}
    ),
    Case("a model that the book lacks", [use("input", **UNPRICED)], [("input", "2", M)], {"input": {"model_unknown": "2"}}),
    Case(
        "a tier that the book lacks",
        [use("input"), use("input", tier="ultra", **UNPRICED)],
        [("input", "14", 2 * M)],
        {"input": {"model_unknown": "12"}},
    ),
    Case(
        "what no report of usage has",
        [use("input")],
        [("input", "2", M), ("training", "9.375", 375_000), ("!file storage", "0.1", None), ("!promotional credit", "-12.34", None)],
        {"training": {"not_in_usage": "9.375"}, "file storage": {"not_in_usage": "0.1"}, "promotional credit": {"not_in_usage": "-12.34"}},
    ),
    Case(
        "a credit that is charged is none",
        [use("input")],
        [("input", "2", M), ("!promotional credit", "12.34", None)],
        {"promotional credit": {"unexplained": "12.34"}},
    ),
    Case(
        "rounded to cents",
        [use("input")],
        [("input", "2.01", M), ("output", "1.27", None)],
        {"output": {"unexplained": "1.27"}, "input": {"rate_differs": "0.01"}},
    ),
    Case(
        "rounded to four decimals",
        [use("input", price=Decimal("1.99996"))],
        [("input", "2.0001", M)],
        {"input": {"rate_differs": "0.00014"}},
    ),
    Case(
        "rounded within four decimals",
        [use("input", price=Decimal("2.00006"))],
        [("input", "2.0001", M)],
        {"input": {"rounding": "0.00004"}},
    ),
    Case(
        "batch as standard, rounded",
        [use("input", tier="batch", quantity=1_000_030)],
        [("input", "2.0001", 1_000_030)],
        {"input": {"batch": "1.00003", "rounding": "0.00004"}},
    ),
    Case("more was used than is told, for good", [use("input", 2)], [("input", "2", M)], {"input": {"unexplained": "-2"}}),
    Case("more was used than is told yet", [use("input", 2)], [("input", "2", M)], {"input": {"late_data": "-2"}}, OPEN),
    Case(
        "more is told than was used yet",
        [use("input"), use("input", tier="batch")],
        [("input", "4", 3 * M)],
        {"input": {"late_data": "1"}},
        OPEN,
    ),
    Case(
        "more is told than so much can cost",
        [use("input"), use("input", tier="batch")],
        [("input", "9", 3 * M)],
        {"input": {"late_data": "2", "unexplained": "4"}},
        OPEN,
    ),
    Case("less is told for more", [use("input")], [("input", "1.9", 2 * M)], {"input": {"unexplained": "-0.1"}}, OPEN),
    Case("no report yet", [use("input"), use("output")], [], {"input": {"late_data": "-2"}, "output": {"late_data": "-10"}}, OPEN),
    Case("no report, for good", [use("input")], [], {"input": {"unexplained": "-2"}}),
    Case("no usage yet", [], [("input", "2", M), ("!bees", "1", None)], {"input": {"late_data": "2"}, "bees": {"late_data": "1"}}, OPEN),
    Case("no usage, for good", [], [("input", "2", M)], {"input": {"unexplained": "2"}}),
    Case("an item nobody knows", [use("input")], [("input", "2", M), ("!bees", "1", 3)], {"bees": {"unexplained": "1"}}, OPEN),
    Case(
        "images that the report bills as input",
        [use("input", 2), use("image_input", price=Decimal(2)), use("output")],
        [("input", "6", 3 * M), ("output", "10", M)],
    ),
    Case(
        "images that both tell apart",
        [use("input"), use("image_input", price=Decimal(8))],
        [("input", "2", M), ("image input", "7", M)],
        {"image_input": {"rate_differs": "-1"}},
    ),
)
PREFIX = "cause_"


@pytest.fixture(scope="module", params=["duckdb", pytest.param("bigquery", marks=pytest.mark.process)])
def lines(request: pytest.FixtureRequest, acme: Tenant) -> Mapping[str, list[dict[str, Any]]]:
    warehouse: Warehouse = request.getfixturevalue(request.param)
    sides = BothSides()
    for tier, times in TIERS.items():
        for kind, price in KINDS.items():
            sides.rate("gpt-x", tier, kind, price * times)
    for case in CASES:
        for one in case.used:
            sides.use(**{"account": case.name, "usage_date": case.day, **one})
        for item, amount, quantity, *unit in case.told:
            name = item[1:] if item.startswith("!") else f"gpt-x, {item}"
            more = {"quantity_unit": unit[0]} if unit else {}
            sides.tell(name, amount, quantity, account=case.name, usage_date=case.day, **more)
    made, _ = booked(warehouse, acme, sides)
    for question in ("money", "rows"):
        proven = answers(warehouse, acme, question)
        assert proven
        assert [one for one in proven if one["ours"] != one["theirs"] or one["ours"] is None] == []
    return {case.name: [line for line in made if line["account"] == case.name] for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "_"))
def test_a_difference_is_told_by_its_cause(lines: Mapping[str, list[dict[str, Any]]], case: Case) -> None:
    found = {line["line_item"]: {name.removeprefix(PREFIX): part for name, part in parts_of(line).items()} for line in lines[case.name]}
    assert found
    expected = {item: {name: Decimal(part) for name, part in parts.items()} for item, parts in case.parts.items()}
    assert {item: parts for item, parts in found.items() if parts} == expected
    for line in lines[case.name]:
        assert sum(parts_of(line).values()) == line["difference"] == (line["reported"] or 0) - (line["computed"] or 0)
