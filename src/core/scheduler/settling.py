"""The end of a run in the ledger: the run, its slot, its trigger, the audit trail, all in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from src.core.base.events import Event, stable_id
from src.core.base.identity import Actor
from src.core.ledger.store import Unit
from src.core.ledger.tables import audit, events, quotas, runs, scheduled
from src.core.ledger.tables.runs import LastStatus
from src.core.ledger.tables.scheduled import LastState

STATES: Mapping[LastStatus, LastState] = {"SUCCESS": "COMPLETED", "FAILED": "FAILED", "CANCELLED": "CANCELLED"}


@dataclass(frozen=True, slots=True)
class Passing:
    """Of a run that failed by a fault that may be gone the next time."""

    slot_id: str | None
    attempt: int
    retry_after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    run_id: str
    audit_id: str
    org_slug: str
    pipeline_id: str
    actor: Actor
    status: LastStatus
    at: datetime
    error_code: str | None = None
    error_message: str | None = None
    result: Mapping[str, Any] | None = None
    rows_processed: int | None = None
    began_at: datetime | None = None
    duration_ms: int | None = None
    progress: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    buried: bool = False
    """Its entry stays in the queue, dead, until it ages out."""
    passing: Passing | None = None
    had_turn: bool = False
    """A worker had it: the other organisations are next."""


def settle(unit: Unit, ending: Ending, otherwise: Exception | None = None) -> bool:
    """False when somebody else has ended the run; then nothing is changed and the slot is theirs to free.

    With `otherwise` the unit is undone then, and all of it may go to the ledger in one round trip: what is added here is written by
    `insert_later` and `change_later`, and reads nothing.
    """
    ended = runs.finish(
        unit,
        ending.run_id,
        status=ending.status,
        at=ending.at,
        error_code=ending.error_code,
        error_message=ending.error_message,
        result=ending.result,
        rows_processed=ending.rows_processed,
        began_at=ending.began_at,
        duration_ms=ending.duration_ms,
        progress=ending.progress,
        otherwise=otherwise,
    )
    # whoever ends the run frees its slot: a second time would free another run's
    if ended:
        # by who ended it alone: two that settle one run must not free two slots
        quotas.release_of(unit, ending.org_slug, ending.run_id, ending.at, had_turn=ending.had_turn)
    elif not _told_before(unit, ending):
        return False
    scheduled.settle(unit, ending.run_id, STATES[ending.status], ending.at, ending.error_message)
    audit.record(
        unit,
        audit_id=ending.audit_id,
        at=ending.at,
        actor=ending.actor,
        action="runs.finished",
        org_slug=ending.org_slug,
        resource=ending.run_id,
        outcome="FAILED" if ending.status == "FAILED" else "SUCCESS",
        details={"status": ending.status, "error_code": ending.error_code, **ending.facts},
    )
    if ending.status != "CANCELLED":
        # by a row that rides along with the rest: what can be told of the run beside this is found when it is fanned out
        events.record(unit, event_of(ending))
    return True


def tell_again(unit: Unit, run_id: str) -> None:
    """The event of a run that is over: where nothing is undone, who ended it may have died before it was told. Its id is the same."""
    run = runs.get(unit, run_id)
    if run is None or run.org_slug is None or run.ended_at is None or run.status not in ("SUCCESS", "FAILED"):
        return
    ending = Ending(
        run_id=run_id,
        audit_id="",
        org_slug=run.org_slug,
        pipeline_id=run.pipeline_id,
        actor=Actor("system"),
        status="SUCCESS" if run.status == "SUCCESS" else "FAILED",
        at=run.ended_at,
        error_code=run.error_code,
        error_message=run.error_message,
        rows_processed=run.rows_processed,
    )
    events.record(unit, event_of(ending))


def event_of(ending: Ending) -> Event:
    ended_at = ending.at.isoformat()
    return Event(
        # a run that is put back into the queue ends again, at another moment
        event_id=stable_id("run", ending.run_id, ending.status, ended_at),
        type="run.succeeded" if ending.status == "SUCCESS" else "run.failed",
        org_slug=ending.org_slug,
        occurred_at=ending.at,
        data={
            "pipeline_logging_id": ending.run_id,
            "pipeline_id": ending.pipeline_id,
            "ended_at": ended_at,
            "rows_processed": ending.rows_processed,
            "error_code": ending.error_code,
            "error_message": ending.error_message,
        },
    )


def _told_before(unit: Unit, ending: Ending) -> bool:
    """Whether this very ending was broken off after the run had it. Whether its slot was freed is not known; a sweep looks."""
    run = runs.get(unit, ending.run_id)
    return run is not None and (run.status, run.ended_at) == (ending.status, ending.at)
