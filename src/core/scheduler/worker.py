"""Works on accepted runs: claims them under leases, carries them out, settles them."""

import asyncio
import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import structlog
from anyio import CapacityLimiter

from src.core.base.faults import Fault, LeaseLost, Misconfigured, StepFailed, Throttled
from src.core.base.threads import blocking, work_in
from src.core.ledger.tables import ageing, queue
from src.core.pipeline.catalog import Catalog
from src.core.pipeline.executor import AsyncPipelineExecutor
from src.core.pipeline.run import Terms
from src.core.pipeline.step_runner import Sleep
from src.core.scheduler.claims import Claim, next_claim
from src.core.scheduler.copying import RunCopies
from src.core.scheduler.fencing import raise_fence, seal
from src.core.scheduler.lease import RETRY_SECONDS, Lease
from src.core.scheduler.leased_journal import STOPPED, LeasedJournal
from src.core.scheduler.progress import Board
from src.core.scheduler.recovery import recover, sweep
from src.core.scheduler.retention import RUN_DAYS
from src.core.scheduler.settling import Ending
from src.core.scheduler.wakeup import Bell, until_either
from src.core.step import manifests
from src.core.step.context import Services
from src.core.step.source.fetching import clear_leftovers

log = structlog.get_logger("worker")

# a ledger that is away for longer leaves the run to its lease, and to whoever takes it over
SETTLE_TRIES = 5
# After their time to end is over, cancelled runs get this much to let go of what they hold.
LAST_SECONDS = 5.0
# what it removes is weeks old, and an hour more of it costs nothing
AGE_EVERY_SECONDS = 3600.0
DEAD_AT_ONCE = 10_000


@dataclass(slots=True)
class Working:
    lease: Lease
    journal: LeasedJournal
    run: asyncio.Task[None]
    published: bool = False
    """Known when somebody tried to cancel it."""


