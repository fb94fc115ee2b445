"""A worker's hold on a run, kept by heartbeats until it is settled, handed back or lost."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from threading import Lock
from typing import Any, Literal, ParamSpec, TypeVar

import anyio
import anyio.to_thread
import structlog

from src.core.base.faults import Fault, LeaseLost
from src.core.base.threads import blocking
from src.core.ledger.store import Unit
from src.core.ledger.tables import queue, runs, scheduled
from src.core.ledger.tables.queue import Beat, Hold
from src.core.pipeline.step_runner import Sleep
from src.core.scheduler.claims import Claim, lease_end
from src.core.scheduler.progress import Board
from src.core.scheduler.retries import try_again
from src.core.scheduler.settling import Ending, settle
from src.core.scheduler.unusual import Unusual
from src.core.scheduler.wakeup import Bell
from src.core.step.context import Services

log = structlog.get_logger("worker")

State = Literal["held", "lost", "handed_back", "settled"]
# so two in a row may be lost, to a ledger that starts anew for example, before the lease is
BEATS_A_LEASE = 3
RETRY_SECONDS = 0.5

P = ParamSpec("P")
T = TypeVar("T")


class Lease:
    def __init__(self, services: Services, claim: Claim, board: Board, sleep: Sleep) -> None:
        self.claim = claim
        self.board = board
        self.state: State = "held"
        self.cancelled = False
        self.sealed = False
        """Whether nothing of this claim can be published any more."""
        self._services = services
        self._sleep = sleep
        self._hold = claim.hold
        self._renewed = services.clock.monotonic()
        self._bell = Bell(sleep)
        # beats have threads of their own: runs may have taken all the others
        self._threads = anyio.CapacityLimiter(1)
        # a beat between reading the generation and raising it would take the lease for lost
        self._lock = Lock()

    @property
    def generation(self) -> int:
        return self._hold.generation

    def nudge(self) -> None:
        """Has it beat at once."""
        self._bell.ring()

    def asked_to_stop(self) -> bool:
        return not self.cancelled and self._look().cancel_requested

    def held(self) -> None:
        """Asks the ledger, from any thread."""
        if self.state == "held":
            # the ledger's word and not the last beat's: a process that stood still has lost the run without knowing
            beat = self._look()
            if beat.held and not beat.cancel_requested:
                return
            if beat.held:
                raise LeaseLost(f"the run {self.claim.run_id} was cancelled; nothing of it is published")
        raise LeaseLost(f"this worker no longer holds the run {self.claim.run_id}; nothing of it is published")

    def check(self) -> None:
        if self.state != "held" or self.cancelled:
            raise LeaseLost(f"this worker no longer works on the run {self.claim.run_id}")

    async def patiently(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A store that is away for a moment is waited for: as long as the lease is held, nobody else has the run either."""
        # without the ledger the lease is over by then; a warehouse that stays away is told of
        until = self._services.clock.monotonic() + 2 * self._services.settings.worker_lease_seconds
        while True:
            try:
                return await blocking(call, *args, **kwargs)
            except Fault as fault:
                pause = fault.retry_after or RETRY_SECONDS
                if not fault.retry or self.state != "held" or self._services.clock.monotonic() > until:
                    raise
                log.warning("run.waits", run_id=self.claim.run_id, code=fault.code, error=fault.detail)
            await self._sleep(pause)

    def forget_cancel(self) -> None:
        """What is published already is not cancelled any more."""
        with self._lock:
            self._services.ledger.write(queue.forget_cancel, self._hold, self._services.clock.now())
            self.cancelled = False

    def advance(self, generation: int) -> None:
        """From here on, a publication of the old generation comes too late."""
        with self._lock:
            if not self._services.ledger.write(queue.advance, self._hold, generation, self._services.clock.now()):
                raise LeaseLost(f"this worker no longer holds the run {self.claim.run_id}")
            self._hold = Hold(self._hold.queue_id, self._hold.owner, generation)

    async def keep(self, lost: Callable[[], object], cancelled: Callable[[], object]) -> None:
        """Beats until the lease is over. `lost` and `cancelled` are each told once."""
        span, pace = self._services.settings.worker_lease_seconds, self._services.ledger.traits.news_seconds
        beaten = self._services.clock.monotonic()
        while self.state == "held":
            # by the monotonic clock: when the wall clock steps back, others still see the lease end
            if self._services.clock.monotonic() - self._renewed >= span:
                self._lose(lost)
                return
            nudged = await self._bell.wait(min(pace, span / BEATS_A_LEASE))
            news = self.board.news()
            now = self._services.clock.monotonic()
            if news is None and not nudged and now - beaten < span / BEATS_A_LEASE:
                continue
            beat = await self._beat(news)
            # settled or handed back while the beat was under way: that it is held no more is no loss then
            if beat is None or self.state != "held":
                continue
            beaten = now
            if not beat.held:
                self._lose(lost)
            elif beat.cancel_requested and not self.cancelled:
                self.cancelled = True
                cancelled()

    def _lose(self, lost: Callable[[], object]) -> None:
        self.state = "lost"
        log.warning("run.lost", run_id=self.claim.run_id, org=self.claim.tenant.org_slug, generation=self.generation)
        lost()

    def settle(self, ending: Ending) -> None:
        """Raises LeaseLost, and changes nothing, when somebody else has the run."""
        with self._lock:
            ending = replace(ending, progress=self.board.last(complete=ending.status == "SUCCESS"))
            if not self._settled_as_usual(ending):
                self._services.ledger.write(_settle, self._hold, ending, lease_end(self._services, self._services.clock.now()))
            self.state = "settled"

    def _settled_as_usual(self, ending: Ending) -> bool:
        ledger = self._services.ledger
        if not ledger.traits.undoes or ending.passing is not None or ending.buried:
            return False
        try:
            ledger.write(_settle_as_usual, self._hold, ending)
        except Unusual:
            return False
        return True

    def hand_back(self) -> None:
        with self._lock:
            if self.state == "held":
                # said first: the beats stop even if the ledger cannot be told, and the lease runs out by itself
                self.state = "handed_back"
                self._services.ledger.write(_hand_back, self._services, self._hold, self.claim)

    def _look(self) -> Beat:
        with self._lock:
            return self._services.ledger.glance(queue.look, self._hold, self._services.clock.now())

    async def _beat(self, news: dict[str, Any] | None) -> Beat | None:
        """None when the ledger could not be asked."""
        try:
            return await anyio.to_thread.run_sync(self._beat_now, news, limiter=self._threads)
        except Fault as fault:
            log.warning("heartbeat.failed", run_id=self.claim.run_id, code=fault.code, error=fault.detail)
            return None

    def _beat_now(self, news: dict[str, Any] | None) -> Beat:
        with self._lock:
            # both before the write: counted from the answer, the lease would last longer here than in the ledger
            at, beaten = self._services.clock.now(), self._services.clock.monotonic()
            beat = self._services.ledger.write(
                _heartbeat, self._hold, self.claim.run_id, at=at, until=lease_end(self._services, at), news=news
            )
            if beat.held:
                self._renewed = beaten
            return beat


