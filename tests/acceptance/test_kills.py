"""`kill -9` at random moments of onboarding: afterwards there is exactly one organisation, or none and onboarding works."""

import random
import threading
import time
from contextlib import suppress

import httpx2
import pytest

from tests.fakes.running import RunningService

CI_KILLS, PROOF_KILLS = 5, 50
ONBOARDING_SECONDS = 0.6  # kills fall from before the first byte to after the last answer


def test_onboarding_survives_kills(tmp_path):
    prove(tmp_path, CI_KILLS, seed=random.randrange(2**32))


@pytest.mark.proof
def test_onboarding_survives_many_kills(tmp_path):
    prove(tmp_path, PROOF_KILLS, seed=random.randrange(2**32))


def prove(tmp_path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    service = RunningService(tmp_path / "data").start().bootstrap()
    seen = {"answered before the kill": 0, "onboarded again": 0, "409 naming rotation": 0}
    try:
        for number in range(kills):
            slug = f"victim_{number}"
            answered = cut_short(service, slug, chance.uniform(0, ONBOARDING_SECONDS))
            service.start()
            seen[settle(service, slug)] += 1
            seen["answered before the kill"] += answered
            assert slugs(service).count(slug) == 1, f"seed {seed}, kill {number}"
    finally:
        service.stop()
    print(f"\n{kills} kills (seed {seed}): {seen}")  # noqa: T201 - the figures of `make proof`


def cut_short(service: RunningService, slug: str, after: float) -> bool:
    answered = threading.Event()

    def onboard() -> None:
        with suppress(httpx2.TransportError):
            assert service.onboard(slug).status_code == 201
            answered.set()

    caller = threading.Thread(target=onboard)
    caller.start()
    time.sleep(after)
    service.kill()
    caller.join(30)
    return answered.is_set()


def settle(service: RunningService, slug: str) -> str:
    """What an admin does next: onboard again and, where the organisation is there, rotate its key."""
    again = service.onboard(slug)
    if again.status_code == 201:
        key, outcome = again.json()["api_key"], "onboarded again"
    else:
        assert again.status_code == 409, again.text
        assert f"/api/v1/organizations/{slug}/keys/rotate" in again.json()["detail"]
        rotated = service.admin("POST", f"/api/v1/organizations/{slug}/keys/rotate", {"grace_hours": 0})
        assert rotated.status_code == 201, rotated.text
        key, outcome = rotated.json()["api_key"], "409 naming rotation"
    assert service.call("GET", "/api/v1/whoami", key=key).json()["org_slug"] == slug
    return outcome


def slugs(service: RunningService) -> list[str]:
    found: list[str] = []
    cursor = ""
    while True:
        page = service.admin("GET", f"/api/v1/organizations?limit=200{cursor}").json()
        found += [org["org_slug"] for org in page["organizations"]]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"
