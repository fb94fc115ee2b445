"""A schedule's due times, each a row of `org_scheduled_pipeline_runs` from the moment it is due. What became of one is in `scheduled`."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Select, Update, bindparam, func, or_, select, update

from src.core.ledger.tables.runs import RunStatus, TriggerType
from src.core.ledger.unit import Tables, Unit

SLOTS = "org_scheduled_pipeline_runs"
Gone = Literal["MISSED", "CANCELLED"]
STATES: Mapping[RunStatus, str] = {
    "QUEUED": "QUEUED", "RUNNING": "RUNNING", "SUCCESS": "COMPLETED", "FAILED": "FAILED", "CANCELLED": "CANCELLED",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    scheduled_run_id: str
    org_slug: str
    config_id: str
    pipeline_id: str
    document: str
    scheduled_time: datetime
    created_at: datetime
    available_at: datetime | None
    max_retries: int
    priority: int = 0
    window_start: date | None = None
    window_end: date | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    error_message: str | None = None
    trigger_type: TriggerType = "schedule"


COLUMNS = tuple(column.name for column in fields(Slot))


def slot_id(config_id: str, due: datetime) -> str:
    """The same wherever it is made, and sorting by the due time, as other ids do."""
    digest = hashlib.sha256(f"{config_id}|{due.isoformat()}".encode()).hexdigest()
    return f"{int(due.timestamp() * 1000):012x}{digest[:20]}"


def note(unit: Unit, slot: Slot) -> bool:
    """It waits from now on; False when it is there already."""
    values = {name: getattr(slot, name) for name in COLUMNS}
    values |= {"parameters": dict(slot.parameters), "state": "WAITING", "retry_count": 0}
    return unit.insert_once(unit.tables[SLOTS], values)


def take(unit: Unit, slot: Slot, until: datetime) -> bool:
    """Nobody else tries it before then; False when somebody else was quicker."""
    return unit.change(_take, {"id": slot.scheduled_run_id, "seen": slot.available_at, "until": until}) == 1


def put_off(unit: Unit, slot_id: str, until: datetime, why: str) -> None:
    unit.change(_put_off, {"id": slot_id, "until": until, "why": why})


def tie(unit: Unit, slot_id: str, run_id: str, status: RunStatus, at: datetime) -> None:
    """From now on it goes as this run does."""
    unit.change(_tie, {"id": slot_id, "run_id": run_id, "word": STATES[status], "at": at})


def give_up(unit: Unit, config_id: str, *, before: datetime, state: Gone, at: datetime, why: str) -> int:
    """Those of a schedule that wait and were due before then."""
    return unit.change(_give_up, {"config": config_id, "before": before, "word": state, "at": at, "why": why})


def counted_since(unit: Unit, slot_id: str, since: datetime) -> bool:
    """Whether another slot of the same schedule or backfill has taken a run of the plan since then."""
    return unit.first(unit.prepared(_counted), {"id": slot_id, "since": since}) is not None


def count(unit: Unit, slot_id: str, *, counted: bool) -> None:
    """Whether it takes a run of the plan."""
    unit.change(_count, {"id": slot_id, "counts": counted})


def hurry(unit: Unit, org_slug: str, at: datetime) -> int:
    """What kept an organisation's slots may be gone: they are tried at once."""
    return unit.change(_hurry, {"slug": org_slug, "at": at})


def waiting(unit: Unit, at: datetime, limit: int) -> list[Slot]:
    """Those to be tried now, one of each organisation before the second of any."""
    return [_slot(row) for row in unit.rows(unit.prepared(_to_try), {"at": at, "limit": limit})]


def all_waiting(unit: Unit, limit: int) -> list[Slot]:
    return [_slot(row) for row in unit.rows(unit.prepared(_waiting), {"limit": limit})]


def waiting_of(unit: Unit, org_slug: str) -> list[Slot]:
    return [_slot(row) for row in unit.rows(unit.prepared(_waiting_of), {"slug": org_slug})]


def number_waiting(unit: Unit) -> int:
    row = unit.first(unit.prepared(_number))
    return int(row[0]) if row else 0


def next_try(unit: Unit) -> datetime | None:
    row = unit.first(unit.prepared(_next_try))
    found: datetime | None = row[0] if row else None
    return found


def settle_ended(unit: Unit, limit: int = 100) -> int:
    """Those whose run ended while they were tied to it, of which its end did not know."""
    found = unit.rows(unit.prepared(_ended), {"limit": limit})
    return sum(unit.change(_settle, {"id": slot, "word": STATES[status], "at": ended, "why": why}) for slot, status, ended, why in found)


def _slot(row: Any) -> Slot:
    told = dict(zip(COLUMNS, row, strict=True))
    return Slot(**{**told, "parameters": told["parameters"] or {}})


def _take(tables: Tables) -> Update:
    slots = tables[SLOTS]
    stamp = slots.c.available_at.type
    return (
        update(slots)
        .where(
            slots.c.scheduled_run_id == bindparam("id"),
            slots.c.state == "WAITING",
            slots.c.available_at == bindparam("seen", type_=stamp),
        )
        .values(available_at=bindparam("until", type_=stamp))
    )


