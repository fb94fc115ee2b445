"""Schedules as an organisation makes, changes and removes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from src.core.base.cron import EXAMPLE, Cron, cron_flaw, zone_flaw
from src.core.base.faults import Conflict, Flaw, Missing, Rejected
from src.core.base.identity import Actor, Tenant
from src.core.base.redaction import redacted_text
from src.core.ledger.store import Unit
from src.core.ledger.tables import configs, orgs, slots
from src.core.ledger.tables.configs import Schedule
from src.core.ledger.tables.slots import Slot
from src.core.pipeline.catalog import Catalog, CatalogEntry
from src.core.scheduler.acceptance import to_accept
from src.core.schedules.parameters import USUAL, WINDOW, inputs_of, window_of
from src.core.step import audit_trail
from src.core.step.context import Services

MOST = 200
SHOWN = 5
RETRIES = 3
# a first due time further back would have a schedule that catches up run for every slot since
BACK, AHEAD = timedelta(days=1), timedelta(days=3660)
NOT_THEIRS = "is the platform's pipeline; GET /api/v1/pipelines/{org_slug} lists those of organisations"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedSchedule:
    """What is None is left as it is, or gets what is usual."""

    schedule_cron: str | None = None
    timezone: str | None = None
    is_active: bool | None = None
    priority: int | None = None
    max_retries: int | None = None
    parameters: Mapping[str, Any] | None = None
    catch_up: bool | None = None
    next_run_time: datetime | None = None

    @property
    def said(self) -> dict[str, Any]:
        """But for the next due time, which is reckoned."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in told.items() if value is not None and name != "next_run_time"}


def next_runs(schedule: Schedule, now: datetime, many: int = SHOWN) -> list[datetime]:
    if not schedule.is_active or schedule.next_run_time is None:
        return []
    following = Cron(schedule.schedule_cron, schedule.timezone).following(max(schedule.next_run_time, now))
    return [schedule.next_run_time, *islice(following, many - 1)]


@dataclass(frozen=True, slots=True)
class KnownSchedule:
    schedule: Schedule
    waiting: Sequence[Slot]
    """Its due times that are no run yet."""


def listed(services: Services, tenant: Tenant) -> list[KnownSchedule]:
    return services.ledger.read(_listed, tenant.org_slug)


def shown(services: Services, tenant: Tenant, config_id: str) -> KnownSchedule:
    return services.ledger.read(_shown, tenant.org_slug, config_id)


def _listed(unit: Unit, slug: str) -> list[KnownSchedule]:
    waiting = slots.waiting_of(unit, slug)
    return [_known(schedule, waiting) for schedule in configs.listing(unit, slug)]


def _shown(unit: Unit, slug: str, config_id: str) -> KnownSchedule:
    return _known(existing(unit, slug, config_id), slots.waiting_of(unit, slug))


def _known(schedule: Schedule, waiting: Sequence[Slot]) -> KnownSchedule:
    return KnownSchedule(schedule, [slot for slot in waiting if slot.config_id == schedule.config_id])


def existing(unit: Unit, slug: str, config_id: str) -> Schedule:
    found = configs.get(unit, slug, config_id)
    if found is None:
        raise Missing(
            f"organisation {slug} has no schedule {config_id[:64]!r}; GET /api/v1/scheduler/customer/{slug}/pipelines lists those it has"
        )
    return found