class Worker:
    def __init__(
        self,
        services: Services,
        catalog: Catalog,
        executor: AsyncPipelineExecutor,
        *,
        alone: Callable[[], bool] = lambda: False,
        follow: Callable[[Claim], bool] = lambda _: False,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """`alone` says at the start whether this process is known to be the only one that works on this warehouse.

        `follow` is told of runs that are over, and says whether another has come into the queue for it.
        """
        self._services = services
        self._catalog = catalog
        self._executor = executor
        self._alone = alone
        self._follow = follow
        self._sleep = sleep
        # begins the owner's name: by it a start that is alone here finds the leases of the dead processes before it
        self._place = hashlib.sha256(str(services.settings.data_dir).encode()).hexdigest()[:12]
        # new at every start: a process that comes back must not take the lease of the one that died for its own
        self.owner = f"{self._place}-{services.ids.new()}"
        self._copies = RunCopies(services)
        self._working: dict[str, Working] = {}
        # a run is out of its worker's hands before its records are copied
        self._tasks: set[asyncio.Task[None]] = set()
        self._bell: Bell | None = None
        self._serving: asyncio.Task[None] | None = None
        self._stopping = False
        self._fresh = True
        self._told = 0
        self._complaint: str | None = None
        self._aged: float | None = None

    @property
    def running(self) -> tuple[str, ...]:
        """The runs in this worker's hands."""
        return tuple(self._working)

    async def start(self) -> None:
        self._bell = Bell(self._sleep)
        # runs block for long: in everybody's threads they would leave requests none
        self._threads = CapacityLimiter(self._services.settings.worker_slots)
        self._serve_on(self._bell)

    def wake(self) -> None:
        """Has it look at once for runs to take and runs to stop. From any thread, also when it has not started.

        Runs are taken only where the ledger may be looked at again and again; else by `process` alone.
        """
        if self._bell is not None:
            self._bell.ring()

    def process(self, most: int | None = None) -> None:
        """Has it take what waits, as far as it has room, or so many of it."""
        self._told = max(self._told, most or self._services.settings.worker_slots)
        self.wake()

    def nudge(self, run_id: str) -> None:
        """Has it ask the ledger about this run at once, if the run is in its hands."""
        working = self._working.get(run_id)
        if working is not None:
            working.lease.nudge()

    async def stop(self) -> None:
        """Runs get their time to end; what is left is handed back."""
        self._stopping = True
        if self._serving is None:
            return
        self.wake()
        # first no more runs are taken, then those at hand get their time
        await asyncio.wait({self._serving})
        if self._tasks:
            ended = asyncio.create_task(_all_done(set(self._tasks)))
            await until_either(ended, self._sleep, self._services.settings.worker_drain_seconds)
        for working in list(self._working.values()):
            # before it is cancelled: a run that ends while it is held would be settled as failed, and not be taken up by another worker
            await self._hand_back(working)
            working.run.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LAST_SECONDS)

    async def _hand_back(self, working: Working) -> None:
        try:
            await blocking(working.lease.hand_back)
            log.info("run.handed_back", run_id=working.lease.claim.run_id, org=working.lease.claim.tenant.org_slug)
        except Fault as fault:
            # its lease runs out instead
            log.warning("run.kept", run_id=working.lease.claim.run_id, code=fault.code, error=fault.detail)

    def _serve_on(self, bell: Bell) -> None:
        self._serving = asyncio.create_task(self._serve(bell))
        self._serving.add_done_callback(partial(self._served, bell))

    def _served(self, bell: Bell, serving: asyncio.Task[None]) -> None:
        """What nobody foresaw must not end a worker without a word."""
        if serving.cancelled() or self._stopping:
            return
        log.error("worker.broke", error=type(serving.exception()).__name__)
        serving.get_loop().call_later(self._services.settings.worker_poll_seconds, self._serve_on, bell)

    def _clear(self, claim: Claim) -> None:
        """Files that an attempt left in the dataset's folder when its process was killed."""
        warehouse = self._services.warehouse
        if claim.attempt > 1 and warehouse.has_dataset(claim.tenant):
            clear_leftovers(warehouse.io_folder(claim.tenant), claim.run_id)

    async def _serve(self, bell: Bell) -> None:
        while not self._stopping:
            try:
                # before anything is taken: what a dead process of this place held would else wait for the end of its lease
                await self._void_dead()
                await self._heed_cancels()
                if self._told or self._services.ledger.traits.polled:
                    await self._look_for_runs()
                await self._age_out()
                self._complaint = None
            except Fault as fault:
                self._complain(fault)
            await bell.wait(max(self._services.settings.worker_poll_seconds, self._pace))

    @property
    def _pace(self) -> float:
        """A look may cost more than a poll is worth."""
        traits = self._services.ledger.traits
        return 0.0 if traits.polled else traits.news_seconds

    async def _void_dead(self) -> None:
        if not self._fresh:
            return
        # else another process of this place may be alive and hold them
        if self._alone():
            await blocking(self._services.ledger.write, queue.void_leases, self._place, self._services.clock.now())
        self._fresh = False

    async def _heed_cancels(self) -> None:
        for working in list(self._working.values()):
            if await blocking(working.lease.asked_to_stop):
                working.lease.nudge()

    async def _age_out(self) -> None:
        now = self._services.clock.monotonic()
        if self._aged is None or now - self._aged >= AGE_EVERY_SECONDS:
            # the daily reset takes them too, where it is called
            before = self._services.clock.now() - timedelta(days=RUN_DAYS)
            await blocking(self._services.ledger.write, ageing.remove, "queue", before, DEAD_AT_ONCE)
            await blocking(sweep, self._services)
            self._aged = now

    async def _look_for_runs(self) -> None:
        told, self._told = self._told, 0
        try:
            await self._take_up(told or self._services.settings.worker_slots)
        except Fault:
            # a ledger that was too busy is asked again by itself
            self._told = max(told, self._told)
            raise

    async def _take_up(self, most: int) -> None:
        # most looks find nothing, and this one costs a single read
        if not await blocking(self._services.ledger.glance, queue.waiting, self._services.clock.now()):
            return
        # a run that was lost is not begun beside what this process has not let go of yet
        await blocking(recover, self._services, self.running)
        for _ in range(most):
            if self._stopping or len(self._working) >= self._services.settings.worker_slots:
                return
            claim = await blocking(next_claim, self._services, self.owner, self.running)
            if claim is None:
                return
            self._begin(claim)

    def _complain(self, fault: Fault) -> None:
        """Once about the same thing; a ledger that is not bootstrapped yet is nothing to complain about."""
        if fault.detail != self._complaint:
            level = log.debug if isinstance(fault, Misconfigured) else log.warning
            level("worker.waits", code=fault.code, error=fault.detail)
        self._complaint = fault.detail

    def _begin(self, claim: Claim) -> None:
        # the document may be gone since the run was accepted: the run fails then, and says so
        entry = self._catalog.entries.get(claim.entry.document)
        board = Board([step.id for step in entry.document.steps] if entry else [], self._services.clock)
        lease = Lease(self._services, claim, board, self._sleep)
        journal = LeasedJournal(self._services, lease, entry)
        working = Working(lease, journal, asyncio.create_task(self._run(lease, journal)))
        self._working[claim.run_id] = working
        whole = asyncio.create_task(self._see_through(working))
        self._tasks.add(whole)
        whole.add_done_callback(self._tasks.discard)
        whole.add_done_callback(partial(_tell_broken, claim.run_id))
        log.info("run.claimed", run_id=claim.run_id, org=claim.tenant.org_slug, attempt=claim.attempt, generation=lease.generation)

    async def _run(self, lease: Lease, journal: LeasedJournal) -> None:
        work_in(self._threads)
        claim = lease.claim
        # before anything is read: from here on an earlier attempt that still lives can publish nothing
        await self._raise_fence(lease)
        foregone = journal.foregone()
        if foregone is not None:
            journal.ending = foregone
            return
        outcome = await self._executor.run(
            claim.entry.document,
            actor=claim.actor,
            tenant=claim.tenant,
            inputs=claim.entry.parameters or {},
            window=claim.window,
            trigger=claim.trigger,
            run_id=claim.run_id,
            terms=Terms(journal, lease.generation, lease.board.of, lease.held),
        )
        # what kept a run from beginning is in no journal: raised, it becomes the run's end
        if journal.ending is None and lease.state == "held" and outcome.fault is not None:
            raise outcome.fault

    async def _raise_fence(self, lease: Lease) -> None:
        while True:
            lease.check()
            try:
                return await lease.patiently(raise_fence, self._services, lease)
            except Throttled as busy:
                # an earlier worker of this run has its publication open: its end decides
                await self._sleep(busy.retry_after or RETRY_SECONDS)

    async def _see_through(self, working: Working) -> None:
        lease, run = working.lease, working.run
        keeper = asyncio.create_task(self._keep(working))
        try:
            await asyncio.wait({run})
            await self._settle(working)
        finally:
            # only after it is settled: without beats the lease would end under a ledger that is slow
            keeper.cancel()
            if self._working.get(lease.claim.run_id) is working:
                del self._working[lease.claim.run_id]
            # a place is free now, and a run of the same pipeline may have waited for this one
            self.wake()
        if lease.state == "settled":
            await self._go_on(lease.claim)
            await self._tidy(lease.claim)

    async def _keep(self, working: Working) -> None:
        """Nor must it end the heartbeats without a word."""
        while True:
            beating = asyncio.create_task(working.lease.keep(working.run.cancel, lambda: self._cancel_soon(working)))
            try:
                await asyncio.wait({beating})
            finally:
                beating.cancel()
            if beating.cancelled() or beating.exception() is None:
                return
            log.error("heartbeat.broke", run_id=working.lease.claim.run_id, error=type(beating.exception()).__name__)
            await self._sleep(self._services.settings.worker_poll_seconds)

    def _cancel_soon(self, working: Working) -> None:
        task = asyncio.create_task(self._cancel(working))
        # the loop keeps tasks weakly
        working.run.add_done_callback(lambda _: task.cancel())

    async def _cancel(self, working: Working) -> None:
        """A run that has published is not cancelled any more; one that has not is kept from it first."""
        lease = working.lease
        try:
            while True:
                try:
                    late = await blocking(self._too_late, working)
                    break
                except Throttled as busy:
                    await self._sleep(busy.retry_after or RETRY_SECONDS)
        except Fault as fault:
            log.warning("run.unsealed", run_id=lease.claim.run_id, code=fault.code, error=fault.detail)
            # the run stops all the same; it is not called cancelled before the dataset could be sealed
            late = False
        if late:
            log.warning("run.cancelled_too_late", run_id=lease.claim.run_id, org=lease.claim.tenant.org_slug)
        else:
            working.run.cancel()

    def _too_late(self, working: Working) -> bool:
        lease, tenant = working.lease, working.lease.claim.tenant
        if not working.published and self._services.warehouse.has_dataset(tenant):
            # sealed first, or a publication could come after the look; one that ended beside the seal is told by its manifest alone
            working.published = seal(self._services, lease) or bool(manifests.of_run(self._services, tenant, lease.claim.run_id))
        # the request still stands in the queue, where the steps that are left would find it and give up
        if working.published:
            lease.forget_cancel()
        return working.published

    async def _settle(self, working: Working) -> None:
        """What the journal could not write, or never came to, is written here."""
        lease = working.lease
        for left in reversed(range(SETTLE_TRIES)):
            if lease.state != "held":
                return
            ending = working.journal.ending = working.journal.ending or self._ending(working)
            try:
                # a dataset that cannot be asked shows nothing either; but only one that was asked lets a run be called cancelled
                await blocking(working.journal.settle, asking=left > 0 or ending.status == "CANCELLED")
            except LeaseLost:
                return
            except Fault as fault:
                log.warning("run.unsettled", run_id=lease.claim.run_id, code=fault.code, error=fault.detail)
                await self._sleep(RETRY_SECONDS)

    def _ending(self, working: Working) -> Ending:
        journal, at = working.journal, self._services.clock.now()
        wrong = None if working.run.cancelled() else working.run.exception()
        if working.lease.cancelled:
            return journal.ended("CANCELLED", at=at, code=None, why=STOPPED)
        if isinstance(wrong, Fault):
            ended = journal.ended("FAILED", at=at, code=wrong.code, why=str(wrong))
            return replace(ended, passing=journal.passing(wrong.retry_after)) if wrong.retry else ended
        name = type(wrong).__name__
        log.error("run.broke", run_id=working.lease.claim.run_id, error=name)
        return journal.ended("FAILED", at=at, code=StepFailed.code, why=f"the run broke ({name})")

    async def _go_on(self, claim: Claim) -> None:
        try:
            if await blocking(self._follow, claim):
                self.process()
        except Fault as fault:
            # the next pass of the trigger does it
            log.warning("run.unfollowed", run_id=claim.run_id, org=claim.tenant.org_slug, code=fault.code, error=fault.detail)

    async def _tidy(self, claim: Claim) -> None:
        try:
            await blocking(self._clear, claim)
            await blocking(self._copies.copy, claim.tenant)
        except Fault as fault:
            # the next run of the organisation copies this one too
            log.warning("run.uncopied", run_id=claim.run_id, org=claim.tenant.org_slug, code=fault.code, error=fault.detail)


async def _all_done(tasks: Collection[asyncio.Task[None]]) -> bool:
    await asyncio.wait(tasks)
    return True


def _tell_broken(run_id: str, task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        # its lease runs out, and the run is taken over
        log.error("run.broke", run_id=run_id, error=type(task.exception()).__name__)
