"""The dry run answers every check that onboarding makes, and creates nothing."""

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.observed import new_slug, problem, rows
from tests.fakes.running import RunningService

DRYRUN = "/api/v1/organizations/dryrun"
CHECKS = [
    "org_slug_format",
    "company_name",
    "admin_email",
    "subscription_plan",
    "timezone",
    "central_tables",
    "organization_is_new",
    "warehouse",
    "dataset_is_free",
    "gcp",
    "vault",
]


def body(**changed: Any) -> dict[str, Any]:
    return {"org_slug": "rehearsed", "company_name": "Rehearsed", "admin_email": "admin@example.com", **changed}


def results(answer: dict[str, Any]) -> dict[str, str]:
    assert {tuple(sorted(check)) for check in answer["checks"]} == {("detail", "name", "result")}
    assert all(check["detail"] for check in answer["checks"])
    return {check["name"]: check["result"] for check in answer["checks"]}


def test_a_good_organisation_passes_every_check_and_nothing_is_made(service: RunningService):
    answer = service.admin("POST", DRYRUN, body())

    assert answer.status_code == 200
    assert set(answer.json()) == {"status", "org_slug", "subscription_plan", "plan", "ready_for_onboarding", "checks"}
    assert answer.json()["status"] == "SUCCESS"
    assert answer.json()["org_slug"] == "rehearsed"
    assert answer.json()["subscription_plan"] == "STARTER"
    assert answer.json()["ready_for_onboarding"] is True
    assert results(answer.json()) == {name: "skipped" if name == "gcp" else "passed" for name in CHECKS}
    assert not (service.data / "warehouse" / "rehearsed_dev").exists()
    for table in ("org_profiles", "org_api_keys", "org_subscriptions", "org_usage_quotas"):
        assert rows(service, f"SELECT * FROM {table} WHERE org_slug = 'rehearsed'") == []
    assert service.admin("GET", "/api/v1/organizations/rehearsed").status_code == 404


@pytest.mark.parametrize(
    ("check", "field", "value"),
    [
        ("org_slug_format", "org_slug", "ab"),
        ("org_slug_format", "org_slug", "a" * 51),
        ("org_slug_format", "org_slug", "Rehearsed"),
        ("org_slug_format", "org_slug", "re-hearsed"),
        ("org_slug_format", "org_slug", "organizations"),
        ("company_name", "company_name", ""),
        ("company_name", "company_name", "   "),
        ("company_name", "company_name", "Bell\u0007"),
        ("company_name", "company_name", "Null\u0000"),
        ("admin_email", "admin_email", "nobody"),
        ("admin_email", "admin_email", "nobody@"),
        ("admin_email", "admin_email", "@example.com"),
        ("admin_email", "admin_email", "no body@example.com"),
        ("admin_email", "admin_email", "admin@example.com\r\nBcc: x@example.com"),
        ("subscription_plan", "subscription_plan", "GOLD"),
        ("timezone", "timezone", "Mars/Olympus"),
        ("timezone", "timezone", "../../etc/passwd"),
    ],
)
def test_each_wrong_field_fails_its_own_check_alone_and_onboarding_refuses_it(service: RunningService, check, field, value):
    wrong = body(**{"org_slug": new_slug(), field: value})
    answer = service.admin("POST", DRYRUN, wrong)
    refused = service.admin("POST", "/api/v1/organizations/onboard", wrong)

    assert answer.status_code == 200, answer.text
    assert answer.json()["ready_for_onboarding"] is False
    assert [name for name, result in results(answer.json()).items() if result == "failed"] == [check]
    (detail,) = [one["detail"] for one in answer.json()["checks"] if one["name"] == check]
    assert problem(refused, 422, "rejected")["errors"] == [{"field": field, "message": detail}]


def test_all_wrong_fields_are_told_at_once(service: RunningService):
    wrong = body(org_slug="No!", company_name="", admin_email="x", subscription_plan="GOLD", timezone="Mars")

    answer = service.admin("POST", DRYRUN, wrong)
    refused = service.admin("POST", "/api/v1/organizations/onboard", wrong)

    assert [name for name, result in results(answer.json()).items() if result == "failed"] == CHECKS[:5]
    fields = ["org_slug", "company_name", "admin_email", "subscription_plan", "timezone"]
    assert [error["field"] for error in problem(refused, 422, "rejected")["errors"]] == fields


@pytest.mark.parametrize("plan", ["STARTER", "PROFESSIONAL", "SCALE"])
def test_each_plan_passes(service: RunningService, plan):
    answer = service.admin("POST", DRYRUN, body(subscription_plan=plan))

    assert answer.json()["subscription_plan"] == plan
    assert answer.json()["ready_for_onboarding"] is True


def test_a_taken_slug_fails_and_names_the_way_out(service: RunningService):
    service.key_of("rehearsed_taken")

    answer = service.admin("POST", DRYRUN, body(org_slug="rehearsed_taken"))

    assert answer.json()["ready_for_onboarding"] is False
    assert [name for name, result in results(answer.json()).items() if result == "failed"] == ["organization_is_new"]


def test_fields_left_out_unknown_or_of_the_wrong_type_are_named(service: RunningService):
    missing = problem(service.admin("POST", DRYRUN, {"org_slug": "rehearsed"}), 422, "rejected")
    surplus = problem(service.admin("POST", DRYRUN, body(company="Rehearsed")), 422, "rejected")
    number = problem(service.admin("POST", DRYRUN, body(org_slug=12345)), 422, "rejected")

    assert sorted(error["field"] for error in missing["errors"]) == ["admin_email", "company_name"]
    assert [error["field"] for error in surplus["errors"]] == ["company"]
    assert [error["field"] for error in number["errors"]] == ["org_slug"]


def test_google_credentials_that_cannot_be_read_and_a_warehouse_that_is_gone_fail_their_checks(fresh, tmp_path: Path):
    service: RunningService = fresh(GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "absent.json"), GCP_PROJECT_ID="some-project").bootstrap()
    before = results(service.admin("POST", DRYRUN, body()).json())
    (service.data / "warehouse").rename(service.data / "moved")
    (service.data / "warehouse").write_text("no folder")

    after = service.admin("POST", DRYRUN, body())
    refused = service.onboard("rehearsed")

    assert (before["gcp"], before["warehouse"]) == ("failed", "passed")
    assert after.status_code == 200
    assert after.json()["ready_for_onboarding"] is False
    assert [name for name, result in results(after.json()).items() if result == "failed"] == ["warehouse", "gcp"]
    assert refused.status_code == 503
    assert rows(service, "SELECT * FROM org_profiles") == []
