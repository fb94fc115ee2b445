"""A run that comes back into the queue: by itself after a fault that may pass, or because somebody asked for a dead one."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, Table, Update, bindparam, exists, or_, select, update

from src.core.ledger.tables import queue
from src.core.ledger.tables.queue import QUEUE, Hold, QueueEntry
from src.core.ledger.unit import Tables, Unit

RUNS, TRIGGERS = "org_meta_pipeline_runs", "org_scheduled_pipeline_runs"


class Tries(NamedTuple):
    """How often a slot of a schedule was tried again, and how often it may be."""

    retry_count: int
    max_retries: int


def tries(unit: Unit, slot_id: str, run_id: str) -> Tries | None:
    """None where the run is no schedule's."""
    row = unit.first(unit.prepared(_tries), {"slot": slot_id, "run_id": run_id})
    return Tries(*row) if row else None


def count(unit: Unit, slot_id: str, seen: Tries, why: str) -> bool:
    """One try more, told in its row; False when somebody else has counted it."""
    return unit.change(_count, {"slot": slot_id, "seen": seen.retry_count, "next": seen.retry_count + 1, "why": why}) == 1


def wait(unit: Unit, hold: Hold, *, at: datetime, until: datetime, why: str) -> bool:
    """The holder lets go of the entry, which waits until then, and for a place."""
    proof = {"id": hold.queue_id, "by": hold.owner, "generation": hold.generation}
    return unit.change(_wait, {**proof, "at": at, "until": until, "why": why}) == 1


def placed(unit: Unit, hold: Hold) -> None:
    """The entry that is held has its place."""
    unit.change_later(_placed, {"id": hold.queue_id, "by": hold.owner, "generation": hold.generation})


def keep_places(unit: Unit, *, before: datetime, at: datetime) -> int:
    """Entries that wait for a place that their own run has, since before then: left by who died between two statements that the engine
    does not undo. Where the plan has one place, such a run would wait for itself."""
    return unit.change(_keep_places, {"before": before, "at": at})


def put_back(unit: Unit, run_id: str, attempt: int, *, code: str | None, why: str) -> bool:
    """The run waits, says why, and has no place. False when another attempt has begun: then it has one."""
    return unit.change(_put_back, {"run_id": run_id, "tried": attempt, "code": code, "why": why}) == 1


def dead(unit: Unit, queue_or_run_id: str) -> QueueEntry | None:
    """Also one that is not dead: its state says so."""
    row = unit.first(unit.prepared(_entry), {"id": queue_or_run_id})
    return QueueEntry(*row) if row else None


def reopen(unit: Unit, run_id: str, active_key: str) -> bool:
    """A run that failed is not over any more. False when it is, or ended otherwise."""
    return unit.change(_reopen, {"run_id": run_id, "key": active_key}) == 1


def revive(unit: Unit, entry: QueueEntry, at: datetime) -> bool:
    """Its trigger and then its entry wait again, with no takeover counted. False when somebody else has put it back."""
    unit.change(_reopen_trigger, {"run_id": entry.pipeline_logging_id})
    return unit.change(_revive, {"id": entry.queue_id, "at": at}) == 1


def _tries(tables: Tables) -> Select[Any]:
    slot = tables[TRIGGERS].c
    own = (slot.scheduled_run_id == bindparam("slot"), slot.pipeline_logging_id == bindparam("run_id"), slot.config_id.is_not(None))
    return select(slot.retry_count, slot.max_retries).where(*own)


def _count(tables: Tables) -> Update:
    slots = tables[TRIGGERS]
    return (
        update(slots)
        .where(slots.c.scheduled_run_id == bindparam("slot"), slots.c.retry_count == bindparam("seen"))
        .values(state="QUEUED", retry_count=bindparam("next", type_=slots.c.retry_count.type), error_message=bindparam("why"))
    )


def _wait(tables: Tables) -> Update:
    entries = tables[QUEUE]
    at, until = (bindparam(name, type_=entries.c.available_at.type) for name in ("at", "until"))
    return update(entries).where(*_held(entries)).values(**_FREE, **_WAITS, available_at=until, updated_at=at)


def _placed(tables: Tables) -> Update:
    return update(tables[QUEUE]).where(*_held(tables[QUEUE])).values(waits_for=None)


def _keep_places(tables: Tables) -> Update:
    entries, run = tables[QUEUE], tables[RUNS].c
    stamp = entries.c.updated_at
    own = (run.pipeline_logging_id == entries.c.pipeline_logging_id, run.active_key.is_not(None), run.holds_place.is_not(False))
    waits = (entries.c.state == "QUEUED", entries.c.waits_for == "place", stamp < bindparam("before", type_=stamp.type))
    return update(entries).where(*waits, exists().where(*own)).values(waits_for=None, updated_at=bindparam("at", type_=stamp.type))


def _held(entries: Table) -> tuple[ColumnElement[bool], ...]:
    return (
        entries.c.queue_id == bindparam("id"),
        entries.c.state == "RUNNING",
        entries.c.lease_owner == bindparam("by"),
        entries.c.lease_generation == bindparam("generation"),
    )


def _put_back(tables: Tables) -> Update:
    runs = tables[RUNS]
    tried = bindparam("tried", type_=runs.c.attempt.type)
    return (
        update(runs)
        .where(runs.c.pipeline_logging_id == bindparam("run_id"), runs.c.status == "RUNNING", runs.c.attempt == tried)
        .values(status="QUEUED", holds_place=False, error_code=bindparam("code"), error_message=bindparam("why"))
    )


def _entry(tables: Tables) -> Select[Any]:
    entry = tables[QUEUE].c
    same = or_(entry.queue_id == bindparam("id"), entry.pipeline_logging_id == bindparam("id"))
    return select(*(entry[name] for name in queue.COLUMNS)).where(same).limit(1)


def _reopen(tables: Tables) -> Update:
    runs = tables[RUNS]
    return (
        update(runs)
        .where(runs.c.pipeline_logging_id == bindparam("run_id"), runs.c.status == "FAILED")
        .values(status="QUEUED", holds_place=True, active_key=bindparam("key"), ended_at=None, duration_ms=None, result=None)
    )


def _reopen_trigger(tables: Tables) -> Update:
    triggers = tables[TRIGGERS]
    mine = (triggers.c.pipeline_logging_id == bindparam("run_id"), triggers.c.state == "FAILED")
    return update(triggers).where(*mine).values(state="QUEUED", completed_at=None)


def _revive(tables: Tables) -> Update:
    entries: Table = tables[QUEUE]
    at = bindparam("at", type_=entries.c.updated_at.type)
    again = {"state": "QUEUED", "retry_count": 0, "cancel_requested_at": None, "waits_for": None}
    return (
        update(entries)
        .where(entries.c.queue_id == bindparam("id"), entries.c.state == "DEAD")
        .values(**_FREE, **again, available_at=at, updated_at=at)
    )


_FREE: dict[str, Any] = {"lease_owner": None, "lease_expires_at": None}
_WAITS: dict[str, Any] = {"state": "QUEUED", "waits_for": "place", "last_error": bindparam("why")}
