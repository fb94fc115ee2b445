"""From what is due to what waits in the queue: each due time of a schedule, a slot, becomes one run, whoever asks and how often."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from src.core.backfill.advancing import next_window
from src.core.base.cron import Cron, zone
from src.core.base.faults import Fault, PaymentNeeded, QuotaExceeded, Rejected, Throttled, Unavailable
from src.core.base.identity import Actor
from src.core.base.names import OrgSlug
from src.core.base.window import Window
from src.core.ledger.store import Unit
from src.core.ledger.tables import backfills, configs, events, orgs, slots
from src.core.ledger.tables.backfills import OPEN, BackfillRow
from src.core.ledger.tables.configs import Schedule
from src.core.ledger.tables.slots import Slot
from src.core.pipeline.catalog import Catalog
from src.core.scheduler.acceptance import accept_within, to_accept
from src.core.scheduler.cancel import cancel_within
from src.core.scheduler.claims import Claim, tenant_of_schedule
from src.core.scheduler.refusals import exceeded
from src.core.schedules.parameters import inputs_of, window_of
from src.core.step.context import Services

log = structlog.get_logger("scheduler")

# a pass ends after as many slots or seconds, and says that there is more: who called it waits
SLOTS = 1000
SECONDS = 60.0
# a slot that is being tried is left alone for so long: by then its try has ended or its process is dead
TRYING = timedelta(minutes=2)
# no moment is known at which a credential is stored or a bill is paid; both have the slots of their organisation tried at once
REFUSED_AGAIN = timedelta(hours=1)
# of a schedule's own, no key of a caller's can look like this one: theirs are ASCII
SLOT_KEY = "§{}"
DROPPED = "what it is of was cancelled, removed or paused"


@dataclass(frozen=True, slots=True)
class PassedOver:
    org_slug: str
    config_id: str
    pipeline_id: str
    scheduled_time: datetime
    reason: str


@dataclass(slots=True)
class Triggered:
    triggered_count: int = 0
    queued_count: int = 0
    skipped: list[PassedOver] = field(default_factory=list)
    more: bool = False


@dataclass(frozen=True, slots=True)
class _Tried:
    slot: Slot
    queued: bool = False
    reason: str | None = None
    refused: "_Refused | None" = None
    """By the plan, which refuses whatever else the organisation has waiting."""


class _Refused(NamedTuple):
    why: str
    until: datetime


def trigger(services: Services, catalog: Catalog, *, most: int = SLOTS, seconds: float = SECONDS) -> Triggered:
    """One pass over what waits and what is due, both fair over organisations. Waits on the ledger."""
    return _Pass(services, catalog, most, seconds).run()


def go_on(services: Services, catalog: Catalog, backfill: BackfillRow | None) -> bool:
    """Has a backfill's next window tried at once; whether anything came into the queue. Waits on the ledger."""
    services.ledger.write(slots.settle_ended)
    if backfill is None:
        return False
    # what a schedule has waiting may have waited for the place of the window before: a backfill keeps nothing from it
    queued = _try_waiting(services, catalog, backfill.org_slug)
    slot = services.ledger.write(next_window, services, backfill)
    tried = None if slot is None else services.ledger.write(_again, services, catalog, slot)
    return queued or (tried is not None and tried.queued)


def _try_waiting(services: Services, catalog: Catalog, slug: str) -> bool:
    queued = False
    for slot in services.ledger.read(slots.waiting_of, slug):
        tried = services.ledger.write(_again, services, catalog, slot) if slot.trigger_type == "schedule" else None
        queued = queued or (tried is not None and tried.queued)
        if tried is not None and tried.refused is not None:
            break
    return queued


def follow(services: Services, catalog: Catalog, claim: Claim) -> bool:
    """After a run: whether what waited for its place, or a backfill's next window, came into the queue."""
    slug = claim.tenant.org_slug
    if claim.trigger == "backfill" and claim.entry.scheduled_run_id is not None:
        return go_on(services, catalog, services.ledger.read(backfills.of_window, slug, claim.entry.scheduled_run_id))
    # where each look is a job, what waits is tried by the trigger's call
    return services.ledger.traits.polled and _try_waiting(services, catalog, slug)


