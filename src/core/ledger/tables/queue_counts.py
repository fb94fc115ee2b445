from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, func, select

from src.core.ledger.tables.queue import QUEUE
from src.core.ledger.unit import Tables, Unit


@dataclass(frozen=True, slots=True)
class QueueCounts:
    queued: int
    running: int
    dead: int
    oldest_queued_at: datetime | None


def count(unit: Unit) -> QueueCounts:
    """The whole queue, of all organisations."""
    rows = unit.rows(unit.prepared(_by_state))
    numbers = {state: (int(many), oldest) for state, many, oldest in rows}
    queued, oldest = numbers.get("QUEUED", (0, None))
    return QueueCounts(queued, numbers.get("RUNNING", (0, None))[0], numbers.get("DEAD", (0, None))[0], oldest)


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
    return select(queue.state, func.count(), func.min(queue.queued_at, type_=queue.queued_at.type)).group_by(queue.state)
