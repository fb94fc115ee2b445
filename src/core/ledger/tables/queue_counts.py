from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, case, func, select
from sqlalchemy.types import TypeEngine

from src.core.ledger.tables.queue import QUEUE
from src.core.ledger.unit import Tables, Unit


@dataclass(frozen=True, slots=True)
class QueueCounts:
    queued: int
    running: int
    dead: int
    oldest_queued_at: datetime | None
    """Since when it could have been taken: one that waits for its next try is not late."""


def count(unit: Unit) -> QueueCounts:
    """The whole queue, of all organisations."""
    rows = unit.rows(unit.prepared(_by_state))
    numbers = {state: (int(many), oldest) for state, many, oldest in rows}
    queued, oldest = numbers.get("QUEUED", (0, None))
    return QueueCounts(queued, numbers.get("RUNNING", (0, None))[0], numbers.get("DEAD", (0, None))[0], oldest)


@dataclass(frozen=True, slots=True)
class DeadEntry:
    queue_id: str
    pipeline_logging_id: str
    org_slug: str
    pipeline_id: str
    reason: str | None
    since: datetime


def dead(unit: Unit, limit: int) -> list[DeadEntry]:
    """Those that somebody may put back, the last to die first."""
    return [DeadEntry(*row) for row in unit.rows(unit.prepared(_dead), {"limit": limit})]


@dataclass(frozen=True, slots=True)
class LivingWorker:
    lease_owner: str
    runs: int
    lease_expires_at: datetime
    """The last of its leases to end."""


def workers(unit: Unit, at: datetime) -> list[LivingWorker]:
    """Those that hold a lease that lives. One that has nothing to do is not seen here."""
    return [LivingWorker(owner, int(many), until) for owner, many, until in unit.rows(unit.prepared(_workers), {"at": at})]


def _workers(tables: Tables) -> Select[Any]:
    queue = tables[QUEUE].c
    stamp = queue.lease_expires_at.type
    return (
        select(queue.lease_owner, func.count(), func.max(queue.lease_expires_at, type_=stamp))
        .where(queue.state == "RUNNING", queue.lease_expires_at > bindparam("at", type_=stamp))
        .group_by(queue.lease_owner)
        .order_by(queue.lease_owner)
    )


def _by_state(tables: Tables) -> Select[Any]:
    queue = tables[QUEUE].c
    stamp: TypeEngine[Any] = queue.queued_at.type
    since = case((queue.available_at > queue.queued_at, queue.available_at), else_=queue.queued_at)
    oldest: ColumnElement[Any] = func.min(since, type_=stamp)
    return select(queue.state, func.count(), oldest).group_by(queue.state)


def _dead(tables: Tables) -> Select[Any]:
    queue = tables[QUEUE].c
    return (
        select(queue.queue_id, queue.pipeline_logging_id, queue.org_slug, queue.pipeline_id, queue.last_error, queue.updated_at)
        .where(queue.state == "DEAD")
        .order_by(queue.updated_at.desc(), queue.queue_id)
        .limit(bindparam("limit"))
    )
