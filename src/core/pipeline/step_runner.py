"""One step: its attempts, each within its time, and what became of it. The one place where any exception of a processor is caught."""

import asyncio
import threading
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from src.core.base.clock import Clock
from src.core.base.faults import Fault, Misconfigured, StepFailed, Timeout
from src.core.pipeline.document import Retry, Step
from src.core.pipeline.mask import Mask
from src.core.pipeline.outcome import StepOutcome, without_result
from src.core.pipeline.registry import Registry
from src.core.step.context import StepContext, StepResult

Sleep = Callable[[float], Awaitable[None]]
Note = Callable[[StepOutcome], Awaitable[None]]


@dataclass
class StepRunner:
    step: Step
    context: StepContext
    config: Mapping[str, Any]
    registry: Registry
    mask: Mask
    sleep: Sleep
    deadline: float
    note: Note
    attempt: int = 1

    @property
    def clock(self) -> Clock:
        return self.context.services.clock

    async def carry_out(self) -> StepOutcome:
        self.context.log.info("step.started", ps_type=self.step.ps_type)
        while True:
            outcome = await self._attempt()
            delay = self._delay(outcome.fault)
            if delay is None:
                return outcome
            # before the wait: a cancellation during it would leave no trace of this attempt
            await self.note(outcome)
            self.context.log.warning("step.retried", attempt=self.attempt, wait=delay, code=outcome.fault.code if outcome.fault else None)
            # before the wait too: a run that is cancelled in it records that beside this attempt, not under its number
            self.attempt += 1
            await self.sleep(delay)

    async def _attempt(self) -> StepOutcome:
        began = self.clock.monotonic()
        outcome = without_result(self.step, "SUCCESS", self.clock.now(), self.attempt)
        try:
            result = await self._execute()
            # before anything of it is written down: a new key is a secret from here on
            self.mask.learn(result)
            fault = _failure(self.step, result)
        except Fault as raised:
            result, fault = {}, raised
        if fault is not None:
            fault = self.mask.fault(fault)
            # the processor's own answer last: what it says of its failure is kept
            result = {"status": "FAILED", "error_code": fault.code, "error_message": str(fault)} | result
        return replace(
            outcome,
            status="FAILED" if fault else "SUCCESS",
            result=result,
            fault=fault,
            ended_at=self.clock.now(),
            duration_ms=round((self.clock.monotonic() - began) * 1000),
        )

    async def _execute(self) -> StepResult:
        limit, why = self._limit()
        if limit <= 0:
            raise Timeout(why)
        timer = asyncio.timeout(limit)
        # one for each attempt: the next must not hear that the last was given up
        over = threading.Event()
        try:
            async with timer:
                answer = await self.registry.resolve(self.step.ps_type).execute(self.config, replace(self.context, given_up=over))
        except Fault:
            raise
        except asyncio.CancelledError as stopped:
            # a processor that lost a task of its own raises this too, and nobody has cancelled the run then
            current = asyncio.current_task()
            if current is None or current.cancelling():
                raise
            raise self._crash(stopped) from None
        except Exception as wrong:  # noqa: BLE001  # the step runner is one of the two places that catch everything
            # a processor's own time-outs are of the same class, and mean something else
            if isinstance(wrong, TimeoutError) and timer.expired():
                raise Timeout(why) from None
            raise self._crash(wrong) from None
        finally:
            # a thread cannot be stopped: it learns here that nobody waits for it any more
            over.set()
        return _checked(self.step, answer)

    def _limit(self) -> tuple[float, str]:
        """Seconds this attempt has. A step that tells of a failure, or tidies up after it, has its own time even when the run's is over."""
        own = self.step.timeout.total_seconds()
        left = self.deadline - self.clock.monotonic()
        if self.step.when == "on_success" and left < own:
            return left, f"the pipeline ran out of its time at step {self.step.id}; raise its `timeout`"
        return own, f"step {self.step.id} took longer than {own:g} s; raise its `timeout`"

    def _delay(self, fault: Fault | None) -> float | None:
        if fault is None or not fault.retry or self.attempt >= self.step.retry.attempts:
            return None
        delay = wait_before_next(self.step.retry, self.attempt, fault)
        # after it the run's time would be over: to wait would only hold up its end
        outlasts = self.step.when == "on_success" and self.clock.monotonic() + delay >= self.deadline
        return None if outlasts else delay

    def _crash(self, wrong: BaseException) -> Fault:
        known = _only_fault(wrong)
        if known is not None:
            return known
        # the message of a foreign exception may quote what it was given: only its type and its place are told
        self.context.log.error("step.crashed", error=type(wrong).__name__, where=_places(wrong))
        return StepFailed(
            f"step {self.step.id} failed unexpectedly ({type(wrong).__name__}); the log of run {self.context.run_id} says where"
        )


def wait_before_next(retry: Retry, attempt: int, fault: Fault) -> float:
    """Seconds: doubled from attempt to attempt up to the longest wait, and never less than the other side asked for."""
    longest = retry.max_wait.total_seconds()
    doubled: float = min(retry.wait.total_seconds() * 2 ** (attempt - 1), longest)
    return max(doubled, fault.retry_after or 0.0)


def _checked(step: Step, answer: object) -> StepResult:
    if not isinstance(answer, Mapping) or not isinstance(answer.get("status"), str):
        raise Misconfigured(f"the processor {step.ps_type} must answer a mapping with `status`; it answered {type(answer).__name__}")
    return dict(answer)


def _failure(step: Step, result: StepResult) -> Fault | None:
    if result["status"] == "SUCCESS":
        return None
    told = result.get("message") or result.get("error_message")
    return StepFailed(f"step {step.id} answered {result['status']}" + (f": {told}" if isinstance(told, str) else ""))


def _only_fault(wrong: BaseException) -> Fault | None:
    """A processor that works side by side raises its faults in a group."""
    if not isinstance(wrong, BaseExceptionGroup):
        return wrong if isinstance(wrong, Fault) else None
    inner = [_only_fault(one) for one in wrong.exceptions]
    # one that nobody foresaw must not hide behind the others
    return inner[0] if all(inner) else None


def _places(wrong: BaseException) -> list[str]:
    places = []
    seen: BaseException | None = wrong
    while seen is not None:
        frames = "".join(traceback.format_tb(seen.__traceback__))
        places.append(f"{type(seen).__name__}\n{frames}")
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return places
