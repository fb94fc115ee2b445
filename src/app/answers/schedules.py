"""Schedules and the scheduler as the API shows them."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from src.app.models.schedules import (
    ClockStanding,
    DeadEntryAnswer,
    DueStanding,
    NextDue,
    NotificationStanding,
    QueueStanding,
    ScheduleAnswer,
    SchedulerStatus,
    TodayStanding,
    WaitingSlot,
    WorkerStanding,
)
from src.core.ledger.tables.configs import Schedule
from src.core.ledger.tables.slots import Slot
from src.core.schedules.editing import next_runs
from src.core.schedules.standing import SchedulerStanding


def schedule_answer(schedule: Schedule, now: datetime, waiting: Sequence[Slot] = ()) -> ScheduleAnswer:
    more = {"next_runs": next_runs(schedule, now), "waiting": [_waiting(slot) for slot in waiting]}
    return ScheduleAnswer.model_validate({**asdict(schedule), **more})


def scheduler_status(found: SchedulerStanding, *, enabled: bool, owner: str) -> SchedulerStatus:
    today = found.today
    return SchedulerStatus(
        at=found.at,
        queue=QueueStanding(**asdict(found.queue), lag_seconds=_since(found.queue.oldest_queued_at, found.at)),
        dead=[DeadEntryAnswer(**asdict(entry)) for entry in found.dead],
        workers=[WorkerStanding(**asdict(worker)) for worker in found.workers],
        today=TodayStanding(
            runs=sum(today.values()),
            queued=today.get("QUEUED", 0),
            running=today.get("RUNNING", 0),
            succeeded=today.get("SUCCESS", 0),
            failed=today.get("FAILED", 0),
            cancelled=today.get("CANCELLED", 0),
        ),
        due=DueStanding(count=found.due, since=found.due_since, lag_seconds=_since(found.due_since, found.at)),
        next_due=[_next_due(schedule) for schedule in found.coming],
        waiting_count=found.waiting,
        waiting=[_waiting(slot) for slot in found.waiting_slots],
        clock=ClockStanding(
            enabled=enabled,
            owner=found.clock.owner,
            here=found.clock.owner == owner,
            lease_expires_at=found.clock.until,
        ),
        notifications=NotificationStanding(**asdict(found.outbox)),
    )


def _next_due(schedule: Schedule) -> NextDue:
    return NextDue(
        org_slug=schedule.org_slug,
        config_id=schedule.config_id,
        pipeline_id=schedule.pipeline_id,
        next_run_time=schedule.next_run_time,
    )


def _waiting(slot: Slot) -> WaitingSlot:
    return WaitingSlot(
        org_slug=slot.org_slug,
        config_id=slot.config_id,
        pipeline_id=slot.pipeline_id,
        scheduled_time=slot.scheduled_time,
        reason=slot.error_message,
        available_at=slot.available_at,
    )


def _since(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())
