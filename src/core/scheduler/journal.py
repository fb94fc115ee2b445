from dataclasses import dataclass, replace
from datetime import datetime

from src.core.base.threads import blocking
from src.core.ledger import runs
from src.core.ledger.runs import LastStatus, NewRun, StepLog
from src.core.pipeline.journal import RunEnd
from src.core.scheduler.lease import Lease
from src.core.scheduler.settling import Ending
from src.core.step.context import Services

STOPPED = "cancelled while it was running"


@dataclass(slots=True)
class LeasedJournal:
    """Of a run that its worker may lose on the way: what is written after that is written by nobody."""

    services: Services
    lease: Lease
    ending: Ending | None = None
    """How the run ended, once it did."""

    async def missing(self) -> tuple[str, ...]:
        return await blocking(self.services.ledger.missing)

    async def run_started(self, run: NewRun, at: datetime) -> None:  # noqa: ARG002 the claim has written both
        await blocking(self.lease.held)

    async def step_finished(self, step: StepLog) -> None:
        if self.lease.state != "held":
            return
        if step.status != "FAILED":
            self.lease.board.step_done(step.step_id)
        attempt = self.lease.claim.attempt
        # a worker that took the run over tries each step anew
        told = step if attempt == 1 else replace(step, step_log_id=f"{step.step_log_id}@{attempt}")
        await blocking(self.services.ledger.write, runs.log_step, told)

    async def run_finished(self, end: RunEnd) -> None:
        self.ending = self._ending(end)
        if self.lease.state == "held":
            await blocking(self.lease.settle, self.ending)

    def _ending(self, end: RunEnd) -> Ending:
        stopped = self.lease.cancelled and end.status != "SUCCESS"
        status: LastStatus = "CANCELLED" if stopped else end.status
        code = None if stopped else end.error_code
        return self.ended(status, at=end.at, code=code, why=STOPPED if stopped else end.error_message, end=end)

    def ended(self, status: LastStatus, *, at: datetime, code: str | None, why: str | None, end: RunEnd | None = None) -> Ending:
        claim = self.lease.claim
        return Ending(
            run_id=claim.run_id,
            audit_id=self.services.ids.new(),
            org_slug=claim.tenant.org_slug,
            actor=claim.actor,
            status=status,
            at=at,
            error_code=code,
            error_message=why,
            result=end.result if end else None,
            rows_processed=end.rows_processed if end else None,
            facts={"document": claim.entry.document, "attempt": claim.attempt},
        )
