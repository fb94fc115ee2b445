"""Keys are rotated with a grace, revoked at once, and listed by fingerprint and never in clear."""

import hashlib
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.acceptance.observed import new_slug, problem, rows
from tests.fakes.running import ROOT_KEY, RunningService

SOON = 2.0 / 3600  # hours; long enough to be seen valid, short enough to wait for


def mark_of(key: str) -> str:
    return f"{key[-4:]}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"


def opens(service: RunningService, key: str) -> int:
    return service.call("GET", "/api/v1/whoami", key=key).status_code


def listed(service: RunningService, slug: str) -> dict[str, dict[str, str | None]]:
    answer = service.admin("GET", f"/api/v1/organizations/{slug}/keys")
    assert answer.status_code == 200
    return {key["api_key_fingerprint"]: key for key in answer.json()["keys"]}


def rotate(service: RunningService, slug: str, **body: object) -> str:
    answer = service.admin("POST", f"/api/v1/organizations/{slug}/keys/rotate", body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["api_key"])


def test_whoami_says_what_the_key_is(service: RunningService):
    slug = new_slug("who")
    key = service.key_of(slug)

    answer = service.call("GET", "/api/v1/whoami", key=key)

    assert answer.status_code == 200
    assert answer.json() == {
        "org_slug": slug,
        "dataset_id": f"{slug}_dev",
        "environment": "development",
        "api_key_fingerprint": mark_of(key),
    }


def test_rotation_with_a_grace_keeps_the_old_key_until_it_ends(service: RunningService):
    slug = new_slug("graceful")
    old = service.key_of(slug)
    new = rotate(service, slug, grace_hours=1)
    assert (opens(service, old), opens(service, new)) == (200, 200)
    assert listed(service, slug)[mark_of(old)]["state"] == "expiring"

    old, new = new, rotate(service, slug, grace_hours=SOON)
    ends = datetime.fromisoformat(str(listed(service, slug)[mark_of(old)]["expires_at"]))
    seen = opens(service, old)

    assert seen == 200 or datetime.now(UTC) >= ends
    while datetime.now(UTC) < ends:
        time.sleep(0.05)
    problem(service.call("GET", "/api/v1/whoami", key=old), 401, "unauthenticated")
    assert opens(service, new) == 200
    assert listed(service, slug)[mark_of(old)]["state"] == "expired"
    assert listed(service, slug)[mark_of(new)]["state"] == "active"


def test_a_grace_of_nothing_ends_the_old_key_now(service: RunningService):
    slug = new_slug("graceless")
    old = service.key_of(slug)
    assert opens(service, old) == 200

    new = rotate(service, slug, grace_hours=0)

    assert (opens(service, old), opens(service, new)) == (401, 200)


@pytest.mark.parametrize("body", [{}, {"grace_hours": None}])
def test_a_rotation_that_names_no_grace_gives_a_day(service: RunningService, body):
    slug = new_slug("daily")
    old = service.key_of(slug)

    answer = service.admin("POST", f"/api/v1/organizations/{slug}/keys/rotate", body)

    (replaced,) = answer.json()["replaced"]
    (kept,) = rows(service, "SELECT * FROM org_api_keys WHERE fingerprint = ?", answer.json()["api_key_fingerprint"])
    assert answer.status_code == 201
    assert answer.json()["org_slug"] == slug
    assert answer.json()["api_key_fingerprint"] == mark_of(answer.json()["api_key"])
    assert kept["key_hash"] == hashlib.sha256(answer.json()["api_key"].encode()).hexdigest()
    assert replaced["api_key_fingerprint"] == mark_of(old)
    given = datetime.fromisoformat(replaced["expires_at"]) - datetime.fromisoformat(kept["created_at"])
    assert given == timedelta(hours=24)


def test_a_rotation_without_a_body_gives_a_day_as_well(service: RunningService):
    slug = new_slug("bodyless")
    old = service.key_of(slug)

    assert service.admin("POST", f"/api/v1/organizations/{slug}/keys/rotate").status_code == 201

    assert listed(service, slug)[mark_of(old)]["state"] == "expiring"


@pytest.mark.parametrize("grace", [-1, -0.001, 720.001, 721, 1e9, "soon", [], {}])
def test_a_grace_out_of_range_is_refused_and_changes_nothing(service: RunningService, grace):
    slug = new_slug("range")
    key = service.key_of(slug)

    document = problem(service.admin("POST", f"/api/v1/organizations/{slug}/keys/rotate", {"grace_hours": grace}), 422, "rejected")

    assert [error["field"] for error in document["errors"]] == ["grace_hours"]
    assert list(listed(service, slug)) == [mark_of(key)]
    assert listed(service, slug)[mark_of(key)]["state"] == "active"


def test_a_grace_of_thirty_days_is_the_longest(service: RunningService):
    slug = new_slug("longest")
    service.key_of(slug)

    assert service.admin("POST", f"/api/v1/organizations/{slug}/keys/rotate", {"grace_hours": 720}).status_code == 201


