"""Every route of the OpenAPI document is called with every kind of key; what it declares in `x-access` is what it does."""

import re
from typing import Any

import pytest

from src.app.config import Settings
from src.app.service import create_app
from tests.fakes.running import ROOT_KEY, RunningService

# A body that is well formed for each route, so that a refusal is about the key.
BODIES: dict[str, dict[str, Any]] = {
    "post /api/v1/admin/bootstrap": {"force_recreate_dataset": False},
    "post /api/v1/organizations/dryrun": {"org_slug": "access_new", "company_name": "New", "admin_email": "a@example.com"},
    "post /api/v1/organizations/onboard": {"org_slug": "access_new", "company_name": "New", "admin_email": "a@example.com"},
    "delete /api/v1/organizations/{org_slug}": {"confirm": "access_mine"},
    "post /api/v1/organizations/{org_slug}/keys/rotate": {"grace_hours": 1},
    "put /api/v1/organizations/{org_slug}/subscription": {"status": "active"},
}
KEYS = ("none", "wrong root", "wrong org", "another org", "expired", "revoked", "org key as root key", "root key as org key")


def described() -> dict[str, Any]:
    return create_app(Settings(ca_root_api_key=ROOT_KEY, _env_file=None)).openapi()


DOCUMENT = described()
ROUTES = [
    pytest.param(method, path, operation.get("x-access"), id=f"{method} {path}")
    for path, operations in sorted(DOCUMENT["paths"].items())
    for method, operation in operations.items()
]


# of the session as its service is: a worker of the suite may leave this module and come back to it
@pytest.fixture(scope="session")
def keys(service: RunningService) -> dict[str, dict[str, str]]:
    mine = service.key_of("access_mine")
    other = service.key_of("access_other")
    expired = service.key_of("access_expired")
    assert service.admin("POST", "/api/v1/organizations/access_expired/keys/rotate", {"grace_hours": 0}).status_code == 201
    revoked = service.key_of("access_revoked")
    mark = service.admin("GET", "/api/v1/organizations/access_revoked/keys").json()["keys"][0]["api_key_fingerprint"]
    assert service.admin("DELETE", f"/api/v1/organizations/access_revoked/keys/{mark}").status_code == 200
    return {
        "none": {},
        "wrong root": {"X-CA-Root-Key": "admin_" + "x" * 40},
        "wrong org": {"X-API-Key": "access_mine_api_" + "A" * 16},
        "another org": {"X-API-Key": other},
        "expired": {"X-API-Key": expired},
        "revoked": {"X-API-Key": revoked},
        "org key as root key": {"X-CA-Root-Key": mine},
        "root key as org key": {"X-API-Key": ROOT_KEY},
        "mine": {"X-API-Key": mine},
    }


def address(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: {"org_slug": "access_mine"}.get(found[1], "abcd-01234567"), path)


def expected(who: str, path: str, key: str) -> set[int]:
    if key == "another org" and who in ("org", "root_or_org"):
        # a route without an organisation in its path answers for the key's own
        return {403} if "{org_slug}" in path else {200}
    # valid, and in the wrong place
    return {403} if key in ("another org", "org key as root key", "root key as org key") else {401}


def test_every_route_says_who_may_call_it():
    undeclared = [route.id for route in ROUTES if route.values[2] not in ("anyone", "root", "org", "root_or_org")]

    assert not undeclared


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("route", [pytest.param(route.values, id=route.id) for route in ROUTES if route.values[2] != "anyone"])
def test_a_key_that_may_not_is_refused(service: RunningService, keys, route, key):
    method, path, who = route
    body = BODIES.get(f"{method} {path}")
    headers = {name.replace("-", "_"): value for name, value in keys[key].items()}

    answer = service.call(method.upper(), address(path), json=body, **headers)

    assert answer.status_code in expected(who, path, key), answer.text
    if answer.status_code in (401, 403):
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["detail"]
        assert problem["request_id"] == answer.headers["x-request-id"]
    if answer.status_code == 401:
        assert "www-authenticate" in answer.headers


@pytest.mark.parametrize(("method", "path", "who"), [route for route in ROUTES if route.values[2] == "anyone"])
def test_open_routes_need_no_key(service: RunningService, method, path, who):
    assert service.call(method.upper(), address(path)).status_code == 200


@pytest.mark.parametrize(("method", "path", "who"), [route for route in ROUTES if route.values[2] == "root"])
def test_an_organisation_key_opens_no_admin_route(service: RunningService, keys, method, path, who):
    answer = service.call(method.upper(), address(path), json=BODIES.get(f"{method} {path}"), X_API_Key=keys["mine"]["X-API-Key"])

    assert answer.status_code == 403
    assert "needs the root key" in answer.json()["detail"]


def test_nobody_was_onboarded_or_erased_by_a_refused_call(service: RunningService, keys):
    assert service.admin("GET", "/api/v1/organizations/access_mine").status_code == 200
    assert service.admin("GET", "/api/v1/organizations/access_new").status_code == 404


def test_both_headers_of_the_root_key_open(service: RunningService):
    assert service.call("GET", "/api/v1/organizations", X_CA_Root_Key=ROOT_KEY).status_code == 200
    assert service.call("GET", "/api/v1/organizations", X_Admin_Key=ROOT_KEY).status_code == 200
