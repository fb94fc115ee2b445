"""One run of one pipeline, and what is written down about it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType

from structlog.typing import FilteringBoundLogger

from src.core.base.faults import Fault, StepFailed
from src.core.base.identity import Actor, Tenant
from src.core.ledger.tables.runs import NewRun, StepLog
from src.core.pipeline.catalog import CatalogEntry
from src.core.pipeline.document import Step
from src.core.pipeline.graph import walk
from src.core.pipeline.journal import Journal, RunEnd, RunStatus, until_written
from src.core.pipeline.log_lines import LogLines
from src.core.pipeline.mask import Mask
from src.core.pipeline.outcome import Outcome, StepOutcome, may_run, without_result
from src.core.pipeline.preparation import PreparedRun
from src.core.pipeline.registry import Registry
from src.core.pipeline.step_runner import Sleep, StepRunner
from src.core.pipeline.variables import fill_config
from src.core.step.context import Progress, Services, StepContext, unheld, untold


def _unwatched(_step_id: str) -> Progress:
    return untold


@dataclass(frozen=True, slots=True)
class Terms:
    """On which a worker carries out a run that it holds under a lease."""

    journal: Journal | None = None
    generation: int = 0
    progress: Callable[[str], Progress] = _unwatched
    """For a step, by its id."""
    held: Callable[[], None] = unheld


UNLEASED = Terms()


@dataclass
class PipelineRun:
    record: NewRun
    entry: CatalogEntry
    registry: Registry
    services: Services
    journal: Journal
    log: FilteringBoundLogger
    lines: LogLines
    sleep: Sleep
    prepared: PreparedRun
    actor: Actor
    tenant: Tenant | None
    terms: Terms
    began: float = 0.0
    outcomes: dict[str, StepOutcome] = field(default_factory=dict)
    first_fault: Fault | None = None

    @property
    def mask(self) -> Mask:
        return self.prepared.mask

    @property
    def run_id(self) -> str:
        return self.record.pipeline_logging_id

    async def carry_out(self) -> Outcome:
        # not when it was made: it may have waited for its turn since, and its time does not count that
        self.began = self.services.clock.monotonic()
        self.log.info("run.started", document=self.entry.document_id, pipeline_id=self.record.pipeline_id)
        try:
            await until_written(self.journal.run_started(self.record, self.services.clock.now()))
            await walk(self.entry.graph, self._visit)
        except asyncio.CancelledError:
            await self._end("CANCELLED", None)
            raise
        # it could not be put on record, so no step has begun and there is nothing to end
        except Fault as unrecorded:
            return self._outcome(unrecorded)
        except ExceptionGroup as group:
            faults, rest = group.split(Fault)
            # what is no Fault was foreseen by nobody: the run ends on record, and the defect goes on
            if faults is None or rest is not None:
                await self._end("FAILED", StepFailed(f"the run broke ({type(group.exceptions[0]).__name__})"))
                raise
            self._lost(faults)
        fault = self.first_fault
        await self._end("FAILED" if fault else "SUCCESS", fault)
        return self._outcome(fault)

    def _lost(self, faults: BaseExceptionGroup[Fault]) -> None:
        """What kept a step from being settled fails the run, unless all of them are done: then only the record of the last is lost."""
        fault = _first(faults)
        if len(self.outcomes) < len(self.entry.document.steps):
            self.first_fault = self.first_fault or fault
        else:
            self._log_lost(fault)

    async def _visit(self, step_id: str) -> None:
        step = self.entry.document.step(step_id)
        if not self._may_run(step):
            await self._settle(without_result(step, "SKIPPED", self.services.clock.now()))
            return
        runner = self._runner(step)
        try:
            outcome = await runner.carry_out()
        except asyncio.CancelledError:
            await self._settle_cancelled(without_result(step, "CANCELLED", self.services.clock.now(), runner.attempt))
            raise
        await self._settle(outcome)

    def _may_run(self, step: Step) -> bool:
        graph = self.entry.graph
        needed = {name: self.outcomes[name].status for name in step.depends_on}
        above = {name: self.outcomes[name].status for name in graph.ancestors[step.id]}
        return may_run(step.when, needed, above)

    def _runner(self, step: Step) -> StepRunner:
        # of those before it alone: a step must not come to depend on one that merely happened to be done
        earlier = {name: self.outcomes[name].result for name in self.entry.graph.order if name in self.entry.graph.ancestors[step.id]}
        context = StepContext(
            run_id=self.run_id,
            step_id=step.id,
            actor=self.actor,
            services=self.services,
            log=self.log.bind(step=step.id),
            tenant=self.tenant,
            # read-only: steps run side by side, and one that changed them would change the other's
            inputs=MappingProxyType(dict(self.prepared.inputs)),
            variables=MappingProxyType(dict(self.prepared.variables)),
            results=MappingProxyType(earlier),
            document_id=self.entry.document_id,
            generation=self.terms.generation,
            progress=self.terms.progress(step.id),
            held=self.terms.held,
        )
        return StepRunner(
            step=step,
            context=context,
            config=fill_config(step.config, self.prepared.variables),
            registry=self.registry,
            mask=self.mask,
            sleep=self.sleep,
            deadline=self.began + self.entry.document.timeout.total_seconds(),
            note=self._record,
        )

    async def _settle(self, outcome: StepOutcome) -> None:
        # before it is written down: if that fails, `_lost` tells by it whether the record alone is missing
        self.outcomes[outcome.step_id] = outcome
        self.first_fault = self.first_fault or outcome.fault
        fault = outcome.fault
        self.log.info(
            "step.finished",
            step=outcome.step_id,
            ps_type=outcome.ps_type,
            status=outcome.status,
            rows=outcome.rows,
            ms=outcome.duration_ms,
            **({"code": fault.code, "error": str(fault)} if fault else {}),
        )
        await self._record(outcome)

    async def _settle_cancelled(self, outcome: StepOutcome) -> None:
        try:
            await self._settle(outcome)
        except Fault as unrecorded:
            # the cancellation is what has to go on
            self._log_lost(unrecorded)

    async def _record(self, outcome: StepOutcome) -> None:
        fault = outcome.fault
        await until_written(
            self.journal.step_finished(
                StepLog(
                    # the same attempt written twice is one row
                    step_log_id=f"{self.run_id}-{outcome.step_id}-{outcome.attempts}",
                    pipeline_logging_id=self.run_id,
                    org_slug=self.record.org_slug,
                    step_id=outcome.step_id,
                    ps_type=outcome.ps_type,
                    step_index=self.entry.document.position(outcome.step_id),
                    attempt=outcome.attempts,
                    status=outcome.status,
                    started_at=outcome.started_at,
                    ended_at=outcome.ended_at,
                    duration_ms=outcome.duration_ms,
                    rows_processed=outcome.rows,
                    error_code=fault.code if fault else None,
                    error_message=self.mask.text(str(fault)) if fault else None,
                    result=self.mask.plain(outcome.result),
                    log_lines=self.lines.take(outcome.step_id),
                )
            )
        )

    async def _end(self, status: RunStatus, fault: Fault | None) -> None:
        steps = {name: one.status for name, one in self.outcomes.items()}
        rows = [one.rows for one in self.outcomes.values() if one.rows is not None]
        ms = round((self.services.clock.monotonic() - self.began) * 1000)
        end = RunEnd(
            run_id=self.run_id,
            status=status,
            at=self.services.clock.now(),
            error_code=fault.code if fault else None,
            error_message=self.mask.text(str(fault)) if fault else None,
            result={"steps": steps},
            rows_processed=sum(rows) if rows else None,
            duration_ms=ms,
            passes=fault is not None and fault.retry,
            retry_after=fault.retry_after if fault else None,
        )
        self.log.info("run.finished", status=status, ms=ms, steps=len(steps), code=end.error_code, error=end.error_message)
        try:
            await until_written(self.journal.run_finished(end))
        except Fault as unrecorded:
            # what the steps did stands, and a caller who is told otherwise loses what they answered: a new key, for one
            self._log_lost(unrecorded)

    def _log_lost(self, fault: Fault) -> None:
        self.log.error("journal.lost", code=fault.code, error=self.mask.text(str(fault)))

    def _outcome(self, fault: Fault | None) -> Outcome:
        steps = [
            self.outcomes.get(step.id) or without_result(step, "SKIPPED", self.services.clock.now()) for step in self.entry.document.steps
        ]
        results = {one.step_id: one.result for one in steps}
        return Outcome(self.run_id, "FAILED" if fault else "SUCCESS", results, tuple(steps), fault)


def _first(group: BaseExceptionGroup[Fault]) -> Fault:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
