"""Runs that somebody asks to stop while they stand in the queue."""

from datetime import datetime
from typing import Literal

from sqlalchemy import Delete, Update, and_, bindparam, case, delete, func, update

from src.core.ledger.tables.queue import QUEUE
from src.core.ledger.unit import Tables, Unit

Cancelled = Literal["waiting", "running"]


def request(unit: Unit, run_id: str, at: datetime) -> Cancelled | None:
    """An entry that no worker has had is gone at once; else the worker that has it, or will, is asked to stop it. None: it is not there."""
    if unit.change(_withdraw, {"run_id": run_id}) == 1:
        return "waiting"
    return "running" if unit.change(_request_cancel, {"run_id": run_id, "at": at}) == 1 else None


def _withdraw(tables: Tables) -> Delete:
    queue = tables[QUEUE]
    # one that a worker had may have published: only a worker can ask the dataset, so it stays for one to end it
    return delete(queue).where(queue.c.pipeline_logging_id == bindparam("run_id"), queue.c.state == "QUEUED", queue.c.lease_generation == 0)


def _request_cancel(tables: Tables) -> Update:
    queue = tables[QUEUE]
    at = bindparam("at", type_=queue.c.updated_at.type)
    # one that waits for its next try is ended now
    later = and_(queue.c.state == "QUEUED", queue.c.available_at > at)
    return (
        update(queue)
        .where(queue.c.pipeline_logging_id == bindparam("run_id"), queue.c.state != "DEAD")
        .values(
            cancel_requested_at=func.coalesce(queue.c.cancel_requested_at, at),
            available_at=case((later, at), else_=queue.c.available_at),
            updated_at=at,
        )
    )
