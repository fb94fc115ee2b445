"""How fast one run asks its provider: so many pages a second, and none at all while the provider asks for patience."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from src.core.base.faults import Timeout
from src.core.providers.http.client import HttpAnswer

TOO_MANY = 429
MOST_TRIES = 5
"""Of one page; then it is the step that is tried again."""
LONGEST_HOLD = 60.0
"""In seconds. Who asks for more is obeyed by the step, which gives its worker's place to others meanwhile."""
FIRST_WAIT = 1.0
# a run that is given up is looked for so often while it waits
LOOK_SECONDS = 0.2


class OtherFailed(Timeout):
    """Its page was not asked for because another part of the same work had failed; that part says why."""


@dataclass(frozen=True, slots=True)
class PaceFacts:
    per_second: float = 1_000.0
    burst: int = 1_000
    """So many at once after a rest."""
    at_once: int = 1
    """So many are under way side by side."""
    guesses: bool = True
    """Whether a page is asked for again where it is not said when; else the step is tried again, and asks less often."""


class Pace:
    """Shared by all threads of one run. `rest` waits for so many seconds, and less when there is nothing more to wait for."""

    def __init__(
        self,
        facts: PaceFacts,
        given_up: threading.Event | None = None,
        *,
        now: Callable[[], float] = time.monotonic,
        rest: Callable[[float], object] | None = None,
    ) -> None:
        self.facts = facts
        self._given_up = given_up or threading.Event()
        self._now = now
        self._rest = rest or self._given_up.wait
        self._lock = threading.Lock()
        self._tokens, self._counted = float(facts.burst), now()
        self._held_until = self._counted

    def turn(self, stopped: threading.Event | None = None) -> None:
        """Comes back when one page may be asked for."""
        while True:
            if self._given_up.is_set():
                raise Timeout("nothing more was asked: the step was given up while it waited for its turn")
            if stopped is not None and stopped.is_set():
                raise OtherFailed("nothing more was asked: another part of the step failed")
            left = self._left()
            if left <= 0:
                return
            self._rest(min(left, LOOK_SECONDS))

    def hold(self, seconds: float) -> None:
        """Nobody asks for so long. A wait that was asked for before and ends later goes on."""
        with self._lock:
            self._held_until = max(self._held_until, self._now() + seconds)

    def asked(self, ask: Callable[[], HttpAnswer], at: Callable[[], datetime], stopped: threading.Event | None = None) -> HttpAnswer:
        """Asked again while the provider asks for patience, and for no longer than it makes sense to wait here."""
        for number in range(1, MOST_TRIES + 1):
            self.turn(stopped)
            answer = ask()
            if answer.status != TOO_MANY or number == MOST_TRIES or answer.headers.get("x-should-retry") == "false":
                break
            told = answer.retry_after(at())
            wait = FIRST_WAIT * 2**number if told is None else told
            if wait > LONGEST_HOLD or (told is None and not self.facts.guesses):
                break
            self.hold(wait)
        return answer

    def _left(self) -> float:
        """Takes a token and says 0, or says for how long there is none."""
        with self._lock:
            now = self._now()
            self._tokens = min(float(self.facts.burst), self._tokens + (now - self._counted) * self.facts.per_second)
            self._counted = now
            if now < self._held_until:
                return self._held_until - now
            if self._tokens < 1:
                return (1 - self._tokens) / self.facts.per_second
            self._tokens -= 1
            return 0.0
