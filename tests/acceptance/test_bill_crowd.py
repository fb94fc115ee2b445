"""Many organisations at once in one process: each ends, each sees its own figures and nobody else's."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.acceptance.test_bill_journey import LATE, Customer, right
from tests.fakes.running import RunningService

FIRST, LAST = date(2026, 9, 1), date(2026, 9, 2)
ACCOUNTS = ("demo", "second")
MEGABYTE = 1024


def peak_megabytes(service: RunningService) -> int:
    assert service.process is not None
    lines = Path(f"/proc/{service.process.pid}/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("VmHWM:")]
    return int(line.split()[1]) // MEGABYTE


def prove(folder: Path, organisations: int, late: timedelta) -> None:
    service = RunningService(folder / "data", {"SANDBOX": "true", "WORKER_POLL_SECONDS": "0.1"}).start().bootstrap()
    try:
        idle = peak_megabytes(service)
        with ThreadPoolExecutor(4) as hands:
            crowd = list(
                hands.map(lambda number: Customer.of(service, f"crowd_{number:02}", ACCOUNTS[number % 2]), range(organisations)),
            )
            started = time.monotonic()
            runs = list(hands.map(lambda one: one.accepted(FIRST, LAST, late_days=late.days), crowd))
            ends = [one.settled(run_id, 30 + 5 * organisations) for one, run_id in zip(crowd, runs, strict=True)]
            seconds = time.monotonic() - started
        assert [run["status"] for run in ends] == ["SUCCESS"] * organisations
        assert len(set(runs)) == organisations
        for number, (one, run) in enumerate(zip(crowd, ends, strict=True)):
            account = ACCOUNTS[number % 2]
            assert one.daily() == right(account, FIRST, LAST + late), one.slug
            assert run["org_slug"] == one.slug
            assert one.quota()["running"] == {"used": 0, "limit": 1, "remaining": 1}
            listed = one.get(f"/pipelines/runs/{one.slug}?provider=gcp&limit=200")["runs"]
            assert {each["org_slug"] for each in listed} == {one.slug}
            assert set(runs) & {each["pipeline_logging_id"] for each in listed} == {run["pipeline_logging_id"]}
            manifests = one.table("x_load_manifests").to_pylist()
            assert [each["pipeline_logging_id"] for each in manifests] == [run["pipeline_logging_id"]]
        memory = f"peak memory {peak_megabytes(service)} MB ({idle} MB before the first of them)"
        print(f"\n{organisations} organisations at once: {seconds:.1f} s, {memory}")  # noqa: T201 - a proof's result
    finally:
        service.stop()


def test_organisations_at_once_see_their_own_bill_only(tmp_path):
    """One for each of the worker's places, and two that wait."""
    prove(tmp_path, 6, timedelta(0))


@pytest.mark.proof
def test_fifty_organisations_at_once_see_their_own_bill_only(tmp_path):
    prove(tmp_path, 50, LATE)