def test_no_later_rotation_lets_a_key_live_longer(service: RunningService):
    slug = new_slug("shorter")
    first = service.key_of(slug)
    second = rotate(service, slug, grace_hours=2)
    promised = listed(service, slug)[mark_of(first)]["expires_at"]

    third = rotate(service, slug, grace_hours=700)
    fourth = rotate(service, slug, grace_hours=720)

    keys = listed(service, slug)
    assert keys[mark_of(first)]["expires_at"] == promised
    assert str(keys[mark_of(second)]["expires_at"]) < str(keys[mark_of(third)]["expires_at"])
    assert keys[mark_of(fourth)]["expires_at"] is None
    assert [opens(service, key) for key in (first, second, third, fourth)] == [200] * 4
    last = rotate(service, slug, grace_hours=0)
    assert [opens(service, key) for key in (first, second, third, fourth, last)] == [401] * 4 + [200]


def test_an_expired_or_revoked_key_never_comes_back_by_rotation(service: RunningService):
    slug = new_slug("buried")
    expired = service.key_of(slug)
    revoked = rotate(service, slug, grace_hours=0)
    assert service.admin("DELETE", f"/api/v1/organizations/{slug}/keys/{mark_of(revoked)}").status_code == 200

    answer = service.admin("POST", f"/api/v1/organizations/{slug}/keys/rotate", {"grace_hours": 720})

    assert answer.status_code == 201
    assert [opens(service, key) for key in (expired, revoked)] == [401, 401]
    assert answer.json()["replaced"] == []
    assert (listed(service, slug)[mark_of(expired)]["state"], listed(service, slug)[mark_of(revoked)]["state"]) == ("expired", "revoked")


def test_a_revoked_key_is_refused_at_once(service: RunningService):
    slug = new_slug("revoked")
    key = service.key_of(slug)
    assert opens(service, key) == 200

    answer = service.admin("DELETE", f"/api/v1/organizations/{slug}/keys/{mark_of(key)}")

    assert answer.status_code == 200
    assert answer.json() == {"org_slug": slug, "api_key_fingerprint": mark_of(key), "state": "revoked"}
    problem(service.call("GET", "/api/v1/whoami", key=key), 401, "unauthenticated")
    assert listed(service, slug)[mark_of(key)]["state"] == "revoked"
    assert listed(service, slug)[mark_of(key)]["revoked_at"] is not None


def test_an_unknown_or_foreign_fingerprint_is_not_found(service: RunningService):
    slug, other = new_slug("finger"), new_slug("other")
    service.key_of(slug)
    foreign = service.key_of(other)

    for mark in ("abcd-01234567", mark_of(foreign), "nonsense", mark_of(foreign).upper()):
        problem(service.admin("DELETE", f"/api/v1/organizations/{slug}/keys/{mark}"), 404, "missing")
    assert opens(service, foreign) == 200


def test_an_organisation_rotates_lists_and_revokes_its_own_keys_only(service: RunningService):
    slug, other = new_slug("own"), new_slug("their")
    mine, theirs = service.key_of(slug), service.key_of(other)
    path, foreign = f"/api/v1/organizations/{slug}/keys", f"/api/v1/organizations/{other}/keys"

    problem(service.call("GET", foreign, key=mine), 403, "not-yours")
    problem(service.call("POST", f"{foreign}/rotate", key=mine, json={"grace_hours": 0}), 403, "not-yours")
    problem(service.call("DELETE", f"{foreign}/{mark_of(theirs)}", key=mine), 403, "not-yours")
    problem(service.call("GET", "/api/v1/organizations/nobody_here/keys", key=mine), 403, "not-yours")
    made = service.call("POST", f"{path}/rotate", key=mine, json={"grace_hours": 1})
    assert made.status_code == 201
    assert service.call("DELETE", f"{path}/{mark_of(mine)}", key=made.json()["api_key"]).status_code == 200
    assert [opens(service, key) for key in (mine, theirs, made.json()["api_key"])] == [401, 200, 200]


def test_a_lost_key_is_replaced_by_the_root_key(service: RunningService):
    slug = new_slug("lost")
    lost = service.key_of(slug)
    assert service.admin("DELETE", f"/api/v1/organizations/{slug}/keys/{mark_of(lost)}").status_code == 200

    found = rotate(service, slug, grace_hours=0)

    assert opens(service, found) == 200


def test_keys_of_an_organisation_that_is_not_there_are_not_found(service: RunningService):
    path = f"/api/v1/organizations/{new_slug('absent')}/keys"

    problem(service.admin("GET", path), 404, "missing")
    problem(service.admin("POST", f"{path}/rotate", {"grace_hours": 0}), 404, "missing")
    problem(service.admin("DELETE", f"{path}/abcd-01234567"), 404, "missing")


def test_the_root_key_is_no_organisation_key(service: RunningService):
    problem(service.call("GET", "/api/v1/whoami", root=ROOT_KEY), 403, "not-yours")
