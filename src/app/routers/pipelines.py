from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Path, Query, Request, Response
from pydantic import AfterValidator

from src.app.answers.run_events import ended, run_events
from src.app.answers.run_log import as_text, lines_of, page_of, wants_text
from src.app.answers.runs import accepted_answer, links_of, pipeline_answer, run_answer, run_detail
from src.app.answers.sse import EventStream, encoded, watchers_of
from src.app.dependencies.audited import audited
from src.app.dependencies.auth import KeyedRoute, access, caller_of, parts_of
from src.app.dependencies.days import Days
from src.app.dependencies.lasting import Lasting, require_key
from src.app.dependencies.once import kept_key
from src.app.dependencies.run_requests import inputs_of, require_known_runs, usual_window, window_of, window_rule
from src.app.dependencies.tenants import living_tenant
from src.app.models.pipelines import LogPage, PipelineList, RunAccepted, RunAnswer, RunDetail, RunPage, RunRequest, State, Status, Trigger
from src.core.base.identity import Tenant
from src.core.base.threads import blocking
from src.core.ledger.tables import run_pages, runs
from src.core.ledger.tables.run_pages import RunFilter
from src.core.ledger.tables.runs import RunRecord
from src.core.pipeline.catalog import CatalogEntry
from src.core.providers.directory import known_providers
from src.core.scheduler import acceptance, cancel, follow, reports
from src.core.scheduler.acceptance import Accepted

router = APIRouter(prefix="/api/v1/pipelines", tags=["pipelines"], route_class=KeyedRoute)

RUN_ID = "^[0-9a-f]{32}$"


Slug = Annotated[str, Path(max_length=200, description="The organisation")]
Segment = Annotated[str, Path(max_length=120)]
RunId = Annotated[str, Path(max_length=100, description="The run's `pipeline_logging_id`")]
Asked = Annotated[RunRequest, Body(default_factory=RunRequest)]
Wait = Annotated[bool, Query(description="Answers when the run is over, or after ten minutes as it stands")]
IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", description="Sent again, it answers the run of the first time"), AfterValidator(kept_key)
]
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": RunDetail, "description": "With `wait=true`: the run, over"},
    202: {"model": RunAccepted, "description": "Accepted"},
}


