"""A run whose workers died, and whose entry lies dead in the queue, is put back by the platform's admin."""

from zoneinfo import ZoneInfo

from src.core.base.faults import Conflict, Missing
from src.core.base.identity import Actor
from src.core.base.window import Window
from src.core.ledger.store import Unit
from src.core.ledger.tables import orgs, quotas, retrying, runs
from src.core.ledger.tables.queue import QueueEntry
from src.core.ledger.tables.runs import RunRecord
from src.core.scheduler.claims import outlived
from src.core.scheduler.inputs import active_key
from src.core.scheduler.refusals import refusal
from src.core.step import audit_trail
from src.core.step.context import Services


def requeue(services: Services, actor: Actor, queue_or_run_id: str) -> RunRecord:
    """It was counted when it was admitted, and takes a running slot of its organisation's alone."""
    return services.ledger.write(_requeue, services, actor, queue_or_run_id)


def _requeue(unit: Unit, services: Services, actor: Actor, queue_or_run_id: str) -> RunRecord:
    entry = _dead(unit, queue_or_run_id)
    orgs.alone(unit, entry.org_slug)
    run = _run_of(unit, entry)
    window = Window(entry.window_start, entry.window_end) if entry.window_start and entry.window_end else None
    key = active_key(entry.org_slug, entry.document, window, entry.parameters or {})
    same = runs.working(unit, key)
    if same is not None:
        raise Conflict(
            f"the same work is under way as run {same.pipeline_logging_id}; let that one end", pipeline_logging_id=same.pipeline_logging_id
        )
    _take_place(unit, services, entry.org_slug)
    now = services.clock.now()
    if not retrying.reopen(unit, entry.pipeline_logging_id, key):
        # by hand, for not every ledger rolls back what the fault breaks off
        quotas.release(unit, entry.org_slug, now)
        raise Conflict(f"the run {entry.pipeline_logging_id} was put back by somebody else, or ended otherwise", status=run.status)
    audit_trail.note(unit, services, actor, "runs.requeue", f"runs/{entry.pipeline_logging_id}", org_slug=entry.org_slug)
    # last, for a worker may claim it as soon as it waits
    retrying.revive(unit, entry, now)
    return _run_of(unit, entry)


def _dead(unit: Unit, queue_or_run_id: str) -> QueueEntry:
    entry = retrying.dead(unit, queue_or_run_id)
    if entry is None:
        raise Missing(
            f"the queue has no entry {queue_or_run_id[:80]!r}: a run that is over, and did not lose its workers, has left it; "
            "ask for the pipeline and its days again"
        )
    if entry.state != "DEAD":
        raise Conflict(f"the entry is {entry.state}, and only a dead one is put back", state=entry.state)
    return entry


def _run_of(unit: Unit, entry: QueueEntry) -> RunRecord:
    run = runs.get(unit, entry.pipeline_logging_id)
    if run is None or outlived(unit, run):
        raise Missing(f"the run {entry.pipeline_logging_id} is gone, with the organisation it was for or by its age")
    return run


def _take_place(unit: Unit, services: Services, slug: str) -> None:
    now = services.clock.now()
    org = orgs.get(unit, slug)
    if org is None:
        raise Missing(f"there is no organisation {slug!r}")
    refused = quotas.take_place(unit, slug, day=now.astimezone(ZoneInfo(org.timezone)).date(), at=now)
    if refused is not None:
        raise refusal(org, refused.used, refused.reason, services.ledger.plans, now)
