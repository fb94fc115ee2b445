"""Promises that were once broken, found by driving the service from outside."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.acceptance.observed import audits, new_slug, problem, runs, send, steps
from tests.fakes.running import ROOT_KEY, RunningService


def test_ready_as_soon_as_bootstrapped(fresh):
    service: RunningService = fresh()
    assert service.call("GET", "/health/ready").status_code == 503

    service.bootstrap()

    assert service.call("GET", "/health/ready").status_code == 200


def test_an_unknown_field_is_named_with_the_nearest_known_one(service: RunningService):
    answer = service.admin("POST", "/api/v1/admin/bootstrap", {"force_recreate_datset": True})

    document = problem(answer, 422, "rejected")
    assert document["errors"][0]["field"] == "force_recreate_datset"
    assert "'force_recreate_dataset'" in document["detail"]


@pytest.mark.parametrize(("check", "field"), [("subscription_plan", "subscription_plan"), ("timezone", "timezone")])
def test_an_empty_plan_or_zone_fails_its_check(service: RunningService, check, field):
    body = {"org_slug": new_slug(), "company_name": "Empty", "admin_email": "a@example.com", field: ""}

    answer = service.admin("POST", "/api/v1/organizations/dryrun", body)

    assert [one["name"] for one in answer.json()["checks"] if one["result"] == "failed"] == [check]


def test_steps_are_counted_from_one(service: RunningService):
    slug = new_slug("counted")
    answer = service.onboard(slug)

    (run,) = runs(service, answer.headers["x-request-id"])
    assert [step["step_index"] for step in steps(service, run["pipeline_logging_id"])] == [1]


def test_a_mend_stands_in_the_detail_of_a_refused_onboarding(service: RunningService):
    document = problem(service.onboard("NO"), 422, "rejected")

    assert "3 to 50 of a-z, 0-9 and _" in document["detail"]


def test_a_wrong_confirmation_names_its_field(service: RunningService):
    slug = new_slug("confirm")
    service.key_of(slug)

    document = problem(service.admin("DELETE", f"/api/v1/organizations/{slug}", {"confirm": "no"}), 422, "rejected")

    assert [error["field"] for error in document["errors"]] == ["confirm"]


def test_a_body_that_cannot_be_read_says_what_to_send(service: RunningService):
    for content in (b'{"org_slug": "\xff"}', b"[" * 100_000):
        answer = send(service, "POST", "/api/v1/organizations/onboard", content, X_CA_Root_Key=ROOT_KEY, Content_Type="application/json")
        problem(answer, 422, "rejected")


def test_the_openapi_document_describes_the_problems(service: RunningService):
    document = service.call("GET", "/openapi.json").json()

    for path, calls in document["paths"].items():
        for method, call in calls.items():
            for status, answer in call["responses"].items():
                if status == "default" or int(status) >= 400:
                    assert list(answer.get("content", {})) == ["application/problem+json"], (method, path, status)


def test_a_user_of_another_alphabet_is_recorded_as_sent(service: RunningService):
    slug = new_slug("user")
    service.key_of(slug)
    answer = send(
        service,
        "POST",
        f"/api/v1/organizations/{slug}/keys/rotate",
        X_CA_Root_Key=ROOT_KEY,
        X_User_ID="andré".encode(),  # type: ignore[arg-type]
    )

    assert [row["user_id"] for row in audits(service, answer.headers["x-request-id"])] == ["andré"]


def test_different_organisations_onboard_at_once(service: RunningService):
    slugs = [new_slug("many") for _ in range(48)]

    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(service.onboard, slugs))

    assert [answer.text for answer in answers if answer.status_code != 201] == []
    for slug, answer in zip(slugs, answers, strict=True):
        assert service.call("GET", "/api/v1/whoami", key=answer.json()["api_key"]).json()["org_slug"] == slug


def test_dry_runs_at_once_all_find_the_warehouse(service: RunningService):
    bodies = [{"org_slug": new_slug("dry"), "company_name": "D", "admin_email": "a@example.com"} for _ in range(80)]

    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda body: service.admin("POST", "/api/v1/organizations/dryrun", body), bodies))

    failed = [check for answer in answers for check in answer.json()["checks"] if check["result"] == "failed"]
    assert failed == []


@pytest.mark.parametrize("zone", ["localtime", "posixrules", "Factory", "posix/Europe/Berlin", "right/Europe/Berlin"])
def test_what_is_no_iana_zone_fails_its_check(service: RunningService, zone):
    body = {"org_slug": new_slug(), "company_name": "Zone", "admin_email": "a@example.com", "timezone": zone}

    answer = service.admin("POST", "/api/v1/organizations/dryrun", body)

    assert [one["name"] for one in answer.json()["checks"] if one["result"] == "failed"] == ["timezone"]
