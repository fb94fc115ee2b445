"""Rate limits, per organisation, for the root key and per address, and authentication turned off."""

import re
from collections.abc import Iterator

import httpx2
import pytest

from tests.acceptance.observed import new_slug, problem
from tests.fakes.running import ROOT_KEY, RunningService

ORG, ANONYMOUS = 4, 3


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Behind one proxy, so that each test comes from addresses of its own."""
    settings = {
        "RATE_LIMIT_ENABLED": "true",
        "RATE_LIMIT_ORG_PER_MINUTE": str(ORG),
        "RATE_LIMIT_ANONYMOUS_PER_MINUTE": str(ANONYMOUS),
        "TRUSTED_PROXY_HOPS": "1",
    }
    running = RunningService(tmp_path_factory.mktemp("limited") / "data", settings).start()
    try:
        yield running.bootstrap()
    finally:
        running.stop()


def refused(answers: list[httpx2.Response], limit: int) -> httpx2.Response:
    """The first answer over the limit; twice the limit and one more cannot all fit, even over the turn of a minute."""
    assert all(answer.status_code != 429 for answer in answers[:limit])
    over = [answer for answer in answers if answer.status_code == 429]
    assert over
    return over[0]


def test_an_organisation_over_its_limit_is_told_when_to_come_back(limited: RunningService):
    key, neighbour = limited.key_of(new_slug("busy")), limited.key_of(new_slug("calm"))

    answers = [limited.call("GET", "/api/v1/whoami", key=key) for _ in range(2 * ORG + 1)]

    over = refused(answers, ORG)
    problem(over, 429, "throttled")
    assert int(over.headers["retry-after"]) >= 1
    assert over.headers["ratelimit"].endswith(f"t={over.headers['retry-after']}")
    assert str(ORG) in over.headers["ratelimit-policy"]
    assert re.search(r"r=0\b", over.headers["ratelimit"])
    assert [answer.status_code for answer in answers[:ORG]] == [200] * ORG
    assert limited.call("GET", "/api/v1/whoami", key=neighbour).status_code == 200
    assert limited.admin("GET", "/api/v1/organizations").status_code == 200


def test_every_answer_says_what_is_left(limited: RunningService):
    key = limited.key_of(new_slug("counted"))

    answers = [limited.call("GET", "/api/v1/whoami", key=key) for _ in range(2)]

    left = [int(re.findall(r"r=(\d+)", answer.headers["ratelimit"])[0]) for answer in answers]
    assert all(f"q={ORG}" in answer.headers["ratelimit-policy"] for answer in answers)
    assert all("w=60" in answer.headers["ratelimit-policy"] for answer in answers)
    assert left[0] == ORG - 1


def test_a_refused_key_says_what_is_left_as_well(limited: RunningService):
    answer = limited.call("GET", "/api/v1/whoami", X_Forwarded_For="192.0.2.1")

    assert answer.status_code == 401
    assert f"q={ANONYMOUS}" in answer.headers["ratelimit-policy"]
    assert f"r={ANONYMOUS - 1}" in answer.headers["ratelimit"]


def test_refused_keys_count_against_the_address(limited: RunningService):
    guesses = [
        limited.call("GET", "/api/v1/whoami", key=f"guess_api_{number:016d}", X_Forwarded_For="198.51.100.1")
        for number in range(2 * ANONYMOUS + 1)
    ]

    over = refused(guesses, ANONYMOUS)
    problem(over, 429, "throttled")
    assert int(over.headers["retry-after"]) >= 1
    assert [guess.status_code for guess in guesses[:ANONYMOUS]] == [401] * ANONYMOUS
    elsewhere = limited.call("GET", "/api/v1/whoami", key="guess_api_" + "0" * 16, X_Forwarded_For="198.51.100.2")
    assert elsewhere.status_code == 401


def test_refused_root_keys_count_against_the_address(limited: RunningService):
    guesses = [
        limited.call("GET", "/api/v1/organizations", root=f"admin_{number:040d}", X_Forwarded_For="198.51.100.3")
        for number in range(2 * ANONYMOUS + 1)
    ]

    problem(refused(guesses, ANONYMOUS), 429, "throttled")


def test_a_caller_without_a_key_counts_against_the_address(limited: RunningService):
    calls = [limited.call("GET", "/api/v1/whoami", X_Forwarded_For="198.51.100.4") for _ in range(2 * ANONYMOUS + 1)]

    problem(refused(calls, ANONYMOUS), 429, "throttled")


def test_what_the_caller_writes_before_the_proxy_does_not_hide_the_address(limited: RunningService):
    calls = [
        limited.call("GET", "/api/v1/whoami", X_Forwarded_For=f"203.0.113.{number}, 198.51.100.5") for number in range(2 * ANONYMOUS + 1)
    ]

    problem(refused(calls, ANONYMOUS), 429, "throttled")


def test_a_valid_key_passes_from_an_address_that_is_blocked(limited: RunningService):
    key = limited.key_of(new_slug("valid"))
    refused([limited.call("GET", "/api/v1/whoami", X_Forwarded_For="198.51.100.6") for _ in range(2 * ANONYMOUS + 1)], ANONYMOUS)

    assert limited.call("GET", "/api/v1/whoami", key=key, X_Forwarded_For="198.51.100.6").status_code == 200


def test_liveness_is_never_limited(limited: RunningService):
    answers = [limited.call("GET", "/health/live", X_Forwarded_For="198.51.100.7") for _ in range(2 * ANONYMOUS + 1)]

    assert [answer.status_code for answer in answers] == [200] * (2 * ANONYMOUS + 1)


def test_the_root_key_has_a_limit_of_its_own(fresh):
    service: RunningService = fresh(RATE_LIMIT_ENABLED="true", RATE_LIMIT_ROOT_PER_MINUTE="3").bootstrap()

    answers = [service.admin("GET", "/api/v1/organizations") for _ in range(7)]

    problem(refused(answers, 2), 429, "throttled")
    assert service.call("GET", "/health").status_code == 200


def test_limits_turned_off_limit_nobody(service: RunningService):
    answers = [service.call("GET", "/nowhere") for _ in range(80)]

    assert {answer.status_code for answer in answers} == {404}


def test_authentication_turned_off_is_said_on_every_answer(fresh):
    service: RunningService = fresh(DISABLE_AUTH="true")
    calls = [
        ("POST", "/api/v1/admin/bootstrap", None, 200),
        ("POST", "/api/v1/organizations/onboard", {"org_slug": "open_house", "company_name": "O", "admin_email": "a@example.com"}, 201),
        ("GET", "/api/v1/organizations", None, 200),
        ("GET", "/api/v1/organizations/open_house/keys", None, 200),
        ("POST", "/api/v1/organizations/open_house/keys/rotate", {"grace_hours": 0}, 201),
        ("GET", "/health", None, 200),
        ("GET", "/nowhere", None, 404),
        ("PUT", "/health", None, 405),
        ("POST", "/api/v1/organizations/onboard", {}, 422),
        ("GET", "/docs", None, 200),
    ]

    answers = [service.call(method, path, json=body) for method, path, body, _ in calls]

    assert [answer.status_code for answer in answers] == [status for *_, status in calls]
    said = [sorted(name for name, value in answer.headers.items() if "auth" in name.lower()) for answer in answers]
    assert said == [said[0]] * len(calls)
    assert said[0]
    service.stop()
    lines = [line for line in service.log.read_text().splitlines() if '"http.request"' in line]
    assert lines
    assert [line for line in lines if "auth" not in line.lower()] == []


def test_authentication_is_on_when_nothing_is_said(service: RunningService):
    answer = service.call("GET", "/api/v1/organizations")

    assert answer.status_code == 401
    assert ROOT_KEY not in answer.text
