"""Whether the service lives, whether it can serve, and its numbers. Open to anyone: probes and scrapers carry no key."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
from anyio import CapacityLimiter
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from src.app.dependencies.auth import access, parts_of
from src.app.edge.problems import Problem, problem_response
from src.app.process.codes import NOT_READY
from src.app.process.metrics import METRICS_TYPE, Meter, OutboxMeter
from src.core.base.clock import Clock
from src.core.base.faults import Fault

Check = Callable[[], None]

# so many probes a second cost the ledger and the vault one look
FRESH_SECONDS: Final = 1.0
CHECK_SECONDS: Final = 2.0

router = APIRouter(tags=["health"])


class Health(BaseModel):
    status: str = Field(description="healthy; all else is a problem")
    version: str = Field(description="Version of this release")
    environment: str = Field(description="development, staging or production")


class CheckResult(BaseModel):
    status: str = Field(description="ok or failed")
    detail: str | None = Field(default=None, description="What is wrong and what to do; left out where nothing is")


class ReadinessAnswer(BaseModel):
    status: str = Field(description="ready; all else is a problem")
    checks: dict[str, CheckResult] = Field(description="Each check by its name")


@dataclass(slots=True)
class Readiness:
    """The checks' last results; while all is well they are kept for a second, so that many probes cost one look."""

    checks: Mapping[str, Check]
    clock: Clock
    _results: dict[str, CheckResult] = field(default_factory=dict)
    _looked_at: float | None = None
    _running: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    # Threads of its own: checks that hang must not take those that serve requests.
    _threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(4))

    async def results(self) -> dict[str, CheckResult]:
        async with self._looking:
            if self._looked_at is None or self.clock.monotonic() - self._looked_at >= FRESH_SECONDS or not self._all_well():
                self._results = {name: await self._look(name, check) for name, check in self.checks.items()}
                self._looked_at = self.clock.monotonic()
            return self._results

    def _all_well(self) -> bool:
        """What failed is looked at anew: it may have been mended since."""
        return all(result.status == "ok" for result in self._results.values())

    async def _look(self, name: str, check: Check) -> CheckResult:
        running = self._running.get(name)
        if running is None or running.done():
            running = self._running[name] = asyncio.create_task(anyio.to_thread.run_sync(check, limiter=self._threads))
        try:
            # cancelled, it would count as done while its thread still hangs, and every probe would begin another beside it
            await asyncio.wait_for(asyncio.shield(running), CHECK_SECONDS)
        except Fault as fault:
            return CheckResult(status="failed", detail=str(fault))
        except TimeoutError:
            # it is left to end by itself, and no other is begun beside it
            return CheckResult(status="failed", detail=f"did not answer within {CHECK_SECONDS:g} seconds")
        return CheckResult(status="ok")


@router.head("/health", include_in_schema=False)
@router.get("/health", summary="Whether the service answers", **access("anyone"))
async def health(request: Request) -> Health:
    return Health(status="healthy", version=request.app.version, environment=parts_of(request).settings.environment.value)


@router.head("/health/live", include_in_schema=False)
@router.get("/health/live", summary="Whether the process is alive", **access("anyone"))
async def live() -> dict[str, str]:
    # asks no part: platforms start anew what is not alive, and that mends no ledger that is away
    return {"status": "alive"}


@router.head("/health/ready", include_in_schema=False)
@router.get("/health/ready", summary="Whether it can serve, and what keeps it from it", response_model=ReadinessAnswer, **access("anyone"))
async def ready(request: Request) -> Response:
    results = await _readiness(request).results()
    checks = {name: result.model_dump(exclude_none=True) for name, result in results.items()}
    failed = {name: result.detail for name, result in results.items() if result.status != "ok"}
    if not failed:
        return JSONResponse({"status": "ready", "checks": checks})
    facts: dict[str, Any] = {"checks": checks}
    detail = "; ".join(f"{name}: {why}" for name, why in failed.items())
    problem = Problem(NOT_READY, detail, facts=facts, headers={"Retry-After": "1"})
    return problem_response(problem, request.scope)


@router.get(
    "/metrics",
    summary="Its numbers, for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    **access("anyone"),
)
async def metrics(request: Request) -> Response:
    meter: Meter = request.state.meter
    told = meter.exposition() + OutboxMeter(parts_of(request).courier).exposition()
    return Response(told, headers={"Content-Type": METRICS_TYPE})


def _readiness(request: Request) -> Readiness:
    state = request.app.state
    if not hasattr(state, "readiness"):
        state.readiness = Readiness(state.checks, parts_of(request).clock)
    readiness: Readiness = state.readiness
    return readiness