@router.post(
    "/run/{org_slug}/{provider}/{domain}/{pipeline}", status_code=202, responses=ANSWERS, summary="Run a pipeline", **access("root_or_org")
)
async def run_pipeline(
    request: Request,
    *,
    org_slug: Slug,
    provider: Segment,
    domain: Segment,
    pipeline: Segment,
    body: Asked,
    wait: Wait = False,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    entry = parts_of(request).catalog.look_up(provider, domain, pipeline)
    return await run_asked(request, org_slug, entry, body, wait=wait, idempotency_key=idempotency_key)


@router.post(
    "/run/{org_slug}/{provider}/{domain}",
    status_code=202,
    responses=ANSWERS,
    summary="Run the only pipeline of a domain, or one by its short name",
    **access("root_or_org"),
)
async def run_only_pipeline(
    request: Request,
    *,
    org_slug: Slug,
    provider: Segment,
    domain: Segment,
    body: Asked,
    wait: Wait = False,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    entry = parts_of(request).catalog.look_up(provider, domain)
    return await run_asked(request, org_slug, entry, body, wait=wait, idempotency_key=idempotency_key)


@router.get("/runs/{org_slug}", summary="List runs, newest first", **access("root_or_org", conditional=True))
async def list_runs(
    request: Request,
    *,
    org_slug: Slug,
    days: Days,
    status: Annotated[Status | None, Query(description="RUNNING: accepted and not over")] = None,
    state: Annotated[State | None, Query(description="Tells waiting runs from those a worker has")] = None,
    pipeline_id: Annotated[str | None, Query(max_length=200)] = None,
    provider: Annotated[str | None, Query(max_length=60)] = None,
    trigger: Trigger | None = None,
    setups: Annotated[
        bool, Query(description="Also setups and validations of credentials, onboarding and dry runs, which load nothing")
    ] = False,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(pattern=RUN_ID, description="`next_cursor` of the page before")] = None,
) -> RunPage:
    tenant = await living_tenant(request, org_slug)
    wanted = RunFilter(
        statuses=run_pages.statuses_of(status, state),
        pipeline_id=pipeline_id,
        provider=provider and known_providers(parts_of(request).settings.configs_dir).named(provider),
        trigger=trigger,
        from_day=days.first,
        to_day=days.last,
        setups=setups,
    )
    found = await blocking(parts_of(request).ledger.read, run_pages.page, tenant.org_slug, wanted, after=cursor, limit=limit + 1)
    if not found and cursor is None:
        require_known_runs(parts_of(request).catalog, parts_of(request).settings.configs_dir, tenant.org_slug, wanted)
    shown = found[:limit]
    return RunPage(
        runs=[run_answer(run, tenant.org_slug) for run in shown],
        next_cursor=shown[-1].pipeline_logging_id if len(found) > limit else None,
    )


@router.get("/runs/{org_slug}/{pipeline_logging_id}", summary="Show one run with all that is known of it", **access("root_or_org"))
async def get_run(request: Request, org_slug: Slug, pipeline_logging_id: RunId) -> RunDetail:
    tenant = await living_tenant(request, org_slug)
    return run_detail(await blocking(reports.report, parts_of(request), tenant, pipeline_logging_id), tenant.org_slug)


@router.get(
    "/runs/{org_slug}/{pipeline_logging_id}/logs",
    response_model=LogPage,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    summary="Show a run's log, as JSON or as text",
    **access("root_or_org", conditional=True),
)
async def get_run_log(
    request: Request,
    org_slug: Slug,
    pipeline_logging_id: RunId,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
    cursor: Annotated[int, Query(ge=0, le=10_000_000, description="`next_cursor` of the page before")] = 0,
) -> LogPage | Response:
    tenant = await living_tenant(request, org_slug)
    found = await blocking(reports.trace, parts_of(request), tenant, pipeline_logging_id)
    shown = page_of(found.run, lines_of(found), cursor, limit)
    return Response(as_text(shown.lines), media_type="text/plain") if wants_text(request.headers.get("accept")) else shown


@router.get(
    "/runs/{org_slug}/{pipeline_logging_id}/events",
    status_code=200,
    response_class=EventStream,
    responses={204: {"description": "The end was told already (Last-Event-ID)"}},
    summary="Follow a run as server-sent events",
    **access("root_or_org"),
)
async def follow_run(
    request: Request,
    org_slug: Slug,
    pipeline_logging_id: RunId,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", max_length=100)] = None,
) -> Response:
    tenant = await living_tenant(request, org_slug)
    # before the stream: once its head is out no refusal can be told
    run = await _own(request, tenant, pipeline_logging_id)
    if last_event_id == "end":
        # a browser's reader asks again when a stream closes, until it is told that there is nothing more
        return Response(status_code=204)
    watchers = watchers_of(request)
    events = run_events(follow.watch(parts_of(request), run.pipeline_logging_id), Lasting(request, watchers.stopping))
    return EventStream(encoded(events), watchers, tenant.org_slug)


@router.post("/runs/{org_slug}/{pipeline_logging_id}/cancel", status_code=202, summary="Stop a run", **access("root_or_org"))
async def cancel_run(request: Request, org_slug: Slug, pipeline_logging_id: RunId) -> RunAnswer:
    tenant = await living_tenant(request, org_slug)
    parts, actor = parts_of(request), caller_of(request).actor
    async with audited(parts, actor, "runs.cancel", f"runs/{pipeline_logging_id}", tenant.org_slug, generation=tenant.generation):
        run = await blocking(cancel.cancel, parts, tenant=tenant, actor=actor, run_id=pipeline_logging_id)
    # else the run would go on until its next beat
    parts.worker.nudge(pipeline_logging_id)
    return run_answer(run, tenant.org_slug)


@router.get("/{org_slug}", summary="List what can be run", **access("root_or_org", conditional=True))
async def list_pipelines(request: Request, org_slug: Slug) -> PipelineList:
    tenant = await living_tenant(request, org_slug)
    parts = parts_of(request)
    last = await blocking(parts.ledger.read, run_pages.last_of_each, tenant.org_slug)
    rule = window_rule(parts.clock.now().date())
    offered = [entry for entry in parts.catalog.entries.values() if entry.document.scope == "organisation"]
    return PipelineList(
        org_slug=tenant.org_slug,
        pipelines=[pipeline_answer(entry, tenant.org_slug, last.get(entry.document_id), rule) for entry in offered],
    )


async def run_asked(
    request: Request, org_slug: str, entry: CatalogEntry, asked: RunRequest, *, wait: bool, idempotency_key: str | None
) -> Response:
    """Accepts what was asked for, and waits for its end where that was asked too."""
    tenant = await living_tenant(request, org_slug)
    parts, watchers = parts_of(request), watchers_of(request)
    if not wait:
        return _accepted(await _accept(request, tenant, entry, asked, idempotency_key), tenant)
    # before it is accepted: a run that nobody may wait for must not be begun by who asked to wait
    with watchers.place(tenant.org_slug):
        accepted = await _accept(request, tenant, entry, asked, idempotency_key)
        run_id = accepted.run.pipeline_logging_id
        over = await ended(request, follow.watch(parts, run_id), Lasting(request, watchers.stopping))
    await require_key(request)
    if not over:
        return _accepted(replace(accepted, run=await _own(request, tenant, run_id)), tenant)
    return _answer(200, run_detail(await blocking(reports.report, parts, tenant, run_id), tenant.org_slug), tenant, run_id)


async def _accept(request: Request, tenant: Tenant, entry: CatalogEntry, asked: RunRequest, idempotency_key: str | None) -> Accepted:
    parts, actor = parts_of(request), caller_of(request).actor
    async with audited(parts, actor, "runs.accept", f"pipelines/{entry.document_id}", tenant.org_slug, generation=tenant.generation):
        accepted = await blocking(
            acceptance.accept,
            parts,
            parts.catalog,
            tenant=tenant,
            actor=actor,
            entry=entry,
            window=window_of(asked, parts.clock.now().date()),
            inputs=inputs_of(asked, entry),
            idempotency_key=idempotency_key,
            # sent again with its idempotency key the day after, a request that names no day is still the same one
            usual_window=None if asked.names_days else usual_window,
        )
    # at once, and not at its next look: who asked for a run is watching
    parts.worker.wake()
    return accepted


async def _own(request: Request, tenant: Tenant, run_id: str) -> RunRecord:
    return reports.own(await parts_of(request).glance(runs.of_org, tenant.org_slug, run_id), tenant, run_id)


def _accepted(accepted: Accepted, tenant: Tenant) -> Response:
    shown = accepted_answer(accepted.run, tenant.org_slug, reused=not accepted.fresh)
    return _answer(202, shown, tenant, shown.pipeline_logging_id)


def _answer(status: int, shown: RunAccepted | RunDetail, tenant: Tenant, run_id: str) -> Response:
    where = {"Location": links_of(tenant.org_slug, run_id).run}
    return Response(shown.model_dump_json(), status_code=status, headers=where, media_type="application/json")
