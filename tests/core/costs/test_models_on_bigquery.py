"""Costs of models on BigQuery beside the same on DuckDB, of the same rows made by chance."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from src.core.base.clock import SystemClock
from src.core.base.window import Window
from src.core.costs.model_sources import ModelSources
from src.core.costs.models import ModelCosts, ModelQuestion, read_models
from src.core.engine import open_warehouse
from src.core.engine.port import Warehouse
from tests.contract.warehouse.conftest import prepare as note_engine
from tests.contract.warehouse.conftest import settings_for, tenant_named
from tests.core.costs.bills import mark, prepare, publish, reader
from tests.core.costs.model_bills import DAY, asked_for, computed, plan, prepare_models
from tests.core.costs.test_models_by_chance import chosen, told

ACME = tenant_named("acme_corp")
NEXT = DAY + timedelta(1)
WINDOW = Window(DAY, NEXT)


@contextmanager
def opened(engine: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    folder.mkdir()
    note_engine(engine, folder, request)
    warehouse = open_warehouse(settings_for(engine, folder), SystemClock())
    prepare(warehouse, ACME)
    prepare_models(warehouse, ACME, "openai")
    prepare_models(warehouse, ACME, "anthropic", kinds=("subscriptions_monthly",))
    try:
        yield warehouse
    finally:
        warehouse.close()


def answers(warehouse: Warehouse) -> list[ModelCosts]:
    """Of plans without use, two pages, and other groups."""
    chance = random.Random(7)
    publish(
        warehouse,
        ACME,
        openai_cost_daily=[chosen(chance, day, "one") for day in (DAY, NEXT) for _ in range(20)],
        openai_bill_daily=[computed(DAY, "one"), *(told(chance, NEXT, "one") for _ in range(6))],
        openai_usage_daily_raw=[asked_for(3, source="one", model="b", project_id=project) for project in ("p", None)],
        anthropic_subscriptions_monthly=[plan(DAY.replace(day=1), "75")],
        x_cost_daily=[mark(day, provider="openai") for day in (DAY, NEXT)],
    )
    asked = reader(warehouse, ACME)
    keyed = ModelQuestion(WINDOW, ModelSources(("openai",)), ("day", "model", "token_kind", "key"))
    first = read_models(asked, keyed, 5)
    tiers = ModelQuestion(WINDOW, ModelSources(("openai",)), ("service_tier", "user", "project", "month"))
    seats = ModelQuestion(WINDOW, ModelSources(("anthropic",)))
    return [read_models(asked, seats, 10), first, read_models(asked, keyed, 100, first.next_cursor), read_models(asked, tiers, 100)]


@pytest.mark.engine
@pytest.mark.proof
def test_bigquery_answers_models_the_same(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    found = {}
    for engine in ("duckdb", "bigquery"):
        with opened(engine, tmp_path / engine, request) as warehouse:
            found[engine] = answers(warehouse)
    for one, other in zip(found["duckdb"], found["bigquery"], strict=True):
        assert (one.lines, one.totals, one.seats) == (other.lines, other.totals, other.seats)
        assert (one.completeness, one.next_cursor is None) == (other.completeness, other.next_cursor is None)
    plans, *costs = found["duckdb"]
    assert plans.seats
    assert all(one.lines and one.totals[0].cost for one in costs)
