"""Thousands of lines by chance: the parts come to the difference to the last digit, and what was planted is found."""

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from src.core.base.identity import Tenant
from src.core.engine.port import Warehouse
from tests.core.step.reconciliation.both_sides import answers, booked, parts_of
from tests.core.step.reconciliation.chance import Account, accounts

FEW = {"cause_batch", "cause_tier"}


def by_account(lines: list[dict[str, Any]]) -> Mapping[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        found[line["account"]].append(line)
    return found


def check(one: Account, lines: list[dict[str, Any]]) -> None:
    assert lines, one.name
    found = {}
    for line in lines:
        parts = parts_of(line)
        assert sum(parts.values()) == line["difference"] == (line["reported"] or 0) - (line["computed"] or 0), (one.name, line)
        rounding = parts.pop("cause_rounding", Decimal(0))
        assert abs(rounding) <= line["reported_rows"] * Decimal(5).scaleb(-1 - one.digits), (one.name, line)
        assert len(parts) <= 1 or set(parts) == FEW, (one.name, line)
        found[line["line_item"]] = {name: part for name, part in parts.items() if part}
    found = {item: parts for item, parts in found.items() if parts}
    assert found.keys() == one.expected.keys(), (one.name, found, one.expected)
    for item, parts in one.expected.items():
        assert found[item].keys() == parts.keys(), (one.name, item, found[item], parts)
        for name, part in parts.items():
            # to within what the report rounds
            assert abs(found[item][name] - part) <= 9 * Decimal(1).scaleb(-one.digits), (one.name, item, found[item], parts)


@pytest.mark.parametrize("seed", [1, 2])
def test_what_was_planted_is_found_and_nothing_is_left(duckdb: Warehouse, acme: Tenant, seed: int) -> None:
    sides, made = accounts(seed, 1500)
    lines, bill = booked(duckdb, acme, sides)
    assert len(lines) > 2000
    for name in ("money", "rows"):
        proven = answers(duckdb, acme, name)
        assert proven
        assert all(one["ours"] is not None and one["ours"] == one["theirs"] for one in proven), proven
    found, billed = by_account(lines), by_account(bill)
    for one in made:
        check(one, found[one.name])
        check_bill(found[one.name], billed[one.name])


def check_bill(lines: list[dict[str, Any]], bill: list[dict[str, Any]]) -> None:
    """One figure, and all of its money."""
    [figure] = {row["figure"] for row in bill}
    assert sum(row["net_cost"] for row in bill) == sum(line[figure] or 0 for line in lines)
    assert all(row["net_cost"] == row["cost"] + row["credits"] and row["credits"] <= 0 <= row["cost"] for row in bill)
    assert sum(row["row_count"] for row in bill) == sum(line[f"{figure}_rows"] for line in lines)
