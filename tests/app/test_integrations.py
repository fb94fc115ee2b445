"""A provider whose documents ask for less than Google's do."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from src.core.base.identity import Tenant
from src.core.base.names import Environment, OrgSlug
from src.core.base.settings import ROOT
from src.core.pipeline.catalog import Catalog
from tests.acceptance.observed import problem
from tests.app.running_parts import House
from tests.fakes.google import FakeGoogle, acme, service_account, serving

INPUTS = ("  credential_name:", "  settings:")


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    with serving(acme()) as made:
        made.knows(service_account())
        yield made


@pytest.fixture
def frugal(tmp_path: Path, google: FakeGoogle) -> Iterator[House]:
    """Google as a provider that takes a credential and nothing else."""
    documents = tmp_path / "frugal"
    shutil.copytree(ROOT / "configs" / "integrations", documents / "integrations")
    for path in documents.rglob("*.yml"):
        kept = [line for line in path.read_text().splitlines() if not line.startswith(INPUTS)]
        path.write_text("\n".join(line for line in kept if path.stem == "setup" or line != "inputs:"))
    house = House.build(tmp_path, **{name.lower(): url for name, url in google.settings.items()})
    house.parts.__dict__["catalog"] = Catalog.load(documents)
    house.organisation("acme_corp")
    yield house
    house.parts.close()


async def post(house: House, call: str, body: Any = None):
    async with house.client() as caller:
        return await caller.post(f"/api/v1/integrations/acme_corp/gcp/{call}", json=body)


async def test_what_the_document_does_not_ask_for_is_not_handed_on_where_nobody_said_it(frugal: House):
    made = await post(frugal, "setup", {"credential": service_account()})
    again = await post(frugal, "setup", {"credential": service_account(), "settings": {}, "credential_name": "default"})
    asked = await post(frugal, "validate")

    assert (made.status_code, made.json()["replaced"], made.json()["dataset"]) == (200, False, "billing")
    assert (again.status_code, again.json()["replaced"]) == (200, True)
    assert (asked.status_code, asked.json()["validation_status"]) == (200, "VALID")


@pytest.mark.parametrize(
    ("given", "field"), [({"settings": {"dataset": "billing"}}, "settings"), ({"credential_name": "second"}, "credential_name")]
)
async def test_what_was_said_and_is_not_asked_for_is_refused(frugal: House, google: FakeGoogle, given: dict[str, Any], field: str):
    answer = await post(frugal, "setup", {"credential": json.dumps(service_account()), **given})

    assert problem(answer, 422, "rejected")["errors"] == [{"message": "is not taken: gcp has none", "field": field}]
    assert answer.json()["detail"] == f"gcp takes no {field}; leave that out"
    assert google.asked == []


async def test_setups_are_not_among_the_loads_unless_they_are_asked_for(frugal: House):
    refused = await post(frugal, "setup", {"credential": {"type": "authorized_user"}})
    made = await post(frugal, "setup", {"credential": service_account()})
    assert (refused.status_code, made.status_code) == (422, 200)

    async def listed(query: str = "") -> set[str]:
        found = await frugal.found(f"/api/v1/pipelines/runs/acme_corp{query}")
        return {f"{run['pipeline_id']} {run['status']}" for run in found["runs"]}

    assert await listed() == set()
    both = {"integrations-gcp-setup FAILED", "integrations-gcp-setup SUCCESS"}
    assert await listed("?setups=true") == await listed("?pipeline_id=integrations-gcp-setup") == both


async def test_a_credential_is_kept_and_answered_where_nobody_can_say_what_changes_hands(frugal: House):
    frugal.parts.warehouse.ensure_dataset(Tenant(OrgSlug("acme_corp"), Environment.DEVELOPMENT))
    frugal.parts.warehouse.close()
    made = await post(frugal, "setup", {"credential": service_account()})
    asked = await post(frugal, "validate")

    assert (made.status_code, asked.status_code, asked.json()["validation_status"]) == (200, 200, "VALID")
    for answer in (made.json(), asked.json()):
        assert (answer["changes"], answer["unknown"]) == (None, None)
        assert answer["changes_unknown_because"] == (
            "the credential is kept; what changes hands with it cannot be told: the warehouse is closed; "
            "ask again by POST /api/v1/integrations/acme_corp/gcp/validate"
        )
