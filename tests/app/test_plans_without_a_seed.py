"""Providers whose seed knows no plans have the calls of plans all the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from src.core.base.identity import Tenant
from src.core.base.names import Environment, org_slug
from src.core.base.settings import ROOT
from src.core.pipeline.catalog import Catalog
from tests.app.running_parts import House

SLUG = "acme_corp"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House.build(tmp_path)
    made.parts.__dict__["catalog"] = Catalog.load(ROOT / "configs")
    made.organisation(SLUG)
    made.parts.warehouse.ensure_dataset(Tenant(org_slug(SLUG), Environment.DEVELOPMENT))
    yield made
    made.parts.close()


@pytest.mark.parametrize("provider", ["anthropic", "deepseek", "claude"])
async def test_plans_are_an_empty_list_until_a_person_adds_one(house: House, provider: str) -> None:
    at = f"/api/v1/integrations/{SLUG}/{provider}/subscriptions"
    async with house.client() as caller:
        reset = await caller.post(f"{at}/reset")
        empty = await caller.get(at)
        added = await caller.post(at, json={"plan_name": "Team", "price": "25", "seats": 4, "billing_period": "month"})
        listed = await caller.get(at)
        again = await caller.post(f"{at}/reset")
    answers: list[Any] = [one.json() for one in (reset, empty, added, listed, again)]
    assert [one.status_code for one in (reset, empty, added, listed, again)] == [200] * 5, answers
    assert (answers[0]["opened"], answers[0]["closed"], answers[1]["rows"]) == (0, 0, [])
    assert (answers[2]["opened_count"], [row["plan_name"] for row in answers[3]["rows"]]) == (1, ["Team"])
    assert (answers[4]["opened"], answers[4]["closed"]) == (0, 1)
