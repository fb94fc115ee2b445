"""Has events fanned out and notifications sent: by itself where the ledger may be looked at again and again, else when it is told to."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from src.core.base.faults import Fault, Misconfigured
from src.core.base.threads import blocking
from src.core.ledger.store import Unit
from src.core.ledger.tables import events, notifications
from src.core.ledger.tables.notifications import Ready
from src.core.outbox.delivery import Delivery, OutboxTally, Sender
from src.core.outbox.fanout import FanOut
from src.core.outbox.hooks import HooksOf
from src.core.outbox.sweep import Sweep
from src.core.step.context import Services

log = structlog.get_logger("outbox")

SIDE_BY_SIDE: Final = 16  # channels
EVENTS_AT_ONCE: Final = 200
POLL_SECONDS: Final = 1.0
MEASURE_SECONDS: Final = 15.0
BROKE_SECONDS: Final = 15.0
STOP_SECONDS: Final = 5.0
TURN_SECONDS: Final = 2.0  # for which a drain waits for receivers before it looks for what else there is


@dataclass(frozen=True, slots=True)
class Backlog:
    waiting: int
    """Events that are not fanned out yet, and notifications that are neither sent nor given up."""
    lag_seconds: float
    """Of the one that has been due longest."""


@dataclass(frozen=True, slots=True)
class DrainReport:
    fanned_out: int
    tried: int
    waiting: int
    """Left that could be sent now."""


class Courier:
    def __init__(
        self,
        services: Services,
        sender: Sender,
        hooks_of: HooksOf,
        *,
        poll_seconds: float = POLL_SECONDS,
        alone: Callable[[], bool] = lambda: False,
    ) -> None:
        """`alone` says at the start whether this process is known to be the only one of its installation."""
        self.tally = OutboxTally()
        self.backlog: Backlog | None = None
        """As it was found last; None where nobody has looked."""
        self._measured: float | None = None
        self._services = services
        self._fan_out = FanOut(services, hooks_of)
        self._delivery = Delivery(services, sender, self.tally)
        self._sweep = Sweep(services)
        self._poll_seconds = poll_seconds
        self._alone = alone
        self._fresh = True
        self._sending: dict[str, asyncio.Task[int]] = {}
        self._rung = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._draining: asyncio.Task[DrainReport] | None = None
        self._stopping = False
        self._complaint: str | None = None

    async def start(self) -> None:
        self._keep_on()

    async def stop(self) -> None:
        """What is being sent gets a moment to end; what it does not is sent again when its lease is over."""
        self._stopping = True
        self._rung.set()
        tasks = {task for task in (self._keeping, self._draining, *self._sending.values()) if task is not None and not task.done()}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=STOP_SECONDS)

    async def drain(self, seconds: float) -> DrainReport:
        """Until nothing is left that can be done now, or the time is over."""
        clock, begun = self._services.clock, self._services.clock.monotonic()
        await blocking(self._sweep.run)
        fanned_out = tried = 0
        turns: dict[asyncio.Task[int], str] = {}
        # of which the ledger or the keyring could not be asked: the next call has another look
        broken: set[str] = set()
        try:
            while not self._stopping and clock.monotonic() - begun < seconds:
                some = await blocking(self._fan_out.some, EVENTS_AT_ONCE)
                fanned_out += some
                busy = broken.union(turns.values())
                for one in [one for one in await self._ready() if one.channel_id not in busy][: SIDE_BY_SIDE - len(turns)]:
                    turns[asyncio.create_task(self._delivery.run(one))] = one.channel_id
                if not turns and not some:
                    break
                tried += await self._over_by_now(turns, broken)
            while turns:
                tried += await self._over_by_now(turns, broken)
        finally:
            # none is left but where this was told to end
            for turn in turns:
                turn.cancel()
        left = await blocking(self._services.ledger.read, notifications.ready, clock.now())
        return DrainReport(fanned_out, tried, len(left))

    async def _over_by_now(self, turns: dict[asyncio.Task[int], str], broken: set[str]) -> int:
        """How many parcels those turns tried that have ended: one that hangs holds up the others for a moment only."""
        if not turns:
            return 0
        over, _ = await asyncio.wait(turns, timeout=TURN_SECONDS)
        tried = 0
        for turn in over:
            channel_id = turns.pop(turn)
            if (wrong := turn.exception()) is None:
                tried += turn.result()
                continue
            broken.add(channel_id)
            log.warning("courier.waits", channel_id=channel_id, error=wrong.detail if isinstance(wrong, Fault) else type(wrong).__name__)
        return tried

    async def drain_apart(self, seconds: float) -> None:
        """Beside the call that asked for it; one at a time."""
        if self._draining is None or self._draining.done():
            self._draining = asyncio.create_task(self.drain(seconds))
            self._draining.add_done_callback(self._drained)

    def _drained(self, task: asyncio.Task[DrainReport]) -> None:
        if not task.cancelled() and (wrong := task.exception()) is not None:
            log.warning("courier.waits", error=wrong.detail if isinstance(wrong, Fault) else type(wrong).__name__)

    def _keep_on(self) -> None:
        self._keeping = asyncio.create_task(self._keep())
        self._keeping.add_done_callback(self._kept)

    def _kept(self, keeping: asyncio.Task[None]) -> None:
        """What nobody foresaw must not end it without a word."""
        if keeping.cancelled() or self._stopping:
            return
        log.error("courier.broke", error=type(keeping.exception()).__name__)
        keeping.get_loop().call_later(BROKE_SECONDS, self._keep_on)

    async def _keep(self) -> None:
        while not self._stopping:
            busy = False
            try:
                busy = await self._look()
                self._complaint = None
            except Fault as fault:
                self._complain(fault)
            if not busy:
                await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._poll_seconds):
                await self._rung.wait()
        except TimeoutError:
            return
        finally:
            self._rung.clear()

    async def _look(self) -> bool:
        """Whether there is more to do at once."""
        if self._fresh and self._alone():
            # who has them is dead, and what it was sending would else wait for the end of its lease
            await blocking(self._services.ledger.write, notifications.void_leases, self._services.clock.now())
        self._fresh = False
        await blocking(self._sweep.run)
        some = await blocking(self._fan_out.some, EVENTS_AT_ONCE)
        await self._measure()
        free = SIDE_BY_SIDE - len(self._sending)
        if free > 0:
            for one in [one for one in await self._ready() if one.channel_id not in self._sending][:free]:
                self._send_to(one)
        return some == EVENTS_AT_ONCE

    async def _measure(self) -> None:
        now = self._services.clock.monotonic()
        if self._measured is None or now - self._measured >= MEASURE_SECONDS:
            self.backlog = await blocking(self._services.ledger.read, backlog, self._services.clock.now())
            self._measured = now

    async def _ready(self) -> list[Ready]:
        return await blocking(self._services.ledger.read, notifications.ready, self._services.clock.now())

    def _send_to(self, ready: Ready) -> None:
        task = asyncio.create_task(self._delivery.run(ready))
        self._sending[ready.channel_id] = task
        task.add_done_callback(lambda done: self._over(ready.channel_id, done))

    def _over(self, channel_id: str, task: asyncio.Task[int]) -> None:
        del self._sending[channel_id]
        if task.cancelled():
            return
        wrong = task.exception()
        if isinstance(wrong, Fault):
            self._complain(wrong)
        elif wrong is not None:
            log.error("courier.broke", channel_id=channel_id, error=type(wrong).__name__)
        elif task.result():
            # its next turn, beside the others'
            self._rung.set()

    def _complain(self, fault: Fault) -> None:
        """Once about the same thing; a ledger that is not bootstrapped yet is nothing to complain about."""
        if fault.detail != self._complaint:
            level = log.debug if isinstance(fault, Misconfigured) else log.warning
            level("courier.waits", code=fault.code, error=fault.detail)
        self._complaint = fault.detail


@dataclass(frozen=True, slots=True)
class OutboxStanding:
    events: int
    """Not fanned out yet."""
    waiting: int
    gathered: int
    failed: int
    sent: int
    lag_seconds: float
    """Of the one that has been due longest, event or notification."""


def backlog(unit: Unit, now: datetime) -> Backlog:
    new, since = events.waiting(unit)
    return Backlog(new + notifications.backlog(unit), _lag(since, notifications.oldest_due(unit, now), now))


def _lag(since: datetime | None, due: datetime | None, now: datetime) -> float:
    oldest = min((moment for moment in (since, due) if moment is not None), default=now)
    return max(0.0, (now - oldest).total_seconds())


def standing(unit: Unit, now: datetime) -> OutboxStanding:
    new, since = events.waiting(unit)
    counts = notifications.counts(unit)
    return OutboxStanding(
        events=new,
        waiting=counts.get("WAITING", 0),
        gathered=counts.get("GATHERED", 0),
        failed=counts.get("FAILED", 0),
        sent=counts.get("SENT", 0),
        lag_seconds=_lag(since, notifications.oldest_due(unit, now), now),
    )
