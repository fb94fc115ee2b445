"""Runs waiting for a worker or in the hands of one. Who holds an entry is its owner and its lease's generation, both."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Delete, Select, Table, Update, and_, bindparam, case, delete, exists, func, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from src.core.ledger.tables import places
from src.core.ledger.unit import Tables, Unit

QUEUE = "org_pipeline_execution_queue"

State = Literal["QUEUED", "RUNNING", "DEAD"]
WaitsFor = Literal["place", "turn"]
# each try that fails means that another worker got one; so many in a row leave the rest to its next look
CLAIM_TRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    queue_id: str
    org_slug: str
    pipeline_logging_id: str
    pipeline_id: str
    document: str
    queued_at: datetime
    available_at: datetime
    max_retries: int
    scheduled_run_id: str | None = None
    priority: int = 0
    waits_for: WaitsFor | None = None
    window_start: date | None = None
    window_end: date | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    user_id: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class QueueEntry:
    queue_id: str
    org_slug: str
    pipeline_logging_id: str
    scheduled_run_id: str | None
    pipeline_id: str
    document: str
    state: State
    priority: int
    retry_count: int
    max_retries: int
    window_start: date | None
    window_end: date | None
    parameters: dict[str, Any] | None
    user_id: str | None
    request_id: str | None
    lease_owner: str | None
    lease_generation: int
    lease_expires_at: datetime | None
    cancel_requested_at: datetime | None
    waits_for: WaitsFor | None
    last_error: str | None
    available_at: datetime
    queued_at: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """What a worker shows to prove that an entry is still its own."""

    queue_id: str
    owner: str
    generation: int


@dataclass(frozen=True, slots=True)
class Beat:
    held: bool
    cancel_requested: bool


NEW_COLUMNS = tuple(column.name for column in fields(NewEntry))
COLUMNS = tuple(column.name for column in fields(QueueEntry))
LOST = Beat(held=False, cancel_requested=False)


def add(unit: Unit, entry: NewEntry) -> bool:
    """False when this run is queued already."""
    return unit.insert_once(unit.tables[QUEUE], _values(entry))


def add_later(unit: Unit, entry: NewEntry) -> None:
    """`add`, where it is all the same whether it is queued already."""
    unit.insert_later(unit.tables[QUEUE], _values(entry))


def get(unit: Unit, run_id: str) -> QueueEntry | None:
    row = unit.point(_by_run, {"run_id": run_id})
    return QueueEntry(*row) if row else None


def waiting(unit: Unit, at: datetime) -> bool:
    """Whether a worker that looks now would find something to do."""
    return unit.point(_waiting, {"at": at}) is not None


def claim(unit: Unit, owner: str, at: datetime, until: datetime) -> QueueEntry | None:
    """The next entry, now in the owner's hands until then; None when nothing waits.

    Those that were asked to stop come first: they hold their places until they are ended. Then the organisation with the fewest running,
    and of those the one whose last turn is longest ago: a busy one takes turns with the others, whatever the priority of its runs and
    however few the places. Within it the highest priority, then who came first. The generation is the clock's, above its last one.
    """
    for _ in range(CLAIM_TRIES):
        found, values = _chosen(unit, owner, at, until)
        # where rows are not locked, another may have come between the look and this
        if found is None or unit.change(_claim, values) == 1:
            return found
    return None


def claim_surely(unit: Unit, owner: str, at: datetime, until: datetime, otherwise: Exception) -> QueueEntry | None:
    """`claim` in a unit that is undone as a whole where another came in between."""
    found, values = _chosen(unit, owner, at, until)
    if found is not None:
        unit.change_surely(_claim, values, otherwise)
    return found


def _chosen(unit: Unit, owner: str, at: datetime, until: datetime) -> tuple[QueueEntry | None, dict[str, Any]]:
    """The next entry as it is once it is claimed, and what claims it."""
    # of two entries of one pipeline two claims at once would each see none running
    row = unit.pick(_next, {"at": at}, apart=("org_slug", "pipeline_id"))
    if row is None:
        return None, {}
    found = QueueEntry(*row)
    # by the clock, so that it is above those of a ledger that was restored; and never below, for a clock may step back
    generation = max(int(at.timestamp() * 1_000_000), found.lease_generation + 1)
    claimed = replace(found, state="RUNNING", lease_owner=owner, lease_generation=generation, lease_expires_at=until)
    return claimed, {"queue_id": found.queue_id, "old": found.lease_generation, "new": generation, "by": owner, "at": at, "until": until}


def heartbeat(unit: Unit, hold: Hold, at: datetime, until: datetime) -> Beat:
    """A lease that has run out is not renewed, even if nobody has taken the entry yet."""
    row = unit.changed(_heartbeat, _standing, {**_proof(hold), "at": at, "until": until})
    return LOST if row is None else Beat(held=True, cancel_requested=row[1] is not None)


def look(unit: Unit, hold: Hold, at: datetime) -> Beat:
    """What a heartbeat would answer, writing nothing."""
    row = unit.point(_standing, _proof(hold))
    if row is None or row[0] is None or row[0] <= at:
        return LOST
    return Beat(held=True, cancel_requested=row[1] is not None)


def advance(unit: Unit, hold: Hold, generation: int, at: datetime) -> bool:
    """Raises the generation of a held entry; the old one holds it no more."""
    return unit.change(_advance, {**_proof(hold), "new": generation, "at": at}) == 1


def keep(unit: Unit, hold: Hold, at: datetime, until: datetime) -> bool:
    """Proves the hold and lengthens it, also when it had run out and nobody had come: what follows is nobody else's to do."""
    return unit.change(_keep, {**_proof(hold), "at": at, "until": until}) == 1


