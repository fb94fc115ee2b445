"""A schedule's run that failed by a fault that may pass comes back by itself, after a wait that grows."""

import hashlib
from datetime import timedelta
from typing import Final

import structlog

from src.core.ledger.store import Unit
from src.core.ledger.tables import audit, quotas, retrying
from src.core.ledger.tables.queue import Hold
from src.core.scheduler.settling import Ending

log = structlog.get_logger("worker")

FIRST: Final = timedelta(minutes=1)
GROWS: Final = 4
LONGEST: Final = timedelta(hours=1)
SPREAD: Final = 0.25  # of the wait: what fails together, at a provider that is away, does not come back together


def try_again(unit: Unit, hold: Hold, ending: Ending) -> bool:
    """By who holds the run and has proved it in this unit. False when it is to end as it says."""
    passing = ending.passing
    if passing is None or passing.slot_id is None or ending.status != "FAILED":
        return False
    seen = retrying.tries(unit, passing.slot_id, ending.run_id)
    if seen is None or seen.retry_count >= seen.max_retries:
        return False
    until = ending.at + wait_before(ending.run_id, seen.retry_count, passing.retry_after)
    number = seen.retry_count + 1
    why = f"{ending.error_message}; tried again after {until.isoformat(timespec='seconds')}, {number} of {seen.max_retries} times"
    # the count first: where nothing is undone, a break after it costs a try, and none is made that was not counted
    if not retrying.count(unit, passing.slot_id, seen, why):
        return False
    retrying.wait(unit, hold, at=ending.at, until=until, why=why)
    # who waits keeps no other run of its organisation waiting; said before it is freed, so that it is freed once
    if retrying.put_back(unit, ending.run_id, passing.attempt, code=ending.error_code, why=why):
        quotas.release(unit, ending.org_slug, ending.at, had_turn=True)
    log.warning("run.tried_again", run_id=ending.run_id, org=ending.org_slug, code=ending.error_code, tries=number)
    audit.record(
        unit,
        audit_id=ending.audit_id,
        at=ending.at,
        actor=ending.actor,
        action="runs.retry",
        org_slug=ending.org_slug,
        resource=ending.run_id,
        outcome="FAILED",
        details={"error_code": ending.error_code, "retry_count": number, "available_at": until, **ending.facts},
    )
    return True


def wait_before(run_id: str, tried: int, retry_after: float | None) -> timedelta:
    """Never less than the other side asked for."""
    # bounded before it is multiplied: the times of an old slot may be many
    base = min(FIRST * int(GROWS ** min(tried, 10)), LONGEST)
    share = int.from_bytes(hashlib.sha256(f"{run_id}/{tried}".encode()).digest()[:4]) / 2**32
    return max(base * (1 + SPREAD * share), timedelta(seconds=retry_after or 0))
