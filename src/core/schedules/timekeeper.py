"""The service's own clock: has due schedules triggered at their time, where the ledger may be looked at again and again."""

import asyncio
from collections.abc import Callable
from datetime import datetime, time, timedelta
from functools import partial

import structlog

from src.core.base.faults import Fault, Misconfigured
from src.core.base.identity import Actor
from src.core.base.threads import blocking
from src.core.ledger.store import Unit
from src.core.ledger.tables import configs, slots
from src.core.pipeline.catalog import Catalog
from src.core.pipeline.step_runner import Sleep
from src.core.scheduler.retention import reset_daily, roll_over
from src.core.scheduler.wakeup import Bell
from src.core.schedules.trigger import trigger
from src.core.step.context import Services

log = structlog.get_logger("scheduler")

# of several processes one keeps the time; where that one is killed, another does within the two together
LEASE = timedelta(seconds=40)
LOOK_SECONDS = 15.0
RESET_ROWS = 10_000  # of a table; they take a second or two
ROLL_OVER = timedelta(minutes=15)  # midnights come at quarters of an hour, by the zones there are
PASS_SECONDS = 10.0  # a process that is told to stop waits for its pass
SHORTEST_SECONDS = 0.2


class Timekeeper:
    def __init__(
        self,
        services: Services,
        catalog: Catalog,
        queued: Callable[[], None],
        *,
        alone: Callable[[], bool] = lambda: False,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """`queued` is told when runs have come into the queue; `alone` says whether this process is known to be the only one."""
        self._services = services
        self._catalog = catalog
        self._queued = queued
        self._alone = alone
        self._fresh = True
        self._sleep = sleep
        self.owner = f"clock-{services.ids.new()}"
        self._bell: Bell | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._stopping = False
        self._complaint: str | None = None
        self._rolled_over: datetime | None = None
        self._more_to_remove = False

    async def start(self) -> None:
        self._bell = Bell(self._sleep)
        self._keep_on(self._bell)

    async def stop(self) -> None:
        self._stopping = True
        if self._keeping is None or self._bell is None:
            return
        self._bell.ring()
        await asyncio.wait({self._keeping})
        try:
            await blocking(self._services.ledger.write, configs.release, self.owner, self._services.clock.now())
        except Fault as fault:
            # its lease runs out instead
            self._complain(fault)

    def wake(self) -> None:
        """Has it look at once. From any thread, also when it has not started."""
        if self._bell is not None:
            self._bell.ring()

    def _keep_on(self, bell: Bell) -> None:
        self._keeping = asyncio.create_task(self._keep(bell))
        self._keeping.add_done_callback(lambda keeping: self._kept(bell, keeping))

    def _kept(self, bell: Bell, keeping: asyncio.Task[None]) -> None:
        """What nobody foresaw must not end the clock without a word."""
        if keeping.cancelled() or self._stopping:
            return
        log.error("scheduler.broke", error=type(keeping.exception()).__name__)
        keeping.get_loop().call_later(LOOK_SECONDS, self._keep_on, bell)

    async def _keep(self, bell: Bell) -> None:
        while not self._stopping:
            pause = LOOK_SECONDS
            try:
                pause = await self._look()
                self._complaint = None
            except Fault as fault:
                self._complain(fault)
            if pause > 0:
                await bell.wait(pause)

    async def _look(self) -> float:
        """One pass, and how long until the next."""
        now = self._services.clock.now()
        if self._fresh and self._alone():
            # the one that has the lease is dead
            await blocking(self._services.ledger.write, configs.void_lease)
        self._fresh = False
        if not await blocking(self._services.ledger.write, configs.lease, self.owner, now, now + LEASE):
            return LOOK_SECONDS
        told = await blocking(partial(trigger, seconds=PASS_SECONDS), self._services, self._catalog)
        if told.queued_count:
            self._queued()
        if told.triggered_count:
            log.info("scheduler.triggered", triggered=told.triggered_count, queued=told.queued_count, waiting=len(told.skipped))
        if told.more:
            return 0.0
        await self._begin_days(now)
        following = await blocking(self._services.ledger.read, _next_moment)
        # what is due and was not taken up, an organisation's that is being off-boarded for one, is nothing to look at again and again
        if following is None or (following <= now and not told.triggered_count):
            return LOOK_SECONDS
        return min(LOOK_SECONDS, max(SHORTEST_SECONDS, (following - self._services.clock.now()).total_seconds()))

    async def _begin_days(self, now: datetime) -> None:
        """After what is due: nothing waits for it."""
        midnight = datetime.combine(now.date(), time(), now.tzinfo)
        # once a day of all processes, however often they start: it is noted in the trail each time
        if self._more_to_remove or await blocking(self._services.ledger.write, configs.begin_day, now, midnight):
            done = await blocking(partial(reset_daily, most=RESET_ROWS), self._services, Actor("system"))
            # what is left is removed after the next pass: what is due does not wait for it
            self._more_to_remove, self._rolled_over = done.more, now
        elif self._rolled_over is None or now - self._rolled_over >= ROLL_OVER:
            await blocking(roll_over, self._services)
            self._rolled_over = now

    def _complain(self, fault: Fault) -> None:
        """Once about the same thing; a ledger that is not bootstrapped yet is nothing to complain about."""
        if fault.detail != self._complaint:
            level = log.debug if isinstance(fault, Misconfigured) else log.warning
            level("scheduler.waits", code=fault.code, error=fault.detail)
        self._complaint = fault.detail


def _next_moment(unit: Unit) -> datetime | None:
    coming = configs.coming(unit, 1)
    moments = [slots.next_try(unit), coming[0].next_run_time if coming else None]
    return min((moment for moment in moments if moment is not None), default=None)