@dataclass(frozen=True, slots=True)
class ScheduleEditor:
    """Who changes the schedules of whom."""

    services: Services
    catalog: Catalog
    actor: Actor
    tenant: Tenant

    def create(self, entry: CatalogEntry, asked: AskedSchedule, config_id: str | None = None) -> Schedule:
        """One of the same `config_id` that is there already is answered as it is."""
        document = entry.document
        if document.scope != "organisation":
            raise Rejected(f"{entry.document_id} {NOT_THEIRS}", flaws=[Flaw(NOT_THEIRS, "document")])
        if asked.schedule_cron is None:
            raise Rejected("schedule_cron is missing", flaws=[Flaw(f"is missing; write it like {EXAMPLE!r}", "schedule_cron")])
        now = self.services.clock.now()
        made = Schedule(
            config_id=config_id or self.services.ids.new(),
            org_slug=self.tenant.org_slug,
            pipeline_id=document.pipeline_id(self.tenant.org_slug),
            document=entry.document_id,
            provider=document.provider,
            domain=document.domain,
            schedule_cron=asked.schedule_cron,
            timezone=asked.timezone or _zone_of(self.services, self.tenant),
            is_active=True if asked.is_active is None else asked.is_active,
            next_run_time=None,
            priority=asked.priority or 0,
            max_retries=RETRIES if asked.max_retries is None else asked.max_retries,
            # the days that are usual for the pipeline, told in the answer
            parameters={WINDOW: document.schedule.window if document.schedule else USUAL, **(asked.parameters or {})},
            catch_up=bool(asked.catch_up),
            created_by=self.actor.user_id and redacted_text(self.actor.user_id),
            created_at=now,
            updated_at=now,
        )
        made = _timed(made, asked, now)
        self._check(made)
        return self.services.ledger.write(self._create, made)

    def change(self, config_id: str, asked: AskedSchedule) -> Schedule:
        now = self.services.clock.now()
        seen = self.services.ledger.read(existing, self.tenant.org_slug, config_id)
        changed = replace(seen, **asked.said, updated_at=max(now, seen.updated_at + timedelta(microseconds=1)))
        at_other_times = (changed.schedule_cron, changed.timezone, changed.is_active) != (seen.schedule_cron, seen.timezone, seen.is_active)
        if at_other_times or asked.next_run_time is not None:
            changed = _timed(changed, asked, now)
        self._check(changed)
        return self.services.ledger.write(self._change, seen, changed)

    def remove(self, config_id: str) -> Schedule:
        return self.services.ledger.write(self._remove, config_id)

    def _create(self, unit: Unit, made: Schedule) -> Schedule:
        self._alone(unit)
        there = configs.get(unit, self.tenant.org_slug, made.config_id)
        if there is not None:
            return there
        if configs.number(unit, self.tenant.org_slug) >= MOST:
            raise Conflict(f"{self.tenant.org_slug} has {MOST} schedules, and an organisation has no more; remove one first")
        if configs.add(unit, made):
            self._note(unit, "schedules.create", made)
        return made

    def _change(self, unit: Unit, seen: Schedule, changed: Schedule) -> Schedule:
        self._alone(unit)
        now = existing(unit, self.tenant.org_slug, seen.config_id)
        # the trigger may have moved it on since, and nothing of that is asked for here
        due = now.next_run_time if changed.next_run_time == seen.next_run_time else changed.next_run_time
        changed = replace(changed, last_run_time=now.last_run_time, next_run_time=due)
        if not configs.change(unit, seen, changed):
            raise Conflict(f"the schedule {seen.config_id} was changed meanwhile; look at it and ask again")
        if not changed.is_active:
            self._end_waiting(unit, changed, "its schedule was paused")
        self._note(unit, "schedules.update", changed)
        return changed

    def _remove(self, unit: Unit, config_id: str) -> Schedule:
        orgs.alone(unit, self.tenant.org_slug)
        found = existing(unit, self.tenant.org_slug, config_id)
        # first: a trigger that comes between would else note a slot of no schedule
        configs.remove(unit, self.tenant.org_slug, config_id)
        self._end_waiting(unit, found, "its schedule was removed")
        self._note(unit, "schedules.delete", found)
        return found

    def _alone(self, unit: Unit) -> None:
        orgs.alone(unit, self.tenant.org_slug)
        if not orgs.lives(unit, self.tenant.org_slug, self.tenant.generation):
            raise orgs.off_boarded(self.tenant.org_slug)

    def _end_waiting(self, unit: Unit, schedule: Schedule, why: str) -> None:
        now = self.services.clock.now()
        slots.give_up(unit, schedule.config_id, before=now + timedelta(days=1), state="CANCELLED", at=now, why=why)

    def _check(self, schedule: Schedule) -> None:
        """What no run of it could do with is told now."""
        window = window_of(schedule.parameters, self.services.clock.now().date())
        entry, inputs = self.catalog.get(schedule.document), inputs_of(schedule.parameters)
        actor = Actor("system", self.tenant.org_slug)
        try:
            to_accept(self.services, self.catalog, tenant=self.tenant, actor=actor, entry=entry, window=window, inputs=inputs)
        except Rejected as wrong:
            flaws = [replace(flaw, field=f"parameters.{flaw.field}" if flaw.field else "parameters") for flaw in wrong.flaws]
            raise Rejected(wrong.detail, flaws=flaws) from wrong

    def _note(self, unit: Unit, action: str, schedule: Schedule) -> None:
        audit_trail.note(
            unit,
            self.services,
            self.actor,
            action,
            f"organizations/{schedule.org_slug}/schedules/{schedule.config_id}",
            org_slug=schedule.org_slug,
            details={
                "document": schedule.document,
                "schedule_cron": schedule.schedule_cron,
                "timezone": schedule.timezone,
                "is_active": schedule.is_active,
                "parameters": dict(schedule.parameters),
            },
        )


def _timed(schedule: Schedule, asked: AskedSchedule, now: datetime) -> Schedule:
    """With its next due time, checked."""
    wrong = {"schedule_cron": cron_flaw(schedule.schedule_cron), "timezone": zone_flaw(schedule.timezone)}
    flaws = [Flaw(message, name) for name, message in wrong.items() if message]
    first = asked.next_run_time
    if first is not None and (first.tzinfo is None or not now - BACK <= first <= now + AHEAD):
        said = "is a moment with its zone, not more than a day ago or ten years ahead; write it like 2026-12-01T03:15:00Z"
        flaws.append(Flaw(said, "next_run_time"))
    if flaws:
        raise Rejected(f"{flaws[0].field} {flaws[0].message}", flaws=flaws)
    if not schedule.is_active:
        return replace(schedule, next_run_time=None)
    due = first.astimezone(UTC).replace(microsecond=0) if first else Cron(schedule.schedule_cron, schedule.timezone).after(now)
    return replace(schedule, next_run_time=due)


def _zone_of(services: Services, tenant: Tenant) -> str:
    found = services.ledger.read(orgs.holder, tenant.org_slug)
    if found is None:
        raise Missing(f"there is no organisation {tenant.org_slug!r}")
    return found.timezone
