from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select

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


def _by_state(tables: Tables) -> Select[Any]:
    queue = tables[QUEUE].c
    return select(queue.state, func.count(), func.min(queue.queued_at, type_=queue.queued_at.type)).group_by(queue.state)
