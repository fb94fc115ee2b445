"""Every mutating call leaves an audit row with the acting user, and every pipeline a run and its steps, under the request's id."""

import hashlib
from datetime import datetime
from typing import Any

import httpx2

from tests.acceptance.observed import audits, new_slug, rows, runs, steps
from tests.fakes.running import ROOT_KEY, RunningService

ORGS = "/api/v1/organizations"


def acted(service: RunningService, method: str, path: str, body: Any, user: str, *, key: str | None = None) -> httpx2.Response:
    """The call as `user` makes it, under a request id that equals the user's name."""
    root = ROOT_KEY if key is None else None
    return service.call(method, path, root=root, key=key, json=body, X_User_ID=user, X_Request_ID=user)


def test_each_mutating_call_of_the_root_key_names_its_user(service: RunningService):
    slug = new_slug("audited")
    who = {action: f"{action}-{slug}" for action in ("bootstrap", "onboard", "rotate", "revoke", "offboard")}
    body = {"org_slug": slug, "company_name": "Audited", "admin_email": "a@example.com"}

    answers = {"bootstrap": acted(service, "POST", "/api/v1/admin/bootstrap", None, who["bootstrap"])}
    answers["onboard"] = acted(service, "POST", f"{ORGS}/onboard", body, who["onboard"])
    mark = answers["onboard"].json()["api_key_fingerprint"]
    answers["rotate"] = acted(service, "POST", f"{ORGS}/{slug}/keys/rotate", {"grace_hours": 1}, who["rotate"])
    answers["revoke"] = acted(service, "DELETE", f"{ORGS}/{slug}/keys/{mark}", None, who["revoke"])
    answers["offboard"] = acted(service, "DELETE", f"{ORGS}/{slug}", {"confirm": slug}, who["offboard"])

    new_mark = answers["rotate"].json()["api_key_fingerprint"]
    expected = {
        "bootstrap": ("platform.bootstrap", None, "datasets/organizations"),
        "onboard": ("organizations.onboard", slug, f"organizations/{slug}"),
        "rotate": ("keys.rotate", slug, f"organizations/{slug}/keys/{new_mark}"),
        "revoke": ("keys.revoke", slug, f"organizations/{slug}/keys/{mark}"),
        "offboard": ("organizations.offboard", slug, f"organizations/{slug}"),
    }
    assert [answer.status_code for answer in answers.values()] == [200, 201, 201, 200, 200]
    for action, answer in answers.items():
        (row,) = audits(service, who[action])
        assert answer.headers["x-request-id"] == who[action]
        assert (row["action"], row["org_slug"], row["resource"]) == expected[action]
        assert (row["user_id"], row["actor_kind"], row["outcome"]) == (who[action], "root", "SUCCESS")
        assert row["actor_org_slug"] is None
        assert datetime.fromisoformat(row["occurred_at"]).tzinfo is not None


def test_each_mutating_call_of_an_organisation_names_its_user_and_its_key(service: RunningService):
    slug = new_slug("self")
    key = service.key_of(slug)
    mark = f"{key[-4:]}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
    path = f"{ORGS}/{slug}/keys"

    assert acted(service, "POST", f"{path}/rotate", {"grace_hours": 1}, f"rotate-{slug}", key=key).status_code == 201
    assert acted(service, "DELETE", f"{path}/{mark}", None, f"revoke-{slug}", key=key).status_code == 200

    for action in ("rotate", "revoke"):
        (row,) = audits(service, f"{action}-{slug}")
        assert row["action"] == f"keys.{action}"
        assert (row["actor_kind"], row["actor_org_slug"], row["org_slug"]) == ("org", slug, slug)
        assert (row["user_id"], row["key_fingerprint"], row["outcome"]) == (f"{action}-{slug}", mark, "SUCCESS")


def test_a_caller_who_names_no_user_leaves_the_user_empty(service: RunningService):
    slug = new_slug("nameless")

    answer = service.onboard(slug)

    (row,) = audits(service, answer.headers["x-request-id"])
    assert row["user_id"] is None


def test_a_user_id_grants_nothing(service: RunningService):
    for user in ("root", "admin", ROOT_KEY):
        assert service.call("GET", ORGS, X_User_ID=user).status_code == 401


