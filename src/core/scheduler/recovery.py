"""What becomes of runs whose worker has died."""

from collections.abc import Collection
from datetime import timedelta

import structlog

from src.core.base.faults import LeaseLost
from src.core.base.identity import Actor
from src.core.base.names import OrgSlug
from src.core.ledger.store import Unit
from src.core.ledger.tables import queue, quotas, retrying, run_pages, runs, scheduled
from src.core.ledger.tables.queue import QueueEntry
from src.core.ledger.tables.runs import RunRecord
from src.core.scheduler.claims import outlived
from src.core.scheduler.settling import Ending, settle
from src.core.step.context import Services

log = structlog.get_logger("worker")

STRANDED = timedelta(minutes=15)  # longer than any acceptance or settling takes


def recover(services: Services, but: Collection[str] = ()) -> int:
    """Expired leases go back into the queue: whoever claims them carries the run out, or ends it when it was cancelled or taken over often
    enough, for that one can keep the dead worker's publication from coming after it and see what was published before.

    Runs among `but` are left as they are.
    """
    expired = services.ledger.read(queue.expired, services.clock.now())
    # a unit for each: what was done for one stands if the next one fails
    return sum(services.ledger.write(_recover, services, entry) for entry in expired if entry.pipeline_logging_id not in but)


def sweep(services: Services) -> int:
    """Ends runs that are in no queue any more, and frees slots that no run holds: what is left of processes that died between two
    statements, where the ledger cannot undo the first. How many runs."""
    now = services.clock.now()
    left = services.ledger.read(run_pages.stranded, now - STRANDED)
    ended = sum(services.ledger.write(_end_stranded, services, run) for run in left)
    # after the runs: to end one frees its slot, and only slots that no run has are left here
    services.ledger.write(retrying.keep_places, before=now - STRANDED, at=now)
    services.ledger.write(quotas.free_lost, before=now - STRANDED, at=now)
    return ended


def _end_stranded(unit: Unit, services: Services, run: RunRecord) -> bool:
    # to end it would free a slot, and add to the audit trail, of whoever has the slug now
    if not outlived(unit, run):
        return settle(unit, _stranded(services, run))
    runs.forget(unit, run.pipeline_logging_id)
    return True


def _stranded(services: Services, run: RunRecord) -> Ending:
    why = "its acceptance was broken off before it came into the queue, or while it was to come back there; ask for it again"
    log.warning("run.stranded", run_id=run.pipeline_logging_id, org=run.org_slug)
    slug = OrgSlug(run.org_slug or "")
    return Ending(
        run_id=run.pipeline_logging_id,
        audit_id=services.ids.new(),
        org_slug=slug,
        pipeline_id=run.pipeline_id,
        actor=Actor("system", slug, run.user_id, request_id=run.request_id),
        status="FAILED",
        at=services.clock.now(),
        error_code=LeaseLost.code,
        error_message=why,
    )


def _recover(unit: Unit, services: Services, entry: QueueEntry) -> bool:
    at = services.clock.now()
    tries = entry.retry_count + 1
    why = f"the worker {entry.lease_owner} stopped without a word (lease ended {entry.lease_expires_at})"
    # one above the limit is still claimed, by who only ends the run
    if tries > entry.max_retries + 1:
        # the one that only was to end it died as well: opening its dataset may be what kills
        why = f"{why}; it was taken over {entry.retry_count} times already"
        log.error("run.buried", run_id=entry.pipeline_logging_id, org=entry.org_slug, why=why)
        # only who buries it may settle it: since it was read its worker may have settled it, or another taken it over
        return queue.bury(unit, entry, at, why) and settle(unit, _ending(services, entry, why))
    # read first: as soon as the entry waits again, another worker may begin the next attempt, which is not to be put back
    run = runs.get(unit, entry.pipeline_logging_id)
    # somebody else has seen it too, or its worker was only late and has beaten again
    if not queue.take_over(unit, entry, at, why):
        return False
    log.warning("run.taken_over", run_id=entry.pipeline_logging_id, org=entry.org_slug, tries=tries, why=why)
    if run is not None:
        runs.put_back(unit, run.pipeline_logging_id, run.attempt)
    scheduled.wait(unit, entry.pipeline_logging_id, retries=tries, why=why)
    quotas.end_turn(unit, entry.org_slug, at)
    return True


def _ending(services: Services, entry: QueueEntry, why: str) -> Ending:
    return Ending(
        run_id=entry.pipeline_logging_id,
        audit_id=services.ids.new(),
        org_slug=entry.org_slug,
        pipeline_id=entry.pipeline_id,
        actor=Actor("system", OrgSlug(entry.org_slug), entry.user_id, request_id=entry.request_id),
        status="FAILED",
        at=services.clock.now(),
        error_code=LeaseLost.code,
        error_message=why,
        had_turn=True,
    )
