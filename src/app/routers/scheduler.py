from dataclasses import asdict
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request

from src.app.answers.recovered import schedule_made
from src.app.answers.schedules import schedule_answer, scheduler_status
from src.app.dependencies.audited import audited
from src.app.dependencies.auth import access, admin_of, caller_of, parts_of
from src.app.dependencies.once import OnceRoute, Repeat, once
from src.app.dependencies.tenants import living_tenant
from src.app.models.scheduler import NotificationsAnswer, QueueAnswer
from src.app.models.schedules import (
    ScheduleAnswer,
    ScheduleChange,
    ScheduleList,
    ScheduleRemoved,
    ScheduleRequest,
    SchedulerStatus,
    TriggerAnswer,
)
from src.app.wiring import Parts
from src.core.base.faults import Conflict
from src.core.base.identity import Tenant
from src.core.base.threads import blocking
from src.core.ledger.tables import queue_counts
from src.core.schedules import editing
from src.core.schedules.editing import AskedSchedule, ScheduleEditor
from src.core.schedules.enough import shortage
from src.core.schedules.standing import standing
from src.core.schedules.trigger import trigger

router = APIRouter(prefix="/api/v1/scheduler", tags=["scheduler"], route_class=OnceRoute)

# a scheduler that calls gives the call a minute or so
NOTIFY_SECONDS: Final = 45.0

Slug = Annotated[str, Path(max_length=200, description="The organisation")]
ConfigId = Annotated[str, Path(max_length=100, description="The schedule's `config_id`")]


@router.post("/trigger", summary="Have what is due come into the queue", **access("root"))
async def trigger_due(request: Request) -> TriggerAnswer:
    parts = admin_of(request).parts
    told = await blocking(trigger, parts, parts.catalog)
    if told.queued_count:
        parts.worker.wake()
    return TriggerAnswer.model_validate(asdict(told))


@router.get("/status", summary="What is queued, due, waiting and worked on", **access("root"))
async def scheduler_standing(request: Request) -> SchedulerStatus:
    parts = admin_of(request).parts
    found = await blocking(standing, parts)
    return scheduler_status(found, enabled=parts.keeps_time, owner=parts.timekeeper.owner)


@router.get("/customer/{org_slug}/pipelines", summary="List an organisation's schedules", **access("root_or_org", conditional=True))
async def list_schedules(request: Request, org_slug: Slug) -> ScheduleList:
    tenant, parts = await living_tenant(request, org_slug), parts_of(request)
    found = await blocking(editing.listed, parts, tenant)
    short = await blocking(shortage, parts, tenant)
    return ScheduleList(
        org_slug=tenant.org_slug,
        plan_too_small=short,
        pipelines=[schedule_answer(one.schedule, parts.clock.now(), one.waiting) for one in found],
    )


@router.get("/customer/{org_slug}/pipelines/{config_id}", summary="Show one schedule", **access("root_or_org"))
async def get_schedule(request: Request, org_slug: Slug, config_id: ConfigId) -> ScheduleAnswer:
    tenant, parts = await living_tenant(request, org_slug), parts_of(request)
    return await _shown(parts, tenant, config_id)


@router.post("/customer/{org_slug}/pipelines", status_code=201, summary="Schedule a pipeline", **access("root_or_org"))
@once(Repeat(schedule_made))
async def create_schedule(request: Request, org_slug: Slug, body: ScheduleRequest) -> ScheduleAnswer:
    parts = parts_of(request)
    editor = await _editor(request, org_slug)
    if body.document is not None:
        entry = parts.catalog.get(body.document)
    else:
        entry = parts.catalog.look_up(body.provider or "", body.domain or "", body.pipeline)
    async with audited(parts, editor.actor, "schedules.create", f"organizations/{org_slug}/schedules", org_slug):
        made = await blocking(editor.create, entry, _asked(body))
    parts.timekeeper.wake()
    return schedule_answer(made, parts.clock.now())


@router.patch("/customer/{org_slug}/pipelines/{config_id}", summary="Change or pause a schedule", **access("root_or_org"))
async def change_schedule(request: Request, org_slug: Slug, config_id: ConfigId, body: ScheduleChange) -> ScheduleAnswer:
    parts = parts_of(request)
    editor = await _editor(request, org_slug)
    async with audited(parts, editor.actor, "schedules.update", f"organizations/{org_slug}/schedules/{config_id}", org_slug):
        await blocking(editor.change, config_id, _asked(body))
    parts.timekeeper.wake()
    return await _shown(parts, editor.tenant, config_id)


@router.delete("/customer/{org_slug}/pipelines/{config_id}", summary="Remove a schedule", **access("root_or_org"))
async def delete_schedule(request: Request, org_slug: Slug, config_id: ConfigId) -> ScheduleRemoved:
    editor = await _editor(request, org_slug)
    async with audited(parts_of(request), editor.actor, "schedules.delete", f"organizations/{org_slug}/schedules/{config_id}", org_slug):
        await blocking(editor.remove, config_id)
    return ScheduleRemoved(org_slug=org_slug, config_id=config_id, state="deleted")


@router.post("/process-queue", status_code=202, summary="Have runs that wait taken up, by turns of organisations", **access("root"))
async def process_queue(
    request: Request,
    limit: Annotated[
        int | None, Query(ge=1, le=1000, description="How many are taken at most; as many as there is room for when left out")
    ] = None,
) -> QueueAnswer:
    parts = admin_of(request).parts
    enabled, polled = parts.settings.worker_enabled, parts.ledger.traits.polled
    if not enabled and not polled:
        raise Conflict(
            "nobody works on runs here: WORKER_ENABLED=false, and this ledger's queue is worked on by the process that is called"
        )
    # counted before the worker is told, which takes from it at once
    found = await blocking(parts.ledger.read, queue_counts.count)
    if enabled:
        parts.worker.process(limit)
    if not polled:
        # beside the runs, so that the caller waits for neither
        await parts.courier.drain_apart(NOTIFY_SECONDS)
    return QueueAnswer(
        worker="here" if enabled else "elsewhere",
        queued=found.queued,
        running=found.running,
        dead=found.dead,
        oldest_queued_at=found.oldest_queued_at,
        running_here=list(parts.worker.running) if enabled else [],
        notifications="by itself" if polled else "here",
    )


@router.post("/process-notifications", summary="Have events told and notifications sent that wait", **access("root"))
async def process_notifications(request: Request) -> NotificationsAnswer:
    done = await admin_of(request).parts.courier.drain(NOTIFY_SECONDS)
    return NotificationsAnswer.model_validate(asdict(done))


async def _editor(request: Request, org_slug: str) -> ScheduleEditor:
    parts = parts_of(request)
    return ScheduleEditor(parts, parts.catalog, caller_of(request).actor, await living_tenant(request, org_slug))


async def _shown(parts: Parts, tenant: Tenant, config_id: str) -> ScheduleAnswer:
    found = await blocking(editing.shown, parts, tenant, config_id)
    return schedule_answer(found.schedule, parts.clock.now(), found.waiting)


def _asked(body: ScheduleChange | ScheduleRequest) -> AskedSchedule:
    return AskedSchedule(**body.model_dump(exclude={"document", "provider", "domain", "pipeline"}))
