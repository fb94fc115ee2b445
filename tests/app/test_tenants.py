"""The older document's paths: its own words, the same code beneath."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.core.base.identity import Tenant
from src.core.base.names import Environment, OrgSlug
from src.core.ledger.tables import orgs
from tests.acceptance.observed import problem
from tests.app.running_parts import House
from tests.fakes.google import FakeGoogle, acme, service_account, serving

ONBOARD = "/api/v1/tenants/onboard"
CREDENTIALS = "/api/v1/tenants/test_001/credentials"
TEST = {"tenant_id": "test_001", "company_name": "Test Corp", "admin_email": "test@test.com", "subscription_plan": "PROFESSIONAL"}
TENANT = Tenant(OrgSlug("test_001"), Environment.DEVELOPMENT)


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    with serving(acme()) as made:
        made.knows(service_account())
        yield made


@pytest.fixture
def house(tmp_path: Path, google: FakeGoogle) -> Iterator[House]:
    made = House.build(tmp_path, **{name.lower(): url for name, url in google.settings.items()})
    # with the service's own documents
    del made.parts.__dict__["catalog"]
    yield made
    made.parts.close()


async def test_onboarding_answers_as_the_newer_path_does_with_the_older_name_beside(house: House):
    named = {name: value for name, value in TEST.items() if name != "tenant_id"}
    async with house.client() as root:
        older = await root.post(ONBOARD, json=TEST)
        newer = await root.post("/api/v1/organizations/onboard", json={**named, "org_slug": "test_002"})

    assert (older.status_code, newer.status_code) == (201, 201), (older.text, newer.text)
    made = older.json()
    assert set(made) == {*newer.json(), "tenant_id"}
    assert (made["tenant_id"], made["org_slug"], made["subscription_plan"]) == ("test_001", "test_001", "PROFESSIONAL")
    async with house.client(**{"X-API-Key": made["api_key"]}) as own:
        assert (await own.get("/api/v1/whoami")).json()["org_slug"] == "test_001"


async def test_it_takes_the_root_key_and_names_what_is_wrong_by_the_older_name(house: House):
    async with house.client() as root, house.client(Accept="application/json") as nobody:
        problem(await nobody.post(ONBOARD, json=TEST), 401, "unauthenticated")
        lacking = await root.post(ONBOARD, json={name: value for name, value in TEST.items() if name != "tenant_id"})
        wrong = await root.post(ONBOARD, json={**TEST, "tenant_id": "A-B"})

    assert [flaw["field"] for flaw in problem(lacking, 422, "rejected")["errors"]] == ["tenant_id"]
    assert "3 to 50" in problem(wrong, 422, "rejected")["detail"]


async def test_one_that_is_being_off_boarded_is_given_no_dataset(house: House):
    house.organisation("test_001")
    with house.parts.ledger.writing() as unit:
        orgs.begin_offboarding(unit, "test_001", house.parts.clock.now())
    async with house.client() as root:
        answer = await root.post(CREDENTIALS, json={"provider": "GCP", "credentials": service_account()})

    assert "being off-boarded" in problem(answer, 409, "conflict")["detail"]
    assert not house.parts.warehouse.has_dataset(TENANT)


async def test_a_credential_is_made_then_updated_and_a_dataset_is_made_where_it_is_absent(house: House):
    api_key = house.organisation("test_001")
    async with house.client(**{"X-API-Key": api_key, "X-User-ID": "someone"}) as own:
        first = await own.post(CREDENTIALS, json={"provider": "GCP", "credentials": service_account()})
        second = await own.post(CREDENTIALS, json={"provider": "gcp", "credentials": json.dumps(service_account())})
        stored = (await own.get("/api/v1/integrations/test_001/gcp")).json()

    assert first.status_code == 200, first.text
    assert first.json() == {"tenant_id": "test_001", "provider": "GCP", "action": "CREATED", "dataset_status": "CREATED"}
    assert second.json() == {"tenant_id": "test_001", "provider": "gcp", "action": "UPDATED", "dataset_status": "EXISTS"}
    assert stored["status"] == "VALID"
    shown = house.parts.warehouse.query(TENANT, "SELECT org_slug, subscription_plan FROM org_comprehensive_view").to_pylist()
    assert shown == [{"org_slug": "test_001", "subscription_plan": "SCALE"}]


async def test_a_credential_of_another_name_is_asked_about_and_removed_without_its_name_where_it_is_the_only_one(house: House):
    api_key = house.organisation("test_001")
    path = "/api/v1/integrations/test_001/gcp"
    async with house.client(**{"X-API-Key": api_key}) as own:
        stored = await own.post(f"{path}/setup", json={"credential": service_account(), "credential_name": "Production Key"})
        asked = await own.post(f"{path}/validate")
        removed = await own.delete(path)

    assert [answer.status_code for answer in (stored, asked, removed)] == [200] * 3
    assert (asked.json()["credential_name"], removed.json()["credential_name"]) == ("Production Key", "Production Key")


async def test_what_google_refuses_is_not_kept(house: House):
    api_key = house.organisation("test_001")
    stranger = service_account() | {"client_email": "stranger@acme-billing.iam.gserviceaccount.com"}
    async with house.client(**{"X-API-Key": api_key}) as own:
        refused = await own.post(CREDENTIALS, json={"provider": "GCP", "credentials": stranger})
        other = await own.post("/api/v1/tenants/test_002/credentials", json={"provider": "GCP", "credentials": stranger})
        stored = (await own.get("/api/v1/integrations/test_001/gcp")).json()

    assert refused.status_code == 422
    assert other.status_code == 403
    assert stored["status"] == "NOT_SET_UP"
