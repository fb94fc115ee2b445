"""A slug is 3 to 50 of a-z, 0-9 and _, and nothing else ever becomes a path, a dataset or a row."""

from urllib.parse import quote

import pytest

from tests.acceptance.observed import new_slug, problem, rows
from tests.fakes.running import RunningService

HOSTILE = [
    "x'; DROP TABLE org_profiles; --",
    'x"; DROP TABLE org_profiles; --',
    "x` OR 1=1",
    "../escape",
    "..%2fescape",
    "a/b/c",
    "a\\b\\c",
    "a.b.c",
    "a-b-c",
    "a b c",
    "{org_slug}",
    "${env}",
    "abc\n",
    "\nabc",
    "abc\r\n",
    "abc\t",
    " abc",
    "abc ",
    "abc\u0000",
    "abc\u0000def",
    "abc\u200b",
    "abc\u0131",  # a dotless i, whose upper case is I
    "\u212aelvin",  # the Kelvin sign, whose lower case is k
    "\uff41\uff42\uff43",  # full-width letters
    "org\u0661\u0662\u0663",  # Arabic-Indic digits
    "org\u00b2\u00b3",  # superscript digits
    "org\uff11\uff12",  # full-width digits
    "caf\u00e9s",
    "\U0001d41a\U0001d41b\U0001d41c",  # mathematical letters
]
WRONG = ["", "a", "ab", "__", "a" * 51, "a" * 200, "ABC", "Abc", "aBc", "abC", *HOSTILE]
RIGHT = ["abc", "a_c", "123", "___", "9lives", "_lead", "trail_", "select", "null"]


@pytest.mark.parametrize("slug", WRONG, ids=[ascii(slug)[:30] for slug in WRONG])
def test_what_is_no_slug_is_refused_by_onboarding_and_leaves_no_trace(service: RunningService, slug):
    answer = service.onboard(slug, company_name="No Slug")

    document = problem(answer, 422, "rejected")
    assert [error["field"] for error in document["errors"]] == ["org_slug"]
    assert "3 to 50" in document["errors"][0]["message"]
    for table in ("org_profiles", "org_api_keys", "org_subscriptions", "org_usage_quotas"):
        assert rows(service, f"SELECT * FROM {table} WHERE org_slug = ?", slug) == []
    assert not list(service.data.rglob("*escape*"))
    assert not list(service.data.rglob("abc*[!a-z0-9_.]*"))


@pytest.mark.parametrize("slug", RIGHT)
def test_what_is_a_slug_is_taken_as_it_stands(service: RunningService, slug):
    answer = service.onboard(slug)

    assert answer.status_code == 201, answer.text
    assert answer.json()["org_slug"] == slug
    assert answer.json()["dataset_id"] == f"{slug}_dev"
    assert service.call("GET", f"/api/v1/organizations/{slug}/keys", key=answer.json()["api_key"]).status_code == 200


def test_the_longest_slug_works_to_its_end(service: RunningService):
    slug = (new_slug("longest") + "_" + "z" * 50)[:50]

    key = service.key_of(slug)

    assert service.call("GET", "/api/v1/whoami", key=key).json()["dataset_id"] == f"{slug}_dev"
    assert service.admin("POST", f"/api/v1/organizations/{slug}/keys/rotate", {"grace_hours": 0}).status_code == 201
    assert service.admin("DELETE", f"/api/v1/organizations/{slug}", {"confirm": slug}).status_code == 200


@pytest.mark.parametrize("slug", [slug for slug in HOSTILE if "/" not in slug], ids=ascii)
def test_what_is_no_slug_is_no_organisation_in_a_path(service: RunningService, slug):
    path = f"/api/v1/organizations/{quote(slug, safe='')}"

    problem(service.admin("GET", path), 404, "missing")
    problem(service.admin("GET", f"{path}/keys"), 422, "rejected")
    problem(service.admin("POST", f"{path}/keys/rotate", {"grace_hours": 0}), 422, "rejected")
    problem(service.admin("DELETE", f"{path}/keys/abcd-01234567"), 422, "rejected")
    problem(service.admin("DELETE", path, {"confirm": slug}), 422, "rejected")


def test_upper_case_does_not_reach_the_organisation_of_the_same_letters(service: RunningService):
    slug = new_slug("lower")
    service.key_of(slug)

    problem(service.onboard(slug.upper()), 422, "rejected")
    problem(service.admin("GET", f"/api/v1/organizations/{slug.upper()}"), 404, "missing")
    problem(service.admin("DELETE", f"/api/v1/organizations/{slug.upper()}", {"confirm": slug.upper()}), 422, "rejected")
    assert service.admin("GET", f"/api/v1/organizations/{slug}").status_code == 200


def test_a_slug_that_begins_like_another_is_its_own(service: RunningService):
    slug = new_slug("stem")
    first, second = service.key_of(slug), service.key_of(f"{slug}_dev")

    problem(service.call("GET", f"/api/v1/organizations/{slug}_dev/keys", key=first), 403, "not-yours")
    problem(service.call("GET", f"/api/v1/organizations/{slug}/keys", key=second), 403, "not-yours")
    assert service.admin("DELETE", f"/api/v1/organizations/{slug}", {"confirm": slug}).status_code == 200
    assert service.call("GET", "/api/v1/whoami", key=second).json()["dataset_id"] == f"{slug}_dev_dev"
    assert service.admin("GET", f"/api/v1/organizations/{slug}_dev").status_code == 200
