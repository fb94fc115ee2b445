from fastapi import APIRouter, Request

from src.app.dependencies.auth import KeyedRoute, access, admin_of
from src.app.models.scheduler import QueueAnswer
from src.core.base.faults import Conflict
from src.core.base.threads import blocking
from src.core.ledger.tables import queue_counts

router = APIRouter(prefix="/api/v1/scheduler", tags=["scheduler"], route_class=KeyedRoute)


@router.post("/process-queue", status_code=202, summary="Have runs that wait taken up, the highest priority first", **access("root"))
async def process_queue(request: Request) -> QueueAnswer:
    parts = admin_of(request).parts
    enabled, polled = parts.settings.worker_enabled, parts.ledger.traits.polled
    if not enabled and not polled:
        raise Conflict(
            "nobody works on runs here: WORKER_ENABLED=false, and this ledger's queue is worked on by the process that is called"
        )
    # counted before the worker is told, which takes from it at once
    found = await blocking(parts.ledger.read, queue_counts.count)
    if enabled:
        parts.worker.process()
    return QueueAnswer(
        worker="here" if enabled else "elsewhere",
        queued=found.queued,
        running=found.running,
        dead=found.dead,
        oldest_queued_at=found.oldest_queued_at,
        running_here=list(parts.worker.running) if enabled else [],
    )
