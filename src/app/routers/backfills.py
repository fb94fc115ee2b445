from typing import Annotated

from fastapi import APIRouter, Header, Path, Request
from starlette.responses import Response

from src.app.answers.backfills import backfill_accepted, backfill_answer, backfill_detail, backfill_events
from src.app.answers.sse import EventStream, encoded, watchers_of
from src.app.dependencies.audited import audited
from src.app.dependencies.auth import access, caller_of, parts_of
from src.app.dependencies.lasting import Lasting
from src.app.dependencies.once import REDO, OnceRoute, once
from src.app.dependencies.run_requests import known_inputs, require_begun
from src.app.dependencies.tenants import living_tenant
from src.app.models.backfills import BackfillAccepted, BackfillDetail, BackfillList, BackfillRequest
from src.core.backfill import asking
from src.core.backfill.standing import watch
from src.core.base.threads import blocking
from src.core.pipeline.catalog import CatalogEntry
from src.core.schedules.trigger import go_on

router = APIRouter(prefix="/api/v1/pipelines", tags=["pipelines"], route_class=OnceRoute)

Slug = Annotated[str, Path(max_length=200, description="The organisation")]
Segment = Annotated[str, Path(max_length=120)]
BackfillId = Annotated[str, Path(max_length=100, description="The backfill's `backfill_id`")]


@router.post(
    "/backfill/{org_slug}/{provider}/{domain}/{pipeline}",
    status_code=202,
    summary="Have a pipeline cover a long past range",
    **access("root_or_org"),
)
@once(REDO)
async def backfill_pipeline(
    request: Request, *, org_slug: Slug, provider: Segment, domain: Segment, pipeline: Segment, body: BackfillRequest
) -> BackfillAccepted:
    return await _ask(request, org_slug, parts_of(request).catalog.look_up(provider, domain, pipeline), body)


@router.post(
    "/backfill/{org_slug}/{provider}/{domain}",
    status_code=202,
    summary="Backfill the only pipeline of a domain, or one by its short name",
    **access("root_or_org"),
)
@once(REDO)
async def backfill_only_pipeline(
    request: Request, *, org_slug: Slug, provider: Segment, domain: Segment, body: BackfillRequest
) -> BackfillAccepted:
    return await _ask(request, org_slug, parts_of(request).catalog.look_up(provider, domain), body)


@router.get("/backfills/{org_slug}", summary="List backfills, newest first", **access("root_or_org", conditional=True))
async def list_backfills(request: Request, org_slug: Slug) -> BackfillList:
    tenant, parts = await living_tenant(request, org_slug), parts_of(request)
    found, now = await blocking(asking.listed, parts, tenant), parts.clock.now()
    return BackfillList(org_slug=tenant.org_slug, backfills=[backfill_answer(one, now) for one in found])


@router.get("/backfills/{org_slug}/{backfill_id}", summary="Show how far a backfill is", **access("root_or_org"))
async def get_backfill(request: Request, org_slug: Slug, backfill_id: BackfillId) -> BackfillDetail:
    tenant, parts = await living_tenant(request, org_slug), parts_of(request)
    return backfill_detail(await blocking(asking.existing, parts, tenant, backfill_id), parts.clock.now())


@router.get(
    "/backfills/{org_slug}/{backfill_id}/events",
    status_code=200,
    response_class=EventStream,
    responses={204: {"description": "The end was told already (Last-Event-ID)"}},
    summary="Follow a backfill as server-sent events",
    **access("root_or_org"),
)
async def follow_backfill(
    request: Request,
    org_slug: Slug,
    backfill_id: BackfillId,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", max_length=100)] = None,
) -> Response:
    tenant, parts = await living_tenant(request, org_slug), parts_of(request)
    # before the stream: once its head is out no refusal can be told
    await blocking(asking.existing, parts, tenant, backfill_id)
    if last_event_id == "end":
        return Response(status_code=204)
    watchers = watchers_of(request)
    events = backfill_events(watch(parts, tenant, backfill_id), Lasting(request, watchers.stopping), parts.clock)
    return EventStream(encoded(events), watchers, tenant.org_slug)


@router.post("/backfills/{org_slug}/{backfill_id}/cancel", status_code=202, summary="Stop a backfill", **access("root_or_org"))
async def cancel_backfill(request: Request, org_slug: Slug, backfill_id: BackfillId) -> BackfillDetail:
    tenant = await living_tenant(request, org_slug)
    parts, actor = parts_of(request), caller_of(request).actor
    async with audited(parts, actor, "backfills.cancel", f"backfills/{backfill_id}", tenant.org_slug, generation=tenant.generation):
        standing = await blocking(asking.cancel, parts, tenant=tenant, actor=actor, backfill_id=backfill_id)
    for window in standing.noted:
        # those that are not in its hands mean nothing to it
        if window.pipeline_logging_id is not None:
            parts.worker.nudge(window.pipeline_logging_id)
    return backfill_detail(standing, parts.clock.now())


async def _ask(request: Request, org_slug: str, entry: CatalogEntry, body: BackfillRequest) -> BackfillAccepted:
    tenant = await living_tenant(request, org_slug)
    parts, actor = parts_of(request), caller_of(request).actor
    today = parts.clock.now().date()
    require_begun(body.month, today)
    async with audited(parts, actor, "backfills.create", f"pipelines/{entry.document_id}", tenant.org_slug, generation=tenant.generation):
        asked = await blocking(
            asking.ask,
            parts,
            parts.catalog,
            tenant=tenant,
            actor=actor,
            entry=entry,
            days=body.days(today),
            inputs=known_inputs(body.inputs, entry),
        )
        # at once, and not at the trigger's next pass: who asked is watching
        if await blocking(go_on, parts, parts.catalog, asked.standing.row):
            parts.worker.wake()
    standing = await blocking(asking.existing, parts, tenant, asked.standing.row.scheduled_run_id)
    return backfill_accepted(standing, parts.clock.now(), fresh=asked.fresh)
