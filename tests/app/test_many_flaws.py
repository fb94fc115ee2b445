"""A body may hold tens of thousands of mistakes: a few are told, the rest are counted, and nobody waits for them."""

from collections.abc import Mapping
from typing import Any

import pytest

from src.core.base.faults import Rejected
from src.core.providers.gcp.exports import ExportSettings
from tests.app.running_parts import House
from tests.fakes.running import ROOT_KEY

MANY = 30_000
ORG = {"org_slug": "other_corp", "company_name": "Other", "admin_email": "a@example.com"}
ROUTES: Mapping[str, Mapping[str, Any]] = {
    "pipelines/run/acme_corp/fake/cost": {},
    "integrations/acme_corp/gcp/setup": {"credential": "a"},
    "organizations/dryrun": ORG,
    "admin/bootstrap": {},
}


@pytest.mark.parametrize("path", ROUTES)
async def test_of_many_unknown_fields_twenty_are_told_and_the_rest_counted(house: House, path: str) -> None:
    unknown = {f"org_slu{index}": 1 for index in range(MANY)}
    async with house.client() as caller:
        answer = await caller.post(f"/api/v1/{path}", json={**unknown, **ROUTES[path]})
    told = answer.json()
    assert answer.status_code == 422
    assert [error["field"] for error in told["errors"]] == [f"org_slu{index}" for index in range(20)]
    assert told["errors_left_out"] == MANY - 20
    assert told["detail"].endswith("; see the first 20 in errors, and 29,980 more")
    assert len(answer.content) < 10_000


@pytest.mark.parametrize("unknown", [19, 20, 21, 25, 28, 40])
async def test_each_mistake_is_told_or_counted_and_none_is_both(house: House, unknown: int) -> None:
    async with house.client() as caller:
        body = {**ORG, **{f"b{index}": 1 for index in range(unknown)}}
        told = (await caller.post("/api/v1/organizations/dryrun", json=body)).json()
    assert len(told["errors"]) + told.get("errors_left_out", 0) == unknown


async def test_what_is_wrong_beside_them_is_counted_too(house: House) -> None:
    body = {**{f"b{index}": 1 for index in range(19)}, "org_slug": 7, "company_name": 7, "admin_email": 7}
    async with house.client() as caller:
        told = (await caller.post("/api/v1/organizations/dryrun", json=body)).json()
    assert (len(told["errors"]), told["errors_left_out"]) == (20, 2)


async def test_inputs_of_a_pipeline_are_no_mistakes_beside_a_wrong_day(house: House) -> None:
    async with house.client() as caller:
        answer = await caller.post("/api/v1/pipelines/run/acme_corp/fake/cost", json={"date": "soon", **{f"b{n}": 1 for n in range(30)}})
    assert [error["field"] for error in answer.json()["errors"]] == ["date"]
    assert "errors_left_out" not in answer.json()


def test_settings_of_a_credential_are_told_alike() -> None:
    with pytest.raises(Rejected) as refused:
        ExportSettings.read({f"dataset{index}": 1 for index in range(500)})
    assert (len(refused.value.flaws), refused.value.left_out) == (20, 480)
    assert str(refused.value).endswith("\n  and 480 more")


@pytest.mark.parametrize("path", ["pipelines/run/acme_corp/fake/cost", "organizations/dryrun"])
async def test_a_key_sent_as_the_name_of_a_field_is_not_said_back(house: House, path: str) -> None:
    key = house.organisation("by_mistake")
    async with house.client() as caller:
        answer = await caller.post(f"/api/v1/{path}", json={**ROUTES.get(path, {}), key: 1, ROOT_KEY: 1, f"{'x' * 5000}": 1})
    assert answer.status_code == 422
    assert key not in answer.text
    assert ROOT_KEY not in answer.text
    assert all(len(error["field"]) <= 200 for error in answer.json()["errors"])