class _Pass:
    def __init__(self, services: Services, catalog: Catalog, most: int, seconds: float) -> None:
        self._services = services
        self._catalog = catalog
        self._left = most
        self._end = services.clock.monotonic() + seconds
        self._told = Triggered()
        self._refused: dict[str, _Refused] = {}

    def run(self) -> Triggered:
        ledger = self._services.ledger
        try:
            ledger.write(slots.settle_ended)
            for backfill in ledger.read(backfills.idle, self._left + 1):
                ledger.write(next_window, self._services, backfill)
            now = self._services.clock.now()
            waiting = ledger.read(slots.waiting, now, self._left + 1)
            # first those that were refused before: they are older
            self._try_again([slot for slot in waiting if slot.trigger_type == "schedule"])
            self._try_due(now)
            # windows of backfills come behind what is fresh
            self._try_again([slot for slot in waiting if slot.trigger_type != "schedule"])
        except (Throttled, Unavailable) as fault:
            # what is left is due still
            if not self._told.triggered_count:
                raise
            log.warning("scheduler.broke_off", code=fault.code, error=fault.detail)
            self._told.more = True
        return self._told

    def _try_again(self, waiting: Sequence[Slot]) -> None:
        for slot in waiting:
            if not self._may_go_on():
                self._told.more = True
                return
            # a window of a backfill may want a place alone, and none of the day's runs
            refused = self._refused.get(slot.org_slug) if slot.trigger_type == "schedule" else None
            self._tell(self._services.ledger.write(_again, self._services, self._catalog, slot, refused))

    def _try_due(self, now: datetime) -> None:
        ledger = self._services.ledger
        found = deque(ledger.read(configs.due, now, self._left + 1))
        while found and self._may_go_on():
            schedule = found.popleft()
            tried, following = ledger.write(_due, self._services, self._catalog, schedule, self._refused.get(schedule.org_slug))
            self._tell(tried)
            # of one that catches up each slot is run: the next after everybody else's
            if following is not None:
                found.append(following)
        self._told.more = self._told.more or bool(found)

    def _may_go_on(self) -> bool:
        return self._left > 0 and self._services.clock.monotonic() < self._end

    def _tell(self, tried: _Tried | None) -> None:
        # somebody else has it
        if tried is None:
            return
        self._left -= 1
        self._told.triggered_count += 1
        self._told.queued_count += tried.queued
        slot = tried.slot
        if tried.reason is not None:
            self._told.skipped.append(PassedOver(slot.org_slug, slot.config_id, slot.pipeline_id, slot.scheduled_time, tried.reason))
        if tried.refused is not None:
            self._refused[slot.org_slug] = tried.refused


def slot_of(schedule: Schedule, due: datetime, now: datetime) -> Slot:
    window = window_of(schedule.parameters, due.astimezone(zone(schedule.timezone)).date())
    return Slot(
        scheduled_run_id=slots.slot_id(schedule.config_id, due),
        org_slug=schedule.org_slug,
        config_id=schedule.config_id,
        pipeline_id=schedule.pipeline_id,
        document=schedule.document,
        scheduled_time=due,
        created_at=now,
        available_at=now + TRYING,
        max_retries=schedule.max_retries,
        priority=schedule.priority,
        window_start=window.start,
        window_end=window.end,
        parameters=inputs_of(schedule.parameters),
    )


def _due(
    unit: Unit, services: Services, catalog: Catalog, seen: Schedule, refused: _Refused | None
) -> tuple[_Tried | None, Schedule | None]:
    """What became of its slot, and the schedule where it has another that is due."""
    now = services.clock.now()
    orgs.alone(unit, seen.org_slug)
    schedule = configs.get(unit, seen.org_slug, seen.config_id)
    if schedule is None or not schedule.is_active or schedule.next_run_time != seen.next_run_time or seen.next_run_time is None:
        return None, None
    cron = Cron(schedule.schedule_cron, schedule.timezone)
    due = seen.next_run_time if schedule.catch_up else cron.latest(seen.next_run_time, now)
    slot, following = slot_of(schedule, due, now), cron.after(due)
    if due > seen.next_run_time:
        # nobody looked when it was due: one row tells of it and of all up to the slot that is run
        slots.note(unit, slot_of(schedule, seen.next_run_time, now))
    # noted before the schedule moves on: where nothing is undone, a break in between leaves it due, and the slot known
    noted = slots.note(unit, slot)
    if not schedule.catch_up:
        why = f"the slot of {due.isoformat()} took its place, and that of all between"
        slots.give_up(unit, schedule.config_id, before=due, state="MISSED", at=now, why=why)
    configs.move(unit, schedule, due, following)
    moved = configs.get(unit, seen.org_slug, seen.config_id) if schedule.catch_up and following <= now else None
    if not noted:
        return None, moved
    return _try(unit, services, catalog, slot, refused), moved