def test_reading_leaves_no_audit_row(service: RunningService):
    slug = new_slug("read")
    key = service.key_of(slug)

    answers = [
        service.admin("GET", ORGS),
        service.admin("GET", f"{ORGS}/{slug}"),
        service.call("GET", f"{ORGS}/{slug}/keys", key=key),
        service.call("GET", "/api/v1/whoami", key=key),
    ]

    assert [answer.status_code for answer in answers] == [200] * 4
    assert [audits(service, answer.headers["x-request-id"]) for answer in answers] == [[]] * 4


def test_bootstrap_dry_run_onboarding_and_off_boarding_are_logged_runs(service: RunningService):
    slug = new_slug("logged")
    body = {"org_slug": slug, "company_name": "Logged", "admin_email": "a@example.com"}
    calls = [
        ("bootstrap", "POST", "/api/v1/admin/bootstrap", None, 200),
        ("dryrun", "POST", f"{ORGS}/dryrun", body, 200),
        ("onboard", "POST", f"{ORGS}/onboard", body, 201),
    ]
    expected = {
        "bootstrap": ("platform-bootstrap", "setup/bootstrap", "load_management_tables", "setup.initial.onetime_bootstrap"),
        "dryrun": ("organizations-dryrun", "setup/organizations/dryrun", "validate_organization", "setup.organizations.dryrun"),
        "onboard": ("organizations-onboarding", "setup/organizations/onboarding", "load_organization", "setup.organizations.onboarding"),
        "offboard": (
            "organizations-offboarding",
            "setup/organizations/offboarding",
            "transform_to_tombstone",
            "setup.organizations.offboarding",
        ),
    }
    for name, method, path, sent, status in calls:
        assert acted(service, method, path, sent, f"{name}-{slug}").status_code == status
    logged_onboarding = runs(service, f"onboard-{slug}")
    assert acted(service, "DELETE", f"{ORGS}/{slug}", {"confirm": slug}, f"offboard-{slug}").status_code == 200

    # what was run for the organisation went with it; what was run for the platform stays
    assert [run["org_slug"] for run in logged_onboarding] == [slug]
    assert runs(service, f"dryrun-{slug}") == []
    for name in ("bootstrap", "offboard"):
        (run,) = runs(service, f"{name}-{slug}")
        (step,) = steps(service, run["pipeline_logging_id"])
        assert (run["pipeline_id"], run["document"], step["step_id"], step["ps_type"]) == expected[name]
        assert (run["status"], run["user_id"], run["trigger_type"], run["active_key"]) == ("SUCCESS", f"{name}-{slug}", "api", None)
        assert (step["status"], step["attempt"], step["error_code"]) == ("SUCCESS", 1, None)
        assert run["accepted_at"] <= run["started_at"] <= step["started_at"] <= step["ended_at"] <= run["ended_at"]
        assert run["duration_ms"] >= step["duration_ms"] >= 0


def test_a_failed_onboarding_is_logged_as_failed_with_its_reason(service: RunningService):
    slug = new_slug("failed")
    service.key_of(slug)

    answer = acted(service, "POST", f"{ORGS}/onboard", {"org_slug": slug, "company_name": "F", "admin_email": "a@example.com"}, f"f-{slug}")

    (run,) = runs(service, f"f-{slug}")
    (step,) = steps(service, run["pipeline_logging_id"])
    assert answer.status_code == 409
    assert (run["status"], run["error_code"], step["status"], step["error_code"]) == ("FAILED", "conflict", "FAILED", "conflict")
    assert run["error_message"] == answer.json()["detail"]


def test_no_run_is_left_open(service: RunningService):
    slug = new_slug("closed")
    service.onboard(slug)
    service.onboard(slug)
    service.onboard("NO")

    assert rows(service, "SELECT * FROM org_meta_pipeline_runs WHERE org_slug = ? AND status NOT IN ('SUCCESS', 'FAILED')", slug) == []


def test_a_change_that_is_refused_is_written_down_as_well(service: RunningService):
    slug = new_slug("refused")
    service.key_of(slug)
    body = {"org_slug": slug, "company_name": "R", "admin_email": "a@example.com"}

    taken = acted(service, "POST", f"{ORGS}/onboard", body, f"taken-{slug}")
    unconfirmed = acted(service, "DELETE", f"{ORGS}/{slug}", {"confirm": "no"}, f"unconfirmed-{slug}")

    assert (taken.status_code, unconfirmed.status_code) == (409, 422)
    for user, action in ((f"taken-{slug}", "organizations.onboard"), (f"unconfirmed-{slug}", "organizations.offboard")):
        (row,) = audits(service, user)
        assert (row["action"], row["outcome"], row["user_id"], row["actor_kind"]) == (action, "FAILED", user, "root")
