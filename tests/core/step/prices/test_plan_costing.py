"""The months of a book of plans as a run publishes them, on both engines, and what they said before."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import structlog

from src.app.wiring import Parts
from src.core.base.faults import Missing
from src.core.base.identity import Actor, Tenant
from src.core.base.settings import ROOT
from src.core.processors.openai.subscriptions import get_engine
from src.core.step.context import StepContext, StepResult
from src.core.step.prices.changes import Add, Update
from src.core.step.prices.kinds import SUBSCRIPTIONS, Seed, seed_of
from src.core.step.prices.rates import PlanRate
from src.core.step.prices.store import BookStore
from tests.contract.warehouse.conftest import ENGINES, prepare, settings_for, tenant_named
from tests.fakes.billing import StillClock

ORG = Actor("org")
TABLE = "openai_subscriptions_monthly"
TOLD = f"SELECT invoice_month, usage_date, seats, cost, completeness, told_since FROM {TABLE} ORDER BY invoice_month, plan_name, usage_date"
BEFORE = (
    f"SELECT invoice_month, seats, cost, completeness, told_until, superseded_by FROM {TABLE}_before ORDER BY told_until, usage_date, seats"
)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def parts(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Parts]:
    prepare(engine, tmp_path, request)
    made = Parts(settings_for(engine, tmp_path), clock=StillClock(date(2026, 11, 21)))
    made.ledger.bootstrap()
    made.warehouse.ensure_dataset(tenant_named("acme_corp"))
    yield made
    made.close()


def store_of(parts: Parts, tenant: Tenant) -> BookStore[PlanRate]:
    listed = seed_of(ROOT / "configs", "openai", SUBSCRIPTIONS)
    return BookStore(parts, tenant, Seed("openai", SUBSCRIPTIONS, listed.schema, ()))


def plan(name: str, price: str, seats: int | None, **more: Any) -> PlanRate:
    return PlanRate(provider="openai", plan_name=name, price=Decimal(price), seats=seats, **more)


async def reckoned(parts: Parts, first: date, last: date, run_id: str = "run") -> StepResult:
    variables = {"start_date": first, "end_date": last}
    log = structlog.get_logger()
    context = StepContext(run_id, "load_subscriptions", ORG, parts, log, tenant_named("acme_corp"), variables=variables, document_id="d")
    return await get_engine().execute({}, context)


async def test_months_are_told_once_and_told_anew_where_the_book_or_the_day_says_otherwise(parts: Parts) -> None:
    tenant = tenant_named("acme_corp")
    clock, store = parts.clock, store_of(parts, tenant)
    assert isinstance(clock, StillClock)

    def ask(sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in parts.warehouse.query(tenant, sql).to_pylist()]

    with pytest.raises(Missing, match="POST /api/v1/integrations/acme_corp/openai/setup makes it"):
        await reckoned(parts, date(2026, 11, 1), date(2026, 11, 1))

    store.make()
    business = plan("Business", "25", 7, min_seats=2)
    store.change(Add([business, plan("Enterprise", "60", None)]), ORG, "subscriptions.add")
    done = await reckoned(parts, date(2026, 10, 31), date(2026, 11, 2))
    first = ask(TOLD)
    again = await reckoned(parts, date(2026, 10, 1), date(2026, 11, 21))

    assert (done["months"], done["rows_processed"], done["completeness"]) == (
        ["202610", "202611"],
        4,
        {"complete": 1, "unpriced": 2, "provisional": 1},
    )
    assert done == again
    assert ask(TOLD) == first
    assert ask(BEFORE) == []
    assert [row[2:5] for row in first] == [
        (7, 175, "complete"),
        (None, None, "unpriced"),
        (7, 175, "provisional"),
        (None, None, "unpriced"),
    ]

    seated: Update[PlanRate] = Update({"plan_name": "Business"}, {"seats": 1}, datetime(2026, 11, 11, tzinfo=UTC))
    store.change(seated, ORG, "subscriptions.update")
    changed = await reckoned(parts, date(2026, 11, 1), date(2026, 11, 30))

    assert changed["warnings"] == ["Business: 1 are fewer than the 2 that are sold at least; the bill may be for those"]
    assert [row[1:4] for row in ask(TOLD)][2:4] == [
        (date(2026, 11, 1), 7, Decimal("58.333333333333333333")),
        (date(2026, 11, 11), 1, Decimal("16.666666666666666667")),
    ]
    assert [row for row in ask(TOLD) if row[0] == "202610"] == [row for row in first if row[0] == "202610"]
    assert [row[:4] for row in ask(BEFORE)] == [("202611", 7, 175, "provisional")]

    clock.today = date(2026, 12, 1)
    await reckoned(parts, date(2026, 11, 30), date(2026, 11, 30), "over")

    assert [row[4] for row in ask(TOLD) if row[0] == "202611"] == ["complete", "complete", "unpriced"]
    assert {(row[1], row[3], row[5]) for row in ask(BEFORE)[1:]} == {(7, "provisional", "over"), (1, "provisional", "over")}
    manifests = ask("SELECT provider, rows_written FROM x_load_manifests ORDER BY published_at")
    assert manifests == [("openai_subscriptions", 4), ("openai_subscriptions", 4), ("openai_subscriptions", 3), ("openai_subscriptions", 3)]
