"""How fast a run asks, by a clock that the tests move: nothing here waits, and the answers come over HTTP."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from src.core.base.faults import Timeout
from src.core.providers.http.client import Http, HttpAnswer
from src.core.providers.http.pace import LONGEST_HOLD, MOST_TRIES, OtherFailed, Pace, PaceFacts
from tests.fakes.google import Fail, FakeGoogle

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass
class Moved:
    """Time goes by only where somebody rests."""

    at: float = 0.0

    def now(self) -> float:
        return self.at

    def rest(self, seconds: float) -> None:
        self.at += seconds


@pytest.fixture
def moved() -> Moved:
    return Moved()


def paced(moved: Moved, per_second: float = 1, burst: int = 3, given_up: threading.Event | None = None) -> Pace:
    return Pace(PaceFacts(per_second, burst, 4), given_up, now=moved.now, rest=moved.rest)


def test_a_burst_does_not_wait_and_what_follows_keeps_its_pace(moved: Moved):
    pace = paced(moved, per_second=2, burst=3)

    def turned() -> float:
        pace.turn()
        return round(moved.at, 6)

    assert [turned() for _ in range(6)] == [0, 0, 0, 0.5, 1.0, 1.5]
    moved.at += 100
    assert [turned() for _ in range(4)] == [101.5, 101.5, 101.5, 102.0]


def test_while_one_page_is_held_no_other_is_asked(moved: Moved):
    pace = paced(moved)
    pace.hold(20)
    pace.hold(5)

    pace.turn()

    assert moved.at == pytest.approx(20)


def test_who_is_given_up_or_whose_other_part_failed_waits_no_longer(moved: Moved):
    given_up, stopped = threading.Event(), threading.Event()
    pace = paced(moved, given_up=given_up)
    pace.hold(3600)
    stopped.set()
    with pytest.raises(OtherFailed):
        pace.turn(stopped)
    given_up.set()
    with pytest.raises(Timeout, match="given up"):
        pace.turn()
    assert moved.at == 0


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"Retry-After": "20"}, [20.0]),
        ({"Retry-After": "Sat, 21 Nov 2026 12:00:30 GMT"}, [30.0]),
        ({"Retry-After": "20", "retry-after-ms": "1500"}, [1.5]),
        ({}, [2.0]),
        ({"Retry-After": "soon"}, [2.0]),
        ({"Retry-After": str(int(LONGEST_HOLD) + 1)}, []),
        ({"Retry-After": "1", "x-should-retry": "false"}, []),
    ],
)
def test_patience_is_as_long_as_it_is_asked_for(google: FakeGoogle, moved: Moved, headers: dict[str, str], waits: list[float]):
    answers: Iterator[Fail] = iter([(429, {}, headers), (200, {"said": "yes"}, {})])
    google.fail = lambda _path: next(answers)

    answer = asked(google, paced(moved))

    assert answer.status == (200 if waits else 429)
    assert moved.at == pytest.approx(sum(waits))


class Rests(Exception):
    """Somebody would have to wait."""


def test_a_page_that_is_refused_holds_the_others(google: FakeGoogle, moved: Moved):
    def rest(_: float) -> None:
        raise Rests

    pace = Pace(PaceFacts(1, 9, 4), now=moved.now, rest=rest)
    google.fail = lambda _path: (429, {}, {"Retry-After": "20"})

    with pytest.raises(Rests):
        asked(google, pace)
    with pytest.raises(Rests):
        pace.turn()
    moved.at += 20
    pace.turn()


def test_patience_ends(google: FakeGoogle, moved: Moved):
    google.fail = lambda _path: (429, {}, {"Retry-After": "7"})

    answer = asked(google, paced(moved, burst=10))

    assert (answer.status, len(google.asked), answer.retry_after(NOW)) == (429, MOST_TRIES, 7.0)
    assert moved.at == pytest.approx(7 * (MOST_TRIES - 1))


def asked(google: FakeGoogle, pace: Pace) -> HttpAnswer:
    with Http("acme", 60.0) as http:
        return pace.asked(lambda: http.ask("GET", google.address), lambda: NOW)