def _again(unit: Unit, services: Services, catalog: Catalog, slot: Slot, refused: _Refused | None = None) -> _Tried | None:
    orgs.alone(unit, slot.org_slug)
    if not slots.take(unit, slot, services.clock.now() + TRYING):
        return None
    if not _stands(unit, services, slot):
        return _drop(unit, slot, services.clock.now())
    return _try(unit, services, catalog, slot, refused)


def _try(unit: Unit, services: Services, catalog: Catalog, slot: Slot, refused: _Refused | None = None) -> _Tried:
    now = services.clock.now()
    if refused is not None:
        return _put_off(unit, slot, refused)
    holder = orgs.holder(unit, slot.org_slug)
    if holder is None:
        return _put_off(unit, slot, _Refused(f"there is no organisation {slot.org_slug!r}", now + REFUSED_AGAIN))
    tenant = tenant_of_schedule(services, slot.org_slug, holder.generation)
    # nobody asked for it, also when somebody's call came at its time
    actor = Actor("system", OrgSlug(slot.org_slug))
    window = Window(slot.window_start, slot.window_end) if slot.window_start and slot.window_end else None
    try:
        request = to_accept(
            services,
            catalog,
            tenant=tenant,
            actor=actor,
            entry=catalog.get(slot.document),
            window=window,
            inputs=slot.parameters,
            trigger=slot.trigger_type,
            idempotency_key=SLOT_KEY.format(slot.scheduled_run_id),
            priority=slot.priority,
            slot_id=slot.scheduled_run_id,
        )
        accepted = accept_within(unit, request)
    except (Rejected, QuotaExceeded, PaymentNeeded) as fault:
        tried = _put_off(unit, slot, _Refused(fault.detail, _when_again(fault, now)))
        event = exceeded(slot.org_slug, fault, now) if isinstance(fault, QuotaExceeded) else None
        if event is not None:
            events.record(unit, event)
        return tried if isinstance(fault, QuotaExceeded | PaymentNeeded) else replace(tried, refused=None)
    if accepted.fresh and slot.trigger_type == "backfill" and not _stands(unit, services, slot):
        # who cancelled it had looked for a run to stop before this one was there
        cancel_within(unit, services, tenant, actor, accepted.run.pipeline_logging_id)
        return _Tried(slot, reason=DROPPED)
    if accepted.fresh:
        return _Tried(slot, queued=True)
    run = accepted.run
    slots.tie(unit, slot.scheduled_run_id, run.pipeline_logging_id, run.status, run.accepted_at)
    return _Tried(slot, reason=f"the same pipeline and window was accepted already: run {run.pipeline_logging_id}")


def _stands(unit: Unit, services: Services, slot: Slot) -> bool:
    """Whether its backfill or schedule does. Where nobody waits for another's unit, that may have ended since the slot was noted."""
    if services.ledger.traits.undoes:
        return True
    if slot.trigger_type == "backfill":
        backfill = backfills.get(unit, slot.org_slug, slot.config_id)
        return backfill is not None and backfill.state == OPEN
    schedule = configs.get(unit, slot.org_slug, slot.config_id)
    return schedule is not None and schedule.is_active


def _drop(unit: Unit, slot: Slot, now: datetime) -> _Tried:
    slots.give_up(unit, slot.config_id, before=slot.scheduled_time + timedelta(microseconds=1), state="CANCELLED", at=now, why=DROPPED)
    return _Tried(slot, reason=DROPPED)


def _put_off(unit: Unit, slot: Slot, refused: _Refused) -> _Tried:
    slots.put_off(unit, slot.scheduled_run_id, refused.until, refused.why)
    return _Tried(slot, reason=refused.why, refused=refused)


def _when_again(fault: Fault, now: datetime) -> datetime:
    resets = fault.facts.get("resets_at")
    if resets is not None:
        return datetime.fromisoformat(str(resets))
    return now + (REFUSED_AGAIN if fault.retry_after is None else timedelta(seconds=fault.retry_after))
