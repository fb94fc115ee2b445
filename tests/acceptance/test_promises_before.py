"""A service that nobody has bootstrapped yet says so wherever it matters, and its dry run already works."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.observed import problem
from tests.fakes.running import ROOT_KEY, RunningService

BODY = {"org_slug": "too_early", "company_name": "Too Early", "admin_email": "a@example.com"}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    running = RunningService(tmp_path_factory.mktemp("bare") / "data").start()
    try:
        yield running
    finally:
        running.stop()


def kept(service: RunningService) -> list[Path]:
    """All files but those that SQLite makes for as long as somebody has the ledger open."""
    return sorted(path for path in service.data.rglob("*") if not path.name.endswith(("-wal", "-shm")))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v1/organizations/onboard", BODY),
        ("GET", "/api/v1/organizations", None),
        ("GET", "/api/v1/organizations/too_early", None),
        ("DELETE", "/api/v1/organizations/too_early", {"confirm": "too_early"}),
        ("GET", "/api/v1/organizations/too_early/keys", None),
        ("POST", "/api/v1/organizations/too_early/keys/rotate", {"grace_hours": 0}),
        ("DELETE", "/api/v1/organizations/too_early/keys/abcd-01234567", None),
    ],
)
def test_every_call_that_needs_the_tables_says_to_bootstrap(bare: RunningService, method, path, body):
    document = problem(bare.admin(method, path, body), 503, "misconfigured")

    assert "POST /api/v1/admin/bootstrap" in document["detail"]
    assert not list((bare.data / "warehouse").glob("*too_early*"))


def test_an_organisation_key_is_told_to_bootstrap_as_well(bare: RunningService):
    answer = bare.call("GET", "/api/v1/whoami", key="too_early_api_" + "A" * 16)

    assert "POST /api/v1/admin/bootstrap" in problem(answer, 503, "misconfigured")["detail"]


def test_the_root_key_is_asked_for_first(bare: RunningService):
    problem(bare.call("POST", "/api/v1/organizations/onboard", json=BODY), 401, "unauthenticated")


def test_it_lives_and_is_healthy_and_not_ready(bare: RunningService):
    ready = bare.call("GET", "/health/ready")

    assert bare.call("GET", "/health").status_code == 200
    assert bare.call("GET", "/health/live").status_code == 200
    document = problem(ready, 503, "not-ready")
    assert "bootstrap" in document["detail"]
    assert document["checks"]["bootstrap"]["status"] == "failed"
    assert document["checks"]["ledger"]["status"] == "ok"
    assert document["checks"]["vault"]["status"] == "ok"


def test_the_dry_run_answers_and_is_not_ready(bare: RunningService):
    before = kept(bare)

    answer = bare.admin("POST", "/api/v1/organizations/dryrun", BODY)

    results = {check["name"]: check["result"] for check in answer.json()["checks"]}
    details = {check["name"]: check["detail"] for check in answer.json()["checks"]}
    assert answer.status_code == 200
    assert answer.json()["ready_for_onboarding"] is False
    assert results == {
        "org_slug_format": "passed",
        "company_name": "passed",
        "admin_email": "passed",
        "subscription_plan": "passed",
        "timezone": "passed",
        "central_tables": "failed",
        "organization_is_new": "skipped",
        "warehouse": "passed",
        "gcp": "skipped",
        "dataset_is_free": "skipped",
        "vault": "passed",
    }
    assert "POST /api/v1/admin/bootstrap" in details["central_tables"]
    assert kept(bare) == before


def test_a_failing_field_is_told_before_bootstrap_too(bare: RunningService):
    answer = bare.admin("POST", "/api/v1/organizations/dryrun", {**BODY, "org_slug": "NO"})

    assert {check["name"] for check in answer.json()["checks"] if check["result"] == "failed"} == {"org_slug_format", "central_tables"}


def test_the_docs_are_there_before_bootstrap(bare: RunningService):
    assert bare.call("GET", "/docs").status_code == 200
    assert bare.call("GET", "/openapi.json", root=ROOT_KEY).status_code == 200
