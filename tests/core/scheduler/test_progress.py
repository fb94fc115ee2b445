"""Where a run stands, beside a source that is slow: what is not known is not told."""

from typing import Any

import pytest

from src.core.base.clock import SystemClock
from src.core.scheduler.progress import Board


class Watch(SystemClock):
    seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def board(watch: Watch) -> Board:
    """Of a run of three steps, the first two of which took no time."""
    made = Board(("check", "open", "load"), watch)
    for step in ("check", "open"):
        made.of(step)
        made.step_done(step)
    return made


def told(board: Board) -> dict[str, Any]:
    news = board.news()
    assert news is not None
    return news


def test_a_slow_source_is_told_by_what_was_read_of_it_and_not_by_the_steps_that_were_quick(board: Board, watch: Watch):
    load = board.of("load")
    load(doing="listing")
    assert (told(board)["percent"], board.news()) == (66.7, None)
    seen = []
    for part in range(1, 6):
        watch.seconds += 10
        load(bytes_done=part * 20, bytes_total=100, doing="reading the source")
        now = told(board)
        seen.append(now["percent"])
        # its rows are still to be written, and nobody knows how long that takes
        assert (now["eta_seconds"], now["bytes"], now["bytes_total"], now["rows_total"]) == (None, part * 20, 100, None)
    assert seen == [70.0, 73.3, 76.7, 80.0, 83.3]

    load(rows=0, rows_total=1000, doing="writing")
    assert told(board)["percent"] == 83.3
    watch.seconds += 10
    load(rows=250, rows_total=1000)
    now = told(board)
    assert (now["percent"], now["eta_seconds"], now["rows"]) == (87.5, 30, 250)
    # a pause of the source is no nearer end
    watch.seconds += 50
    load(rows=260, rows_total=1000)
    assert told(board)["eta_seconds"] == 171
    load(rows=1000, rows_total=1000, doing="closing the books")
    now = told(board)
    assert (now["percent"], now["eta_seconds"]) == (99.7, None)
    board.step_done("load")
    assert board.last(complete=True)["percent"] == 100.0


def test_bytes_and_rows_are_those_of_all_steps_and_no_end_is_told_while_another_is_to_come(watch: Watch):
    board = Board(("use", "costs", "load"), watch)
    board.of("use")(bytes_done=30, bytes_total=30, rows=10, rows_total=10)
    board.step_done("use")
    costs = board.of("costs")
    costs(bytes_done=5, bytes_total=20, rows=0, rows_total=40)
    watch.seconds += 10
    costs(rows=10)

    now = told(board)
    assert (now["bytes"], now["bytes_total"], now["rows"], now["rows_total"]) == (35, 50, 20, 50)
    assert now["percent"] == round(100 * (1 + (0.25 + 0.25) / 2) / 3, 1)
    assert now["eta_seconds"] is None
