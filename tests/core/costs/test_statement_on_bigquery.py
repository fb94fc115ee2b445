"""A month's statement on BigQuery beside the same on DuckDB, of the same rows made by chance."""

import random
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest

from src.core.costs.comparison import Compare, month_window
from src.core.costs.question import CostQuestion
from src.core.costs.statement import MonthStatement, read_statement
from src.core.engine.port import Warehouse
from tests.core.costs.bills import PUBLISHED, cost, manifest, mark, publish, reader
from tests.core.costs.test_models_on_bigquery import ACME, opened
from tests.core.costs.test_summary import change, month

OCTOBER = month_window(date(2026, 10, 1))
DAYS = [date(2026, 8, 28) + timedelta(days=number) for number in range(70)]


def statements(warehouse: Warehouse) -> list[MonthStatement]:
    chance = random.Random(7)
    kinds = ("regular", "tax", "adjustment", None)
    rows = [
        cost(
            chance.choice(DAYS),
            str(Decimal(chance.randrange(-(10**12), 10**12)).scaleb(-9)),
            currency=chance.choice(("USD", "EUR")),
            service=chance.choice((None, "a", "b")),
            cost_type=chance.choice(kinds),
            invoice_month=chance.choice((None, "202609", "202610", "202611")),
        )
        for _ in range(60)
    ]
    cause = {"cause": "correction", "net": "1", "first_load_day": "2026-11-03", "last_load_day": "2026-11-03"}
    publish(
        warehouse,
        ACME,
        gcp_cost_daily=rows,
        x_cost_daily=[mark(day) for day in DAYS],
        x_cost_monthly=[{**month("202610", currency), "completeness": "complete"} for currency in ("USD", "EUR")],
        x_cost_history=[{**change("2026-10-30", 1), "causes": [cause]}],
        x_load_manifests=[manifest(PUBLISHED)],
    )
    asked = reader(warehouse, ACME)
    return [read_statement(asked, CostQuestion(OCTOBER, groups=("service",), compare=by), (), 10) for by in get_args(Compare)]


@pytest.mark.engine
@pytest.mark.proof
def test_bigquery_tells_a_month_the_same(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    found = {}
    for engine in ("duckdb", "bigquery"):
        with opened(engine, tmp_path / engine, request) as warehouse:
            found[engine] = statements(warehouse)
    for one, other in zip(found["duckdb"], found["bigquery"], strict=True):
        assert one.bridges == other.bridges
        assert (one.trust, one.verifications, one.not_complete) == (other.trust, other.verifications, other.not_complete)
        assert replace(one.summary, calendar=other.summary.calendar) == other.summary
    first = found["duckdb"][0]
    assert {bridge.currency for bridge in first.bridges} == {"USD", "EUR"}
    assert first.summary.totals[0].change.net_cost is not None
    assert first.summary.restatements[0].sentence.endswith("Google Cloud corrected it on 3 November.")
