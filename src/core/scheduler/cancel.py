from datetime import datetime

from src.core.base.faults import Conflict, Missing
from src.core.base.identity import Actor, Tenant
from src.core.ledger.store import Unit
from src.core.ledger.tables import queue, runs
from src.core.ledger.tables.runs import RunRecord
from src.core.scheduler.settling import Ending, settle
from src.core.step import audit_trail
from src.core.step.context import Services

OVER = ("SUCCESS", "FAILED", "CANCELLED")


def cancel(services: Services, *, tenant: Tenant, actor: Actor, run_id: str) -> RunRecord:
    """A waiting run is over at once; a running one is asked to stop, and its worker, told by `Worker.wake`, settles it."""
    return services.ledger.write(cancel_within, services, tenant, actor, run_id)


def cancel_within(unit: Unit, services: Services, tenant: Tenant, actor: Actor, run_id: str) -> RunRecord:
    """`cancel`, in a unit of the caller's."""
    now = services.clock.now()
    run = _own(unit, tenant, run_id)
    if run.status in OVER:
        raise Conflict(f"the run {run_id} is over already: {run.status}", status=run.status)
    # the queue decides: a worker may have claimed the entry since its run was read
    asked = queue.request_cancel(unit, run_id, now)
    if asked is None and run.status == "RUNNING":
        raise Conflict(f"the run {run_id} is not in the queue: it is carried out by the request that asked for it", status=run.status)
    # also where there is no entry: an acceptance or a cancel that was broken off leaves a waiting run in no queue
    if asked != "running":
        settle(unit, _ending(services, tenant, actor, run, now))
    audit_trail.note(unit, services, actor, "runs.cancel", f"runs/{run_id}", org_slug=tenant.org_slug)
    return _own(unit, tenant, run_id)


def _ending(services: Services, tenant: Tenant, actor: Actor, run: RunRecord, at: datetime) -> Ending:
    return Ending(
        run_id=run.pipeline_logging_id,
        audit_id=services.ids.new(),
        org_slug=tenant.org_slug,
        pipeline_id=run.pipeline_id,
        actor=actor,
        status="CANCELLED",
        at=at,
        error_message="cancelled before it began",
    )


def _own(unit: Unit, tenant: Tenant, run_id: str) -> RunRecord:
    run = runs.of_org(unit, tenant.org_slug, run_id)
    if run is None:
        raise Missing(f"{tenant.org_slug} has no run {run_id[:80]!r}")
    return run
