"""What is done once a day for all organisations: their counters begin anew, and rows that are old enough go."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from src.core.base.identity import Actor
from src.core.ledger.store import Unit
from src.core.ledger.tables import ageing, answers, orgs, quotas
from src.core.ledger.tables.ageing import Aged
from src.core.step import audit_trail
from src.core.step.context import Services

log = structlog.get_logger("retention")

RUN_DAYS: Final = 90  # runs with all that tells of them, and entries of the queue that nobody asked for again
# entries first, then runs, then what tells of runs that are gone: broken off anywhere, the next call goes on from there
ORDER: Final[tuple[Aged, ...]] = ("queue", "runs", "steps", "dq", "scheduled", "audit", "notifications", "events", "answers")
BATCH: Final = 500  # others write between two batches, which take a few milliseconds each
JOB_BATCH: Final = 20_000  # where a statement is a job that takes a second whatever it removes
MOST: Final = 200_000  # rows of one table in one call, which then ends within the time that a scheduler gives it


@dataclass(frozen=True, slots=True)
class Removed:
    runs: int
    steps: int
    queue: int
    dq: int
    scheduled: int
    audit: int
    notifications: int
    events: int
    answers: int


@dataclass(frozen=True, slots=True)
class DailyReset:
    reset_count: int
    removed: Removed
    more: bool
    """There was more to remove than one call may."""


def reset_daily(services: Services, actor: Actor, *, most: int | None = None) -> DailyReset:
    """Twice or from two places at once it comes to the same. Nothing waits for it: who counts rolls a day over by himself."""
    most = MOST if most is None else most
    reset_count = roll_over(services)
    removed = {kind: _remove(services, kind, most) for kind in ORDER}
    done = DailyReset(reset_count, Removed(**removed), more=any(number >= most for number in removed.values()))
    services.ledger.write(_note, services, actor, done, removed)
    log.info("retention.done", reset=reset_count, more=done.more, **removed)
    return done


def roll_over(services: Services) -> int:
    """How many organisations' counters stood for a day of theirs that has ended."""
    now = services.clock.now()
    zones = services.ledger.read(orgs.timezones)
    return sum(services.ledger.write(_roll_over, zone, now) for zone in zones)


def _roll_over(unit: Unit, zone: str, now: datetime) -> int:
    return quotas.roll_over(unit, zone, day=now.astimezone(ZoneInfo(zone)).date(), at=now)


def _remove(services: Services, kind: Aged, most: int) -> int:
    kept = {"audit": timedelta(days=services.settings.audit_retention_days), "answers": answers.KEPT}.get(kind, timedelta(days=RUN_DAYS))
    before = services.clock.now() - kept
    batch = BATCH if services.ledger.traits.undoes else JOB_BATCH
    gone = 0
    while gone < most:
        last = services.ledger.write(ageing.remove, kind, before, batch)
        gone += last
        if last < batch:
            break
    return gone


def _note(unit: Unit, services: Services, actor: Actor, done: DailyReset, removed: dict[Aged, int]) -> None:
    details = {"reset_count": done.reset_count, "removed": dict(removed)}
    audit_trail.note(unit, services, actor, "scheduler.reset", "scheduler/daily-quotas", details=details)
