from typing import Annotated

from fastapi import APIRouter, Path, Request

from src.app.answers.recovered import requeued
from src.app.answers.runs import run_answer
from src.app.dependencies.audited import audited
from src.app.dependencies.auth import access, admin_of
from src.app.dependencies.once import OnceRoute, Repeat, once
from src.app.models.pipelines import RunAnswer
from src.core.base.threads import blocking
from src.core.scheduler import requeueing

router = APIRouter(prefix="/api/v1/scheduler", tags=["scheduler"], route_class=OnceRoute)

Named = Annotated[str, Path(max_length=100, description="The id of the queue's entry, or the run's `pipeline_logging_id`")]


@router.post("/requeue/{queue_or_run_id}", status_code=202, summary="Put a run back whose entry is dead", **access("root"))
@once(Repeat(requeued))
async def requeue_run(request: Request, queue_or_run_id: Named) -> RunAnswer:
    admin = admin_of(request)
    async with audited(admin.parts, admin.actor, "runs.requeue", f"runs/{queue_or_run_id}"):
        run = await blocking(requeueing.requeue, admin.parts, admin.actor, queue_or_run_id)
    admin.parts.worker.wake()
    return run_answer(run, run.org_slug or "")
