"""Off-boarding asks for a confirmation, erases, says what it erased, and leaves the audit trail."""

import pytest

from tests.acceptance.observed import PLATFORM_TABLES, TABLES, files_of, new_slug, problem, rows
from tests.fakes.running import RunningService

OWN_TABLES = sorted({*TABLES, *PLATFORM_TABLES} - {"org_audit_logs", "org_profiles"})


def offboard(service: RunningService, slug: str):
    return service.admin("DELETE", f"/api/v1/organizations/{slug}", {"confirm": slug})


@pytest.mark.parametrize("confirm", ["", "yes", "organizations", " {slug}", "{slug} ", "{SLUG}"])
def test_a_wrong_confirmation_is_refused_and_erases_nothing(service: RunningService, confirm):
    slug = new_slug("staying")
    key = service.key_of(slug)
    given = confirm.replace("{slug}", slug).replace("{SLUG}", slug.upper())

    document = problem(service.admin("DELETE", f"/api/v1/organizations/{slug}", {"confirm": given}), 422, "rejected")

    assert f'"confirm": "{slug}"' in document["detail"]
    assert service.call("GET", "/api/v1/whoami", key=key).status_code == 200
    assert service.admin("GET", f"/api/v1/organizations/{slug}").json()["status"] == "ACTIVE"
    assert files_of(service, f"{slug}_dev")


@pytest.mark.parametrize("body", [None, {}, {"confirm": None}, {"confirm": True}, {"confirmation": "x"}])
def test_a_confirmation_left_out_is_refused(service: RunningService, body):
    slug = new_slug("unasked")
    key = service.key_of(slug)

    problem(service.admin("DELETE", f"/api/v1/organizations/{slug}", body), 422, "rejected")

    assert service.call("GET", "/api/v1/whoami", key=key).status_code == 200


def test_it_erases_and_says_what_it_erased(service: RunningService):
    slug = new_slug("leaving")
    key = service.key_of(slug, company_name="Leaving Ltd", admin_email="boss@leaving.example.com")
    other_key = service.key_of(new_slug("staying"))
    service.admin("POST", f"/api/v1/organizations/{slug}/keys/rotate", {"grace_hours": 1})
    assert service.call("GET", "/api/v1/whoami", key=key).status_code == 200

    answer = offboard(service, slug)

    erased = answer.json()["erased"]
    assert answer.status_code == 200
    assert set(answer.json()) == {"status", "org_slug", "erased", "kept"}
    assert (answer.json()["status"], answer.json()["org_slug"]) == ("SUCCESS", slug)
    assert (erased["dataset"]["dataset_id"], erased["dataset"]["existed"]) == (f"{slug}_dev", True)
    assert (erased["dataset"]["tables"], erased["dataset"]["views"]) == (11, 1)
    assert erased["dataset"]["bytes"] > 0
    assert (erased["rows"]["org_api_keys"], erased["rows"]["org_subscriptions"], erased["rows"]["org_usage_quotas"]) == (2, 1, 1)
    assert erased["rows"]["org_profiles"] == 1
    assert {*erased["rows"], *(kept.split(":")[0] for kept in answer.json()["kept"])} == {*TABLES, *PLATFORM_TABLES}
    assert files_of(service, f"{slug}_dev") == []
    for table in OWN_TABLES:
        assert rows(service, f"SELECT * FROM {table} WHERE org_slug = ?", slug) == []
    (tombstone,) = rows(service, "SELECT * FROM org_profiles WHERE org_slug = ?", slug)
    assert (tombstone["status"], tombstone["company_name"], tombstone["admin_email"]) == ("ERASED", None, None)
    assert rows(service, "SELECT * FROM org_consolidated_view WHERE org_slug = ?", slug) == []
    assert service.call("GET", "/api/v1/whoami", key=key).status_code == 401
    assert service.call("GET", "/api/v1/whoami", key=other_key).status_code == 200


def test_it_is_gone_for_every_call_afterwards(service: RunningService):
    slug = new_slug("gone")
    service.key_of(slug)
    assert offboard(service, slug).status_code == 200
    path = f"/api/v1/organizations/{slug}"

    problem(offboard(service, slug), 404, "missing")
    problem(service.admin("GET", path), 404, "missing")
    problem(service.admin("GET", f"{path}/keys"), 404, "missing")
    problem(service.admin("POST", f"{path}/keys/rotate", {"grace_hours": 0}), 404, "missing")
    assert slug not in service.admin("GET", "/api/v1/organizations?limit=200").text


def test_an_organisation_that_never_was_is_not_found(service: RunningService):
    problem(offboard(service, new_slug("never")), 404, "missing")


def test_the_slug_may_be_onboarded_again_and_is_then_another_organisation(service: RunningService):
    slug = new_slug("again")
    old = [service.key_of(slug, subscription_plan="SCALE")]
    old.append(service.admin("POST", f"/api/v1/organizations/{slug}/keys/rotate", {"grace_hours": 720}).json()["api_key"])
    assert [service.call("GET", "/api/v1/whoami", key=key).status_code for key in old] == [200, 200]
    assert offboard(service, slug).status_code == 200

    answer = service.onboard(slug, company_name="The Second")

    new = answer.json()["api_key"]
    assert answer.status_code == 201
    assert answer.json()["dataset_created"] is True
    assert new not in old
    assert [service.call("GET", "/api/v1/whoami", key=key).status_code for key in (*old, new)] == [401, 401, 200]
    shown = service.admin("GET", f"/api/v1/organizations/{slug}").json()
    assert (shown["company_name"], shown["subscription_plan"], shown["status"]) == ("The Second", "STARTER", "ACTIVE")
    assert [key["state"] for key in service.admin("GET", f"/api/v1/organizations/{slug}/keys").json()["keys"]] == ["active"]
    kept = rows(service, "SELECT generation, status FROM org_profiles WHERE org_slug = ? ORDER BY generation", slug)
    assert [(row["generation"], row["status"]) for row in kept] == [(1, "ERASED"), (2, "ACTIVE")]
    problem(service.onboard(slug), 409, "conflict")


def test_the_audit_rows_outlive_the_organisation(service: RunningService):
    slug = new_slug("trail")
    service.key_of(slug)
    service.admin("POST", f"/api/v1/organizations/{slug}/keys/rotate", {"grace_hours": 0})

    answer = offboard(service, slug)

    trail = rows(service, "SELECT action, outcome FROM org_audit_logs WHERE org_slug = ? ORDER BY occurred_at", slug)
    assert answer.json()["kept"][0] == "org_audit_logs: the audit rows of the organisation"
    assert [(row["action"], row["outcome"]) for row in trail] == [
        ("organizations.onboard", "SUCCESS"),
        ("keys.rotate", "SUCCESS"),
        ("organizations.offboard", "SUCCESS"),
    ]


def test_an_organisation_key_cannot_off_board_its_own(service: RunningService):
    slug = new_slug("mine")
    key = service.key_of(slug)

    problem(service.call("DELETE", f"/api/v1/organizations/{slug}", key=key, json={"confirm": slug}), 403, "not-yours")

    assert service.call("GET", "/api/v1/whoami", key=key).status_code == 200
