"""One organisation, and all of them a page at a time, for the root key."""

import pytest

from tests.acceptance.observed import new_slug, problem
from tests.fakes.running import RunningService

ORGS = "/api/v1/organizations"
SHOWN = {
    "org_slug",
    "company_name",
    "admin_email",
    "status",
    "subscription_plan",
    "plan",
    "subscription_status",
    "timezone",
    "dataset_id",
    "created_at",
}


def pages(service: RunningService, limit: int) -> list[list[str]]:
    found: list[list[str]] = []
    cursor = ""
    while True:
        answer = service.admin("GET", f"{ORGS}?limit={limit}{cursor}")
        assert answer.status_code == 200, answer.text
        found.append([organisation["org_slug"] for organisation in answer.json()["organizations"]])
        if answer.json()["next_cursor"] is None:
            return found
        cursor = f"&cursor={answer.json()['next_cursor']}"


def test_one_is_shown_with_its_plan_and_status(service: RunningService):
    slug = new_slug("shown")
    service.key_of(slug, subscription_plan="PROFESSIONAL", timezone="Asia/Tokyo", company_name="Shown KK", admin_email="kk@example.com")

    answer = service.admin("GET", f"{ORGS}/{slug}")

    assert answer.status_code == 200
    assert set(answer.json()) == SHOWN
    assert answer.json() | {"created_at": ""} == {
        "org_slug": slug,
        "company_name": "Shown KK",
        "admin_email": "kk@example.com",
        "status": "ACTIVE",
        "subscription_plan": "PROFESSIONAL",
        "plan": "PROFESSIONAL",
        "subscription_status": "ACTIVE",
        "timezone": "Asia/Tokyo",
        "dataset_id": f"{slug}_dev",
        "created_at": "",
    }
    assert answer.json()["created_at"].endswith("Z")


def test_one_that_is_not_there_is_not_found(service: RunningService):
    problem(service.admin("GET", f"{ORGS}/{new_slug('absent')}"), 404, "missing")


def test_pages_of_two_hold_every_organisation_once(service: RunningService):
    slugs = {new_slug("paged") for _ in range(5)}
    for slug in slugs:
        service.key_of(slug)

    found = pages(service, 2)

    flat = [slug for page in found for slug in page]
    assert all(len(page) == 2 for page in found[:-1])
    assert 1 <= len(found[-1]) <= 2
    assert len(flat) == len(set(flat))
    assert slugs <= set(flat)
    assert flat == sorted(flat)
    assert flat == [slug for page in pages(service, 200) for slug in page]


def test_the_last_page_that_is_full_says_it_is_the_last(service: RunningService):
    service.key_of(new_slug("full"))
    total = len([slug for page in pages(service, 200) for slug in page])

    size = max(size for size in range(1, 201) if total % size == 0)

    assert [len(page) for page in pages(service, size)] == [size] * (total // size)


def test_status_chooses(service: RunningService):
    slug = new_slug("chosen")
    service.key_of(slug)

    active = service.admin("GET", f"{ORGS}?status=ACTIVE&limit=200").json()["organizations"]
    leaving = service.admin("GET", f"{ORGS}?status=OFFBOARDING&limit=200").json()["organizations"]

    assert slug in [organisation["org_slug"] for organisation in active]
    assert leaving == []
    assert {frozenset(organisation) for organisation in active} == {frozenset(SHOWN)}


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=201", "limit=many", "limit=1.5", "status=ERASED", "cursor=" + "x" * 51])
def test_a_query_out_of_range_is_refused(service: RunningService, query):
    document = problem(service.admin("GET", f"{ORGS}?{query}"), 422, "rejected")

    assert document["errors"][0]["field"].endswith(query.split("=")[0])


def test_an_organisation_key_lists_nobody_and_shows_its_own(service: RunningService):
    slug = new_slug("curious")
    key = service.key_of(slug)

    problem(service.call("GET", ORGS, key=key), 403, "not-yours")
    assert service.call("GET", f"{ORGS}/{slug}", key=key).json()["org_slug"] == slug
