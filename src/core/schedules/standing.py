"""How the scheduler stands: what is due, what waits and why, who works."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time

from src.core.ledger.store import Unit
from src.core.ledger.tables import configs, queue_counts, run_pages, slots
from src.core.ledger.tables.configs import ClockLease, Schedule
from src.core.ledger.tables.queue_counts import DeadEntry, LivingWorker, QueueCounts
from src.core.ledger.tables.runs import RunStatus
from src.core.ledger.tables.slots import Slot
from src.core.outbox import courier
from src.core.outbox.courier import OutboxStanding
from src.core.step.context import Services

COMING = 10
WAITING = 100
DEAD = 20


@dataclass(frozen=True, slots=True)
class SchedulerStanding:
    at: datetime
    queue: QueueCounts
    dead: list[DeadEntry]
    workers: list[LivingWorker]
    today: Mapping[RunStatus, int]
    """Runs accepted since midnight UTC."""
    due: int
    due_since: datetime | None
    coming: list[Schedule]
    waiting: int
    waiting_slots: list[Slot]
    clock: ClockLease
    outbox: OutboxStanding


def standing(services: Services) -> SchedulerStanding:
    return services.ledger.read(_standing, services.clock.now())


def _standing(unit: Unit, now: datetime) -> SchedulerStanding:
    due, since = configs.overdue(unit, now)
    return SchedulerStanding(
        at=now,
        queue=queue_counts.count(unit),
        dead=queue_counts.dead(unit, DEAD),
        workers=queue_counts.workers(unit, now),
        today=run_pages.by_status(unit, datetime.combine(now.date(), time(), now.tzinfo)),
        due=due,
        due_since=since,
        coming=configs.coming(unit, COMING),
        waiting=slots.number_waiting(unit),
        waiting_slots=slots.all_waiting(unit, WAITING),
        clock=configs.leased(unit),
        outbox=courier.standing(unit, now),
    )