def _put_off(tables: Tables) -> Update:
    slots = tables[SLOTS]
    return (
        update(slots)
        .where(slots.c.scheduled_run_id == bindparam("id"), slots.c.state == "WAITING")
        .values(available_at=bindparam("until", type_=slots.c.available_at.type), error_message=bindparam("why"))
    )


def _tie(tables: Tables) -> Update:
    slots = tables[SLOTS]
    return (
        update(slots)
        .where(slots.c.scheduled_run_id == bindparam("id"), slots.c.state == "WAITING")
        .values(
            state=bindparam("word"),
            pipeline_logging_id=bindparam("run_id", type_=slots.c.pipeline_logging_id.type),
            queued_at=bindparam("at", type_=slots.c.queued_at.type),
            error_message=None,
        )
    )


def _give_up(tables: Tables) -> Update:
    slots = tables[SLOTS]
    stamp = slots.c.scheduled_time.type
    return (
        update(slots)
        .where(
            slots.c.config_id == bindparam("config"),
            slots.c.state == "WAITING",
            slots.c.scheduled_time < bindparam("before", type_=stamp),
        )
        .values(state=bindparam("word"), completed_at=bindparam("at", type_=stamp), error_message=bindparam("why"))
    )


def _counted(tables: Tables) -> Select[Any]:
    slot, own = tables[SLOTS].c, tables[SLOTS].alias("own").c
    same = select(own.config_id).where(own.scheduled_run_id == bindparam("id")).scalar_subquery()
    since = bindparam("since", type_=slot.queued_at.type)
    mine = (slot.config_id == same, slot.scheduled_run_id != bindparam("id"), slot.queued_at >= since)
    return select(slot.scheduled_run_id).where(*mine, slot.pipeline_logging_id.is_not(None), slot.counted.is_not(False)).limit(1)


def _count(tables: Tables) -> Update:
    slots = tables[SLOTS]
    return update(slots).where(slots.c.scheduled_run_id == bindparam("id")).values(counted=bindparam("counts", type_=slots.c.counted.type))


def _hurry(tables: Tables) -> Update:
    slots = tables[SLOTS]
    at = bindparam("at", type_=slots.c.available_at.type)
    mine = (slots.c.org_slug == bindparam("slug"), slots.c.state == "WAITING", slots.c.available_at > at)
    return update(slots).where(*mine).values(available_at=at)


def _to_try(tables: Tables) -> Select[Any]:
    slot = tables[SLOTS].c
    at = bindparam("at", type_=slot.available_at.type)
    order = (slot.priority.desc(), slot.scheduled_time, slot.scheduled_run_id)
    turn = func.row_number().over(partition_by=slot.org_slug, order_by=order).label("turn")
    found = select(*(slot[name] for name in COLUMNS), turn).where(slot.state == "WAITING", slot.available_at <= at).subquery("found")
    return (
        select(*(found.c[name] for name in COLUMNS))
        .order_by(found.c.turn, found.c.scheduled_time, found.c.scheduled_run_id)
        .limit(bindparam("limit"))
    )


def _waiting(tables: Tables) -> Select[Any]:
    slot = tables[SLOTS].c
    return (
        select(*(slot[name] for name in COLUMNS))
        .where(slot.state == "WAITING")
        .order_by(slot.scheduled_time, slot.scheduled_run_id)
        .limit(bindparam("limit"))
    )


def _waiting_of(tables: Tables) -> Select[Any]:
    slot = tables[SLOTS].c
    return (
        select(*(slot[name] for name in COLUMNS))
        .where(slot.org_slug == bindparam("slug"), slot.state == "WAITING")
        .order_by(slot.priority.desc(), slot.scheduled_time, slot.scheduled_run_id)
    )


def _number(tables: Tables) -> Select[Any]:
    return select(func.count()).select_from(tables[SLOTS]).where(tables[SLOTS].c.state == "WAITING")


def _next_try(tables: Tables) -> Select[Any]:
    slot = tables[SLOTS].c
    return select(func.min(slot.available_at, type_=slot.available_at.type)).where(slot.state == "WAITING")


def _ended(tables: Tables) -> Select[Any]:
    slot, run = tables[SLOTS].c, tables["org_meta_pipeline_runs"].c
    return (
        select(slot.scheduled_run_id, run.status, run.ended_at, run.error_message)
        .select_from(tables[SLOTS].join(tables["org_meta_pipeline_runs"], run.pipeline_logging_id == slot.pipeline_logging_id))
        .where(or_(slot.state == "QUEUED", slot.state == "RUNNING"), slot.config_id.is_not(None), run.ended_at.is_not(None))
        .limit(bindparam("limit"))
    )


def _settle(tables: Tables) -> Update:
    slots = tables[SLOTS]
    return (
        update(slots)
        .where(slots.c.scheduled_run_id == bindparam("id"), or_(slots.c.state == "QUEUED", slots.c.state == "RUNNING"))
        .values(state=bindparam("word"), completed_at=bindparam("at", type_=slots.c.completed_at.type), error_message=bindparam("why"))
    )
