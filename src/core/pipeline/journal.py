"""What is written down about a run while it happens."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

import anyio
from structlog.typing import FilteringBoundLogger

from src.core.base.faults import Conflict, Fault
from src.core.base.threads import blocking
from src.core.ledger.store import Ledger, Unit
from src.core.ledger.tables import orgs, runs
from src.core.ledger.tables.runs import NewRun, StepLog

RunStatus = Literal["SUCCESS", "FAILED", "CANCELLED"]


@dataclass(frozen=True, slots=True)
class RunEnd:
    run_id: str
    status: RunStatus
    at: datetime
    error_code: str | None = None
    error_message: str | None = None
    result: dict[str, Any] | None = None
    rows_processed: int | None = None
    duration_ms: int | None = None
    """By a clock that nobody sets: the moments of begin and end are the wall clock's, which may be set between them."""
    passes: bool = False
    """Whether what ended it may be gone the next time."""
    retry_after: float | None = None


class Journal(Protocol):
    async def missing(self) -> tuple[str, ...]:
        """What it needs to write into and does not find; empty when it can be written."""
        ...

    async def run_started(self, run: NewRun, at: datetime) -> None: ...

    async def step_finished(self, step: StepLog) -> None: ...

    async def run_finished(self, end: RunEnd) -> None: ...


async def until_written(write: Awaitable[None]) -> None:
    """Waits until it is written even when the waiting task is cancelled meanwhile; the cancellation goes on after that."""
    task = asyncio.ensure_future(write)
    cancelled: asyncio.CancelledError | None = None
    # an anyio scope cancels again and again until it is left: without the shield this would spin
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError as stopped:
                cancelled = stopped
    if cancelled is not None:
        # the fault of a write that nobody waits for any more must not hide the cancellation
        task.exception()
        raise cancelled
    task.result()


@dataclass(frozen=True, slots=True)
class LedgerJournal:
    ledger: Ledger

    async def missing(self) -> tuple[str, ...]:
        return await blocking(self.ledger.missing)

    async def run_started(self, run: NewRun, at: datetime) -> None:
        await blocking(self.ledger.write, _start, run, at)

    async def step_finished(self, step: StepLog) -> None:
        await blocking(self.ledger.write, runs.log_step, step)

    async def run_finished(self, end: RunEnd) -> None:
        await blocking(self.ledger.write, _finish, end)


def _start(unit: Unit, run: NewRun, at: datetime) -> None:
    if run.org_slug is not None and not orgs.lives(unit, run.org_slug, run.org_generation):
        raise orgs.off_boarded(run.org_slug)
    # the row may be there already: the API accepts a run that a worker carries out
    runs.accept(unit, run)
    if not runs.begin(unit, run.pipeline_logging_id, at):
        raise Conflict(f"the run {run.pipeline_logging_id} has been carried out already, or was cancelled")


def _finish(unit: Unit, end: RunEnd) -> None:
    settled = runs.finish(
        unit,
        end.run_id,
        status=end.status,
        at=end.at,
        error_code=end.error_code,
        error_message=end.error_message,
        result=end.result,
        rows_processed=end.rows_processed,
        duration_ms=end.duration_ms,
    )
    if not settled:
        raise Conflict(f"the run {end.run_id} was settled by somebody else meanwhile")


@dataclass(slots=True)
class HeldJournal:
    """Kept in memory."""

    started: list[tuple[NewRun, datetime]] = field(default_factory=list)
    steps: list[StepLog] = field(default_factory=list)
    ended: list[RunEnd] = field(default_factory=list)

    async def missing(self) -> tuple[str, ...]:
        return ()

    async def run_started(self, run: NewRun, at: datetime) -> None:
        self.started.append((run, at))

    async def step_finished(self, step: StepLog) -> None:
        self.steps.append(step)

    async def run_finished(self, end: RunEnd) -> None:
        self.ended.append(end)


class DeferredJournal:
    """Held until the run ends: for a run that makes the tables it is logged in, or that may come before them."""

    def __init__(self, inner: Journal, log: FilteringBoundLogger) -> None:
        self._inner = inner
        self._log = log
        self._writes: list[Callable[[], Awaitable[None]]] = []

    async def missing(self) -> tuple[str, ...]:
        return ()

    async def run_started(self, run: NewRun, at: datetime) -> None:
        self._writes.append(lambda: self._inner.run_started(run, at))

    async def step_finished(self, step: StepLog) -> None:
        self._writes.append(lambda: self._inner.step_finished(step))

    async def run_finished(self, end: RunEnd) -> None:
        self._writes.append(lambda: self._inner.run_finished(end))
        try:
            missing = await self._inner.missing()
            if missing:
                self._log.warning("journal.dropped", missing=list(missing))
                return
            for write in self._writes:
                await write()
        except Fault as fault:
            # the run's work is done and stands; only its record is lost
            self._log.error("journal.lost", code=fault.code, error=fault.detail)
