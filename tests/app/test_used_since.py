"""Since when a provider is used: told over the API, refused where rows say otherwise, and audited."""

from datetime import date, timedelta
from typing import Any

import pytest

from src.core.base.identity import Tenant
from src.core.base.names import OrgSlug
from src.core.base.window import Window
from tests.app.running_parts import House
from tests.core.costs.bills import cost, mark, marks, prepare, publish

AT = "/api/v1/costs/acme_corp"
OCTOBER = Window(date(2026, 10, 1), date(2026, 10, 31))
FIFTH = date(2026, 11, 5)
DAYS = f"{AT}/daily?from=2026-10-01&to=2026-10-31"


@pytest.fixture
def added(house: House) -> House:
    """October is whole at Google, and OpenAI told of use from 5 November on."""
    warehouse, tenant = house.parts.warehouse, Tenant(OrgSlug("acme_corp"), house.parts.settings.environment)
    prepare(warehouse, tenant)
    openai = [mark(FIFTH + timedelta(number), provider="openai") for number in range(3)]
    publish(warehouse, tenant, gcp_cost_daily=[cost(day) for day in OCTOBER], x_cost_daily=[*marks([*OCTOBER]), *openai])
    return house


async def put(house: House, since: Any, provider: str = "openai") -> Any:
    async with house.client() as caller:
        return await caller.put(f"{AT}/used-since/{provider}", json={"since": since})


async def whole(house: House) -> int:
    return int((await house.found(DAYS))["completeness"]["complete"])


async def test_a_month_is_whole_without_a_provider_once_it_is_said_not_to_have_been_used(added: House) -> None:
    assert await whole(added) == 0
    said = await put(added, "2026-11-05")
    assert (said.status_code, said.json()) == (200, {"org_slug": "acme_corp", "provider": "openai", "used_since": "2026-11-05"})
    assert await whole(added) == 31
    assert (await added.found(f"{AT}/used-since/openai"))["used_since"] == "2026-11-05"
    assert (await added.found(f"{AT}/used-since/gcp"))["used_since"] is None
    # rules of the bill stand in the same place, and neither takes the other's
    async with added.client() as caller:
        await caller.put(f"{AT}/rules", json={"provider": "openai", "bill": "computed"})
    assert await whole(added) == 31

    assert (await put(added, None)).json()["used_since"] is None
    assert await whole(added) == 0
    rows = (await added.found("/api/v1/organizations/acme_corp/audit?action=costs.rules"))["entries"]
    assert [(row["resource"], row["details"]["before"], row["details"]["after"]) for row in rows][:1] == [
        ("costs/acme_corp/rules/openai", {"bill": "computed", "used_since": "2026-11-05"}, {"bill": "computed"})
    ]
    [rule] = (await added.found(f"{AT}/rules?provider=openai"))["rules"]
    assert rule["bill"] == "computed"


async def test_rows_go_before_words(added: House) -> None:
    refused = await put(added, "2026-11-06")
    assert refused.status_code == 409
    assert "openai tells of use on 2026-11-05, before 2026-11-06; name that day or an earlier one" in refused.text
    assert (await added.found(f"{AT}/used-since/openai"))["used_since"] is None


@pytest.mark.parametrize(
    ("provider", "since", "status", "said"),
    [
        ("openai", "2026-11-22", 422, "is no day since which openai can be used; name one from "),
        ("openai", "1969-12-31", 422, "is no day since which openai can be used"),
        ("openai", "soon", 422, "since"),
        ("aws", "2026-11-05", 422, "not served"),
        ("opnai", "2026-11-05", 404, "did you mean 'openai'"),
    ],
)
async def test_what_is_no_such_day_or_provider_is_refused(house: House, provider: str, since: str, status: int, said: str) -> None:
    answer = await put(house, since, provider)
    assert (answer.status_code, said in answer.text) == (status, True), answer.text


async def test_it_may_be_told_before_anything_is_loaded(house: House) -> None:
    house.parts.warehouse.ensure_dataset(Tenant(OrgSlug("acme_corp"), house.parts.settings.environment))
    assert (await put(house, "2026-11-05")).status_code == 200
    assert (await house.found(f"{AT}/used-since/openai"))["used_since"] == "2026-11-05"
