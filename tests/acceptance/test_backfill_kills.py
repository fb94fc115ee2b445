"""A backfill whose process is killed again and again goes on to its end, each window once."""

from functools import partial
from typing import Any

import pytest

from tests.acceptance.observed import until
from tests.acceptance.test_worker_kills import SLUG, connected, nothing_is_held
from tests.fakes.running import RunningService

BACKFILLS = f"/api/v1/pipelines/backfills/{SLUG}"
MONTHS = {"start_date": "2026-06-01", "end_date": "2026-09-03"}


def standing(service: RunningService, key: str, backfill_id: str) -> dict[str, Any]:
    answer = service.call("GET", f"{BACKFILLS}/{backfill_id}", key=key)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def found(service: RunningService, key: str, backfill_id: str, done: int, *, at_work: bool) -> bool:
    """So many windows done, and the next in a worker's hands, or not yet."""
    windows = standing(service, key, backfill_id)["windows"]
    begun = any(window["state"] == "RUNNING" for window in windows)
    return sum(window["state"] == "COMPLETED" for window in windows) >= done and (begun or not at_work)


@pytest.mark.parametrize("kills", [1, pytest.param(4, marks=pytest.mark.proof)])
def test_killed_in_the_middle_of_a_backfill(tmp_path, kills):
    service, key = connected(tmp_path, SCHEDULER_ENABLED="true")
    try:
        answer = service.call("POST", f"/api/v1/pipelines/backfill/{SLUG}/gcp/cost/billing", key=key, json=MONTHS)
        assert answer.status_code == 202, answer.text
        backfill_id = answer.json()["backfill_id"]
        for number in range(kills):
            # in the middle of a window, then as soon as one is over, in turn
            until(partial(found, service, key, backfill_id, (number + 1) // 2, at_work=number % 2 == 0))
            service.kill()
            service.start()

        until(lambda: standing(service, key, backfill_id)["state"] != "RUNNING")

        told = standing(service, key, backfill_id)
        assert (told["state"], told["progress"]["days"]) == ("COMPLETED", {"total": 95, "done": 95, "failed": 0, "left": 0}), told
        runs = service.call("GET", f"/api/v1/pipelines/runs/{SLUG}?trigger=backfill", key=key).json()["runs"]
        assert [(run["status"], run["window"]["start"]) for run in reversed(runs)] == [
            ("SUCCESS", "2026-06-01"),
            ("SUCCESS", "2026-07-02"),
            ("SUCCESS", "2026-08-02"),
            ("SUCCESS", "2026-09-02"),
        ]
        nothing_is_held(service, key)
    finally:
        service.stop()
