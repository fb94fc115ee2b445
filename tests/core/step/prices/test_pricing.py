"""Usage priced through the warehouse, beside a model of it that was written from what OpenAI says and not from our SQL."""

import random
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from src.core.base.clock import SystemClock
from src.core.engine import open_warehouse
from src.core.engine.port import Warehouse
from tests.contract.warehouse.conftest import prepare, settings_for, tenant_named
from tests.core.step.prices.books import day, rate
from tests.core.step.prices.pricing import DAILY, MODELS, NAMES, NO_NAMES, in_one_query, priced_by, random_rates, random_usage
from tests.core.step.prices.usage_model import TOOLS, PricedUse, priced

ACME = tenant_named("acme_corp")
# rows of usage and price books that are tried; on the emulator a statement costs seconds
TRIED = {"duckdb": (1_500, 2), "bigquery": (150, 1)}


@pytest.fixture(scope="module", params=["duckdb", "bigquery"])
def engine(request) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def warehouse(engine, request, tmp_path_factory) -> Iterator[Warehouse]:
    folder = tmp_path_factory.mktemp("pricing")
    prepare(engine, folder, request, "pricing")
    opened = open_warehouse(settings_for(engine, folder), SystemClock())
    yield opened
    opened.close()


def test_usage_is_priced_to_the_last_digit(engine, warehouse):
    rows, books = TRIED[engine]
    names = {told: (model, "eu" if told == "eu.m1" else "any") for told, (model, _) in NAMES.items()} | dict.fromkeys(
        NO_NAMES, (None, "any")
    )
    for seed in range(books):
        chance = random.Random(seed)
        rates, usage = random_rates(chance), random_usage(chance, rows)

        found = priced_by(warehouse, ACME, usage, rates)

        by_model = {model: [one for one in rates if one.model == model] for model in MODELS}
        by_key = sorted(usage, key=lambda row: row["api_key_id"])
        wanted = [(row, one) for row in by_key for one in sorted(priced(row, by_model, names), key=lambda one: one.kind)]
        assert len(found) == len(wanted) > rows
        for ours, (row, theirs) in zip(found, wanted, strict=True):
            assert as_told(ours) == as_expected(row, theirs), (seed, row, theirs, ours)
            assert said_why(ours) in (theirs.unpriced or (None,)), (seed, row, theirs, ours)


def as_told(row: Mapping[str, Any]) -> tuple[Any, ...]:
    names = "token_kind", "quantity", "unit", "charged_kind", "rate_id", "cost", "cost_if_long", "may_be_long", "price_rule"
    return row["api_key_id"], *(row[name] for name in names)


def as_expected(row: Mapping[str, Any], one: PricedUse) -> tuple[Any, ...]:
    name = "exact" if row["endpoint"] in TOOLS else NAMES.get(row.get("model"), ("", ""))[1]
    rules = None if one.unpriced else "+".join((name, *one.rules))
    what = one.kind, one.quantity, one.unit, one.charged_kind, one.rate_id
    return row["api_key_id"], *what, one.cost, one.cost_if_long, one.may_be_long, rules


def said_why(row: Mapping[str, Any]) -> str | None:
    reason: str | None = row["unpriced_reason"]
    return reason and reason.partition(":")[0]


# price and the units that it is for, quantity, and what that comes to; the last has more digits than are kept
ENDS = (
    ("m1", ("1.000000000000000001", 1), 10**15, "1000000000000000.001"),
    ("m2", ("0.000000000000000001", 2), 1, "0.000000000000000001"),
    ("m2", ("0.000000000000000001", 2), 3, "0.000000000000000002"),
    ("m2", ("0.000000000000000001", 2), 10**15 + 1, "0.000500000000000001"),
    ("m3", ("1", 3), 1, "0.333333333333333333"),
    ("m3", ("1", 3), 2, "0.666666666666666667"),
    ("m3", ("1", 3), 10**15, "333333333333333.333333333333333333"),
    ("m4", ("5000000000000000000", 1), 19, "95000000000000000000"),
    ("m4", ("5000000000000000000", 1), 20, None),
)
AT_THE_ENDS = [rate(price, model=model, per=per) for model, (price, per) in {model: price for model, price, *_ in ENDS}.items()]


def at_the_ends() -> list[dict[str, Any]]:
    return [row_of(number, model=model, input_tokens=tokens) for number, (model, _, tokens, _) in enumerate(ENDS)]


def test_what_costs_come_to_at_the_ends_of_what_is_kept(warehouse):
    found = priced_by(warehouse, ACME, at_the_ends(), AT_THE_ENDS)

    assert [row["cost"] for row in found] == [cost and Decimal(cost) for *_, cost in ENDS]
    assert found[-1]["unpriced_reason"] == "too large: the cost has more digits than are kept"


def test_googlesqls_own_evaluator_finds_the_same(analyzer):
    answer = analyzer.evaluate(in_one_query(at_the_ends(), AT_THE_ENDS))

    key, cost = DAILY.columns.index("api_key_id"), DAILY.columns.index("cost")
    assert [row[cost] for row in sorted(answer["rows"], key=lambda row: row[key])] == [cost for *_, cost in ENDS]


def row_of(number: int, **told: Any) -> dict[str, Any]:
    span = {"usage_date": day(0).date(), "bucket_start": day(0), "bucket_seconds": int(timedelta(1).total_seconds())}
    return {"source": "org", "source_slice": "2026-11-01", **span, "endpoint": "completions", "api_key_id": f"key_{number}", **told}