def complete(unit: Unit, hold: Hold) -> bool:
    """False when the entry is in other hands."""
    return unit.change(_complete, _proof(hold)) == 1


def complete_surely(unit: Unit, hold: Hold, otherwise: Exception) -> None:
    unit.change_surely(_complete, _proof(hold), otherwise)


def complete_later(unit: Unit, hold: Hold) -> None:
    """`complete`, of a hold that this unit has proved."""
    unit.change_later(_complete, _proof(hold))


def hand_back(unit: Unit, hold: Hold, at: datetime) -> bool:
    """It waits again, available now; that is no retry."""
    return unit.change(_hand_back, {**_proof(hold), "at": at}) == 1


def expired(unit: Unit, at: datetime, limit: int = 100) -> list[QueueEntry]:
    """Entries whose worker has stopped saying that it lives."""
    return [QueueEntry(*row) for row in unit.rows(unit.prepared(_expired), {"at": at, "limit": limit})]


def take_over(unit: Unit, entry: QueueEntry, at: datetime, why: str) -> bool:
    """It waits again, as one more retry. What it was asked stands."""
    return unit.change(_take_over, {**_expiry(entry), "at": at, "why": why}) == 1


def bury(unit: Unit, found: QueueEntry | Hold, at: datetime, why: str) -> bool:
    """Out of retries: kept, with its reason, and never claimed again. By its holder, or when that one's lease has run out."""
    values = {"at": at, "why": why}
    if isinstance(found, Hold):
        return unit.change(_bury, {**_proof(found), **values}) == 1
    return unit.change(_bury_expired, {**_expiry(found), **values}) == 1


def forget_cancel(unit: Unit, hold: Hold, at: datetime) -> bool:
    """It came too late."""
    return unit.change(_forget_cancel, {**_proof(hold), "at": at}) == 1


def void_leases(unit: Unit, owner_prefix: str, at: datetime) -> int:
    """Ends the leases of workers that are known to be dead."""
    return unit.change(_void_leases, {"prefix": owner_prefix, "at": at})


def _values(entry: NewEntry) -> dict[str, Any]:
    return {
        **{name: getattr(entry, name) for name in NEW_COLUMNS},
        "parameters": dict(entry.parameters),
        "state": "QUEUED",
        "retry_count": 0,
        "lease_generation": 0,
        "updated_at": entry.queued_at,
    }


def _proof(hold: Hold) -> dict[str, Any]:
    return {"queue_id": hold.queue_id, "owner": hold.owner, "generation": hold.generation}


def _expiry(entry: QueueEntry) -> dict[str, Any]:
    return {"queue_id": entry.queue_id, "generation": entry.lease_generation, "expiry": entry.lease_expires_at}


def _held(queue: Table) -> ColumnElement[bool]:
    return and_(
        queue.c.queue_id == bindparam("queue_id"),
        queue.c.state == "RUNNING",
        queue.c.lease_owner == bindparam("owner"),
        queue.c.lease_generation == bindparam("generation"),
    )


def _still_expired(queue: Table) -> ColumnElement[bool]:
    """As it was when it was found: neither renewed nor taken by somebody else."""
    return and_(
        queue.c.queue_id == bindparam("queue_id"),
        queue.c.state == "RUNNING",
        queue.c.lease_generation == bindparam("generation"),
        queue.c.lease_expires_at == bindparam("expiry"),
    )


def _entries(tables: Tables) -> Select[Any]:
    return select(*(tables[QUEUE].c[name] for name in COLUMNS))


def _by_run(tables: Tables) -> Select[Any]:
    return _entries(tables).where(tables[QUEUE].c.pipeline_logging_id == bindparam("run_id"))


def _claimable(tables: Tables) -> ColumnElement[bool]:
    queue, rival = tables[QUEUE], tables[QUEUE].alias("rival")
    at = bindparam("at", type_=queue.c.available_at.type)
    # two runs of one pipeline would publish to the same tables, and the later one would be superseded
    busy = exists().where(rival.c.org_slug == queue.c.org_slug, rival.c.pipeline_id == queue.c.pipeline_id, rival.c.state == "RUNNING")
    return and_(queue.c.state == "QUEUED", queue.c.available_at <= at, ~busy, places.room(tables, queue))