def _heartbeat(unit: Unit, hold: Hold, run_id: str, *, at: datetime, until: datetime, news: dict[str, Any] | None) -> Beat:
    beat = queue.heartbeat(unit, hold, at, until)
    # who has lost the run must not write over the progress of who has it now
    if beat.held and news is not None:
        runs.tell_progress(unit, run_id, news)
    return beat


def _settle_as_usual(unit: Unit, hold: Hold, ending: Ending) -> None:
    """The whole of it in one round trip, for nothing is asked before it is changed."""
    unusual = Unusual()
    queue.complete_surely(unit, hold, unusual)
    settle(unit, ending, unusual)


def _settle(unit: Unit, hold: Hold, ending: Ending, until: datetime) -> None:
    """The entry goes last: while it is there, the run is taken up again by somebody if this is broken off."""
    if not queue.keep(unit, hold, ending.at, until):
        raise LeaseLost(f"another worker has the run {ending.run_id}; it is theirs to settle")
    if try_again(unit, hold, ending):
        return
    settle(unit, ending)
    if ending.buried:
        queue.bury(unit, hold, ending.at, ending.error_message or "")
    else:
        queue.complete_later(unit, hold)


def _hand_back(unit: Unit, services: Services, hold: Hold, claim: Claim) -> None:
    if queue.hand_back(unit, hold, services.clock.now()):
        runs.put_back(unit, claim.run_id, claim.attempt)
        scheduled.wait(unit, claim.run_id, retries=claim.entry.retry_count)
