from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from src.core.base.faults import Fault, LeaseLost
from src.core.base.threads import blocking
from src.core.ledger.tables import runs
from src.core.ledger.tables.runs import LastStatus, NewRun, StepLog
from src.core.pipeline.catalog import CatalogEntry
from src.core.pipeline.journal import RunEnd
from src.core.scheduler.endings import true_ending
from src.core.scheduler.fencing import seal
from src.core.scheduler.lease import Lease
from src.core.scheduler.settling import Ending, Passing
from src.core.step.context import Services

STOPPED = "cancelled while it was running"
NEVER_ENDED = "cancelled; its worker had stopped already"
NEVER_TRIED_AGAIN = "cancelled while it waited for its next try"


@dataclass(slots=True)
class LeasedJournal:
    """Of a run that its worker may lose on the way: what is written after that is written by nobody."""

    services: Services
    lease: Lease
    entry: CatalogEntry | None
    """Its document, unless that is gone by now."""
    ending: Ending | None = None
    """How the run ended, once it did."""

    async def missing(self) -> tuple[str, ...]:
        return await blocking(self.services.ledger.missing)

    async def run_started(self, run: NewRun, at: datetime) -> None:  # noqa: ARG002 the claim has written both
        try:
            await self.lease.patiently(self.lease.held)
        except LeaseLost:
            if await self._cancelled():
                self.ending = self.ended("CANCELLED", at=self.services.clock.now(), code=None, why=STOPPED)
            else:
                self.lease.state = "lost"
            raise

    async def step_finished(self, step: StepLog) -> None:
        if self.lease.state != "held":
            return
        # a failed attempt may be followed by another, and what counts as reached is never taken back
        if step.status != "FAILED":
            self.lease.board.step_done(step.step_id)
        attempt = self.lease.claim.attempt
        # a worker that took the run over tries each step anew
        told = step if attempt == 1 else replace(step, step_log_id=f"{step.step_log_id}@{attempt}")
        await self.lease.patiently(self.services.ledger.write, runs.log_step, told)

    async def run_finished(self, end: RunEnd) -> None:
        if self.lease.state != "held":
            return
        cancelled = self.lease.cancelled
        if end.error_code == LeaseLost.code:
            # a step that asked before it would publish was told so: of a cancellation, perhaps before the lease's own beat was
            cancelled = await self._cancelled()
            if not cancelled:
                self.lease.state = "lost"
                return
        self.ending = self._ending(end, cancelled=cancelled)
        await self.lease.patiently(self.settle)

    async def _cancelled(self) -> bool:
        """Whether that is why the worker may not go on with the run. If not, or nobody can say, it is left to who takes it up again."""
        with suppress(Fault):
            return self.lease.cancelled or await blocking(self.lease.asked_to_stop)
        return False

    def settle(self, *, asking: bool = True) -> None:
        """Without `asking`, what the dataset says of the run is left out of account. A cancelled run's claim is sealed first."""
        lease, ending = self.lease, self.ending
        if ending is None:
            raise RuntimeError("a run is settled when it has ended")
        tenant = lease.claim.tenant
        # before the dataset is asked: a publication in between would be one of a run that is called cancelled
        if ending.status == "CANCELLED" and not lease.sealed and self.services.warehouse.has_dataset(tenant):
            seal(self.services, lease)
        lease.settle(true_ending(self.services, tenant, self.entry, ending) if asking else ending)

    def foregone(self) -> Ending | None:
        """How a run ends that was claimed for nothing else."""
        entry, at = self.lease.claim.entry, self.services.clock.now()
        if entry.cancel_requested_at is not None:
            # one whose worker died has a takeover counted; one that failed, or was dead and put back, has its reason alone
            tried = entry.last_error is not None and entry.retry_count == 0
            return self.ended("CANCELLED", at=at, code=None, why=NEVER_TRIED_AGAIN if tried else NEVER_ENDED)
        # the last claim is for the end alone: only who holds the run can shut the dead worker out and see what it published
        if entry.retry_count > entry.max_retries:
            why = f"{entry.last_error}; it was taken over {entry.max_retries} times already"
            return replace(self.ended("FAILED", at=at, code=LeaseLost.code, why=why), buried=True)
        return None

    def _ending(self, end: RunEnd, *, cancelled: bool) -> Ending:
        # what succeeded all the same was cancelled too late
        stopped = cancelled and end.status != "SUCCESS"
        status: LastStatus = "CANCELLED" if stopped else end.status
        code = None if stopped else end.error_code
        ended = self.ended(status, at=end.at, code=code, why=STOPPED if stopped else end.error_message, end=end)
        return replace(ended, passing=self.passing(end.retry_after)) if end.passes and not stopped else ended

    def passing(self, retry_after: float | None) -> Passing | None:
        """Only what a schedule or a backfill asked for is tried again: of anything else its caller hears, and asks again."""
        claim = self.lease.claim
        return Passing(claim.entry.scheduled_run_id, claim.attempt, retry_after) if claim.trigger in ("schedule", "backfill") else None

    def ended(self, status: LastStatus, *, at: datetime, code: str | None, why: str | None, end: RunEnd | None = None) -> Ending:
        claim = self.lease.claim
        return Ending(
            run_id=claim.run_id,
            audit_id=self.services.ids.new(),
            org_slug=claim.tenant.org_slug,
            pipeline_id=claim.entry.pipeline_id,
            actor=claim.actor,
            status=status,
            at=at,
            error_code=code,
            error_message=why,
            result=end.result if end else None,
            rows_processed=end.rows_processed if end else None,
            began_at=claim.began_at,
            # one that was taken over began on another machine, whose clock says nothing here
            duration_ms=end.duration_ms if end and claim.attempt == 1 else None,
            facts={"document": claim.entry.document, "attempt": claim.attempt},
            had_turn=True,
        )
