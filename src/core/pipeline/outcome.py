from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from src.core.base.faults import Fault, Misconfigured
from src.core.pipeline.document import Step, When
from src.core.pipeline.journal import RunStatus
from src.core.step.context import StepResult

StepStatus = Literal["SUCCESS", "FAILED", "SKIPPED", "CANCELLED"]


@dataclass(frozen=True, slots=True)
class StepOutcome:
    step_id: str
    ps_type: str
    status: StepStatus
    attempts: int
    started_at: datetime
    ended_at: datetime
    result: StepResult
    duration_ms: int = 0
    fault: Fault | None = None

    @property
    def rows(self) -> int | None:
        rows = self.result.get("rows_processed")
        return rows if isinstance(rows, int) and not isinstance(rows, bool) else None


def without_result(step: Step, status: StepStatus, at: datetime, attempts: int = 0) -> StepOutcome:
    return StepOutcome(step.id, step.ps_type, status, attempts, at, at, {"status": status})


@dataclass(frozen=True, slots=True)
class Outcome:
    run_id: str
    status: RunStatus
    results: Mapping[str, StepResult]
    steps: tuple[StepOutcome, ...]
    fault: Fault | None = None

    def of(self, step_id: str) -> StepResult:
        if step_id not in self.results:
            raise Misconfigured(f"the run has no step {step_id!r}; it has {', '.join(self.results)}")
        return self.results[step_id]

    def require(self) -> "Outcome":
        if self.fault is not None:
            raise self.fault
        return self


def may_run(when: When, needed: Mapping[str, StepStatus], above: Mapping[str, StepStatus]) -> bool:
    """Whether a step's turn has come to run, from the steps it depends on and all those above them."""
    succeeded = all(status == "SUCCESS" for status in needed.values())
    # of all above: what lies between a failure and this step was skipped, and has not failed itself
    failed = "FAILED" in above.values()
    match when:
        case "on_success":
            return succeeded
        case "on_failure":
            return failed
        case "on_completion":
            return succeeded or failed
        case "always":
            return True
