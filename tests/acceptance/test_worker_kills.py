"""Processes that die or stand still in the middle of runs: no window is half there or twice, no slot is lost, every run is settled."""

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.observed import until
from tests.acceptance.test_bill_journey import credential
from tests.fakes.running import RunningService

CI_KILLS, PROOF_KILLS = 3, 100
LEASE_SECONDS = 2.0
SLUG = "killed_corp"
WINDOW = {"start_date": "2026-09-01", "end_date": "2026-09-03"}
RUN = f"/api/v1/pipelines/run/{SLUG}/gcp/cost/billing"
OVER = ("SUCCESS", "FAILED", "CANCELLED")


def connected(folder: Path, **more: str) -> tuple[RunningService, str]:
    settings = {
        "SANDBOX": "true",
        "WORKER_LEASE_SECONDS": str(LEASE_SECONDS),
        "WORKER_POLL_SECONDS": "0.1",
        "WORKER_TAKEOVERS": "20",
        **more,
    }
    service = RunningService(folder / "data", settings).start().bootstrap()
    key = service.key_of(SLUG, subscription_plan="SCALE")
    answer = service.call("POST", f"/api/v1/integrations/{SLUG}/gcp/setup", key=key, json={"credential": credential(service, "demo")})
    assert answer.status_code == 200, answer.text
    return service, key


def run_of(service: RunningService, key: str, run_id: str) -> dict[str, Any]:
    answer = service.call("GET", f"/api/v1/pipelines/runs/{SLUG}/{run_id}", key=key)
    assert answer.status_code == 200, answer.text
    run: dict[str, Any] = answer.json()
    return run


def ask(service: RunningService, key: str) -> str:
    answer = service.call("POST", RUN, key=key, json=WINDOW)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["pipeline_logging_id"])


def settled(service: RunningService, key: str, run_id: str) -> dict[str, Any]:
    until(lambda: run_of(service, key, run_id)["status"] in OVER)
    return run_of(service, key, run_id)


def costs(service: RunningService, key: str) -> Any:
    answer = service.call("GET", f"/api/v1/costs/{SLUG}/daily?from=2026-09-01&to=2026-09-03&group_by=service", key=key)
    assert answer.status_code == 200, answer.text
    return [{name: value for name, value in row.items() if name != "completeness"} for row in answer.json()["rows"]]


def nothing_is_held(service: RunningService, key: str) -> None:
    quota = service.call("GET", f"/api/v1/organizations/{SLUG}/quota", key=key).json()
    assert quota["running"]["used"] == 0, quota


def prove(folder: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    service, key = connected(folder)
    try:
        began = time.monotonic()
        assert settled(service, key, ask(service, key))["status"] == "SUCCESS"
        whole = time.monotonic() - began
        right = costs(service, key)
        assert right
        for number in range(kills):
            run_id = ask(service, key)
            time.sleep(moment(chance, number, kills) * whole)
            service.kill()
            service.start()
            run = settled(service, key, run_id)
            assert run["status"] == "SUCCESS", (seed, number, run)
            assert costs(service, key) == right, (seed, number)
            nothing_is_held(service, key)
    finally:
        service.stop()


def moment(chance: random.Random, number: int, kills: int) -> float:
    """At random in this kill's own part of the run, so that of few kills, too, each part has one."""
    return (number + chance.random()) / kills


def test_killed_in_the_middle_of_runs(tmp_path):
    prove(tmp_path, CI_KILLS, seed=random.randrange(2**32))


@pytest.mark.proof
def test_killed_in_the_middle_of_a_hundred_runs(tmp_path):
    # the largest plan allows a hundred runs a day, and each proof begins with one that nobody kills
    for half in ("first", "second"):
        prove(tmp_path / half, PROOF_KILLS // 2, seed=random.randrange(2**32))


@pytest.mark.proof
def test_a_process_that_stands_still_past_its_lease_starts_its_run_anew(tmp_path):
    service, key = connected(tmp_path)
    try:
        assert settled(service, key, ask(service, key))["status"] == "SUCCESS"
        right = costs(service, key)
        run_id = ask(service, key)
        until(lambda: run_of(service, key, run_id)["attempt"] >= 1)
        assert service.process is not None
        os.kill(service.process.pid, signal.SIGSTOP)
        time.sleep(LEASE_SECONDS + 0.5)
        os.kill(service.process.pid, signal.SIGCONT)
        run = settled(service, key, run_id)
        assert run["status"] == "SUCCESS", run
        assert costs(service, key) == right
        nothing_is_held(service, key)
    finally:
        service.stop()
