"""Benchmarks of the ledger run, with numbers too small to say how fast."""

import asyncio

import pytest

from bench import bench_scheduler, queue_cycle
from bench.bench_scheduler import Drained, Passed, exponent


def test_the_scheduler_is_measured_over_all_that_was_due(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(bench_scheduler, "postgres_bin", lambda: None)

    assert bench_scheduler.main(["--quick"]) == 0

    told = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:3] for line in told if len(line) == 5 and line[0].isdigit()] == [[f"{due}", f"{due}", "1"] for due in (40, 80, 160)]
    assert [line[0] for line in told if len(line) == 6 and line[0].isdigit()] == ["4", "1"]
    # beside others that run, six single ones do not wait for sixty of one organisation
    [shared] = [line for line in told if len(line) == 6 and line[0] == "4"]
    assert (shared[2], int(shared[4]) < 20) == ("6", True)
    assert any(line and line[0] == "exponent" for line in told)
    assert told[-1][:4] == ["PostgreSQL", "is", "left", "out:"]


def test_the_exponent_is_one_where_time_grows_as_what_is_due():
    assert exponent(Passed(due, due, 1, due / 500) for due in (10, 30, 100)) == pytest.approx(1)
    assert exponent(Passed(due, due, 1, due**2 / 500) for due in (10, 30, 100)) == pytest.approx(2)


def test_a_single_run_that_did_not_begin_is_told_as_such():
    assert Drained(4, (3,), 80, 0.8).row().split() == ["80", "1", ">", "80", ">", "80", "10.00"]
    assert Drained(3, (3, 5, 8), 8, 0.8).row().split() == ["8", "3", "5", "8", "100.00"]


def test_a_run_goes_its_way_through_the_queue(tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    queue_cycle.prepared(url)
    desk = queue_cycle.opened(url)
    assert asyncio.run(queue_cycle.cycles(desk, 2)) > 0
    desk.ledger.close()