def _next(tables: Tables) -> Select[Any]:
    queue, other, quota = tables[QUEUE], tables[QUEUE].alias("other"), tables["org_usage_quotas"]
    # counted once for all: beside thousands that wait, a count for each of them took seconds
    counted = select(other.c.org_slug, func.count().label("many")).where(other.c.state == "RUNNING")
    at_work = counted.group_by(other.c.org_slug).subquery("at_work")
    many = func.coalesce(at_work.c.many, 0)
    turn = quota.c.last_turn_at.nulls_first()
    # one key of two: each that is compared is compared a hundred thousand times
    first = case((queue.c.cancel_requested_at.is_(None), many + 1), else_=0)
    order = (first, turn, queue.c.priority.desc(), queue.c.queued_at, queue.c.queue_id)
    turns = (
        _entries(tables).outerjoin(at_work, at_work.c.org_slug == queue.c.org_slug).outerjoin(quota, quota.c.org_slug == queue.c.org_slug)
    )
    return turns.where(_claimable(tables)).order_by(*order).limit(1)


def _waiting(tables: Tables) -> Select[Any]:
    queue = tables[QUEUE]
    at = bindparam("at", type_=queue.c.available_at.type)
    dead = and_(queue.c.state == "RUNNING", queue.c.lease_expires_at <= at)
    return select(queue.c.queue_id).where(or_(_claimable(tables), dead)).limit(1)


def _claim(tables: Tables) -> Update:
    queue = tables[QUEUE]
    return (
        update(queue)
        .where(queue.c.queue_id == bindparam("queue_id"), queue.c.lease_generation == bindparam("old"), _claimable(tables))
        .values(
            state="RUNNING",
            lease_owner=bindparam("by"),
            lease_generation=bindparam("new"),
            lease_expires_at=bindparam("until"),
            heartbeat_at=bindparam("at", type_=queue.c.heartbeat_at.type),
            updated_at=bindparam("at", type_=queue.c.updated_at.type),
        )
    )


def _heartbeat(tables: Tables) -> Update:
    queue = tables[QUEUE]
    at = bindparam("at", type_=queue.c.heartbeat_at.type)
    return (
        update(queue)
        .where(_held(queue), queue.c.lease_expires_at > at)
        .values(lease_expires_at=bindparam("until"), heartbeat_at=at, updated_at=at)
    )


def _keep(tables: Tables) -> Update:
    queue = tables[QUEUE]
    at = bindparam("at", type_=queue.c.updated_at.type)
    return update(queue).where(_held(queue)).values(lease_expires_at=bindparam("until"), updated_at=at)


def _standing(tables: Tables) -> Select[Any]:
    queue = tables[QUEUE]
    return select(queue.c.lease_expires_at, queue.c.cancel_requested_at).where(_held(queue))


def _advance(tables: Tables) -> Update:
    queue = tables[QUEUE]
    return (
        update(queue)
        .where(_held(queue), queue.c.lease_generation < bindparam("new", type_=queue.c.lease_generation.type))
        .values(lease_generation=bindparam("new", type_=queue.c.lease_generation.type), updated_at=bindparam("at"))
    )


def _complete(tables: Tables) -> Delete:
    return delete(tables[QUEUE]).where(_held(tables[QUEUE]))


def _hand_back(tables: Tables) -> Update:
    queue = tables[QUEUE]
    at = bindparam("at", type_=queue.c.updated_at.type)
    free = {"state": "QUEUED", "lease_owner": None, "lease_expires_at": None}
    return update(queue).where(_held(queue)).values(**free, available_at=at, updated_at=at)


def _expired(tables: Tables) -> Select[Any]:
    queue = tables[QUEUE].c
    return (
        _entries(tables)
        .where(queue.state == "RUNNING", queue.lease_expires_at <= bindparam("at"))
        .order_by(queue.lease_expires_at, queue.queue_id)
        .limit(bindparam("limit"))
    )


def _take_over(tables: Tables) -> Update:
    queue = tables[QUEUE]
    at = bindparam("at", type_=queue.c.updated_at.type)
    free: dict[str, Any] = {"state": "QUEUED", "lease_owner": None, "lease_expires_at": None, "last_error": bindparam("why")}
    return update(queue).where(_still_expired(queue)).values(**free, retry_count=queue.c.retry_count + 1, available_at=at, updated_at=at)


def _bury(tables: Tables) -> Update:
    return _buried(tables[QUEUE]).where(_held(tables[QUEUE]))


def _bury_expired(tables: Tables) -> Update:
    return _buried(tables[QUEUE]).where(_still_expired(tables[QUEUE]))


def _buried(queue: Table) -> Update:
    free: dict[str, Any] = {"state": "DEAD", "lease_owner": None, "lease_expires_at": None, "last_error": bindparam("why")}
    return update(queue).values(**free, updated_at=bindparam("at"))


def _forget_cancel(tables: Tables) -> Update:
    queue = tables[QUEUE]
    return update(queue).where(_held(queue)).values(cancel_requested_at=None, updated_at=bindparam("at"))


def _void_leases(tables: Tables) -> Update:
    queue = tables[QUEUE]
    at = bindparam("at", type_=queue.c.updated_at.type)
    theirs = queue.c.lease_owner.startswith(bindparam("prefix", type_=queue.c.lease_owner.type), autoescape=False)
    return update(queue).where(queue.c.state == "RUNNING", theirs, queue.c.lease_expires_at > at).values(lease_expires_at=at, updated_at=at)
