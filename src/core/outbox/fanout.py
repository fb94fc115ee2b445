"""From an event to a notification for each channel that wants it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from src.core.base.events import Event, message_id, stable_id
from src.core.base.faults import Fault
from src.core.ledger.store import Unit
from src.core.ledger.tables import channels, events, notifications, orgs, runs
from src.core.ledger.tables.channels import Channel
from src.core.ledger.tables.events import EventRow, Streak
from src.core.ledger.tables.notifications import NotificationRow, NotificationState
from src.core.ledger.tables.orgs import Org
from src.core.ledger.tables.runs import RunRecord
from src.core.outbox.channels import wanted
from src.core.outbox.following import following
from src.core.outbox.hooks import HooksOf, hooked
from src.core.outbox.moments import next_digest, not_before, of_people
from src.core.outbox.told import of_run, reasons_of, run_advice
from src.core.step.context import Services

log = structlog.get_logger("outbox")

ENDS: Final = ("run.succeeded", "run.failed")
LATER: Final = timedelta(minutes=1)
NO_STREAK: Final = Streak(0, None)


@dataclass(frozen=True, slots=True)
class FanOut:
    services: Services
    hooks_of: HooksOf

    def some(self, limit: int) -> int:
        """How many events were looked at, the oldest first. One that cannot be fanned out is put off, and holds up no other."""
        services = self.services
        found = services.ledger.read(events.new, services.clock.now(), limit)
        for row in found:
            try:
                services.ledger.write(self._one, row)
            except Exception as wrong:  # one that nobody foresaw would hold up all events of all organisations
                if isinstance(wrong, Fault) and wrong.retry:
                    raise
                why = wrong.detail if isinstance(wrong, Fault) else f"it could not be fanned out ({type(wrong).__name__})"
                log.warning("event.put_off", event_id=row.event_id, type=row.type, error=why)
                services.ledger.write(events.put_off, row.event_id, services.clock.now() + LATER, why)
        return len(found)

    def _one(self, unit: Unit, row: EventRow) -> None:
        """All ids are made of the event's: where nothing is undone, a break and a repeat come to the same."""
        at = self.services.clock.now()
        # two processes that fan out two events of one pipeline would each take theirs for the first
        orgs.alone(unit, row.org_slug)
        org = orgs.get(unit, row.org_slug)
        there = [one for one in channels.of_org(unit, row.org_slug) if one.is_active] if self._is_of(org, row) else []
        if org is None or not there:
            events.fanned_out(unit, row.event_id, row.data, at)
            return
        run = runs.of_org(unit, row.org_slug, str(row.data["pipeline_logging_id"])) if row.type in ENDS else None
        data, streak = self._filled(unit, row, org, run), NO_STREAK
        if row.type in ENDS and row.subject is not None:
            streak = events.streak(unit, row.org_slug, row.subject, row.occurred_at)
            reasons = reasons_of(unit, run) if run is not None and data["completeness"] else {}
            for event in following(unit, row, data, streak, reasons):
                events.record(unit, event)
        made = list(self._notifications(replace(row, data=data), streak, org, there, at))
        if made:
            notifications.add_all(unit, made, row.event_id)
        # last: what a message says is fixed with it, and nothing is sent before
        events.fanned_out(unit, row.event_id, data, at)

    def _is_of(self, org: Org | None, row: EventRow) -> bool:
        """Not of whoever had the slug before."""
        return org is not None and org.status == "ACTIVE" and row.occurred_at >= org.created_at

    def _filled(self, unit: Unit, row: EventRow, org: Org, run: RunRecord | None) -> dict[str, Any]:
        data = {**row.data, "company_name": org.company_name, "timezone": org.timezone}
        if run is None:
            return {**data, "provider": None, "completeness": []} if row.type in ENDS else data
        told = of_run(unit, run, data)
        return {**data, **told, "what_to_do": run_advice(run, failed=row.type == "run.failed")}

    def _notifications(self, row: EventRow, streak: Streak, org: Org, there: list[Channel], at: datetime) -> Iterator[NotificationRow]:
        asked = hooked(self.hooks_of(str(row.data.get("document"))), row.type) if row.type in ENDS else []
        for channel in there:
            if not _wants(channel, row) and (channel.name, channel.kind) not in asked:
                continue
            state, when = _moment(channel, row, streak, org.timezone, at)
            yield notification(row, channel, state, when, at)
        for name, kind in asked:
            if not any(one.name == name and one.kind == kind for one in there):
                yield _untold(row, name, kind, at)


def notification(row: EventRow | Event, channel: Channel, state: NotificationState, when: datetime, at: datetime) -> NotificationRow:
    key = message_id(row.event_id, channel.channel_id)
    return NotificationRow(
        notification_id=key,
        org_slug=row.org_slug,
        event_id=row.event_id,
        event_type=row.type,
        channel_id=channel.channel_id,
        channel_kind=channel.kind,
        channel_name=channel.name,
        parcel_id=key,
        state=state,
        available_at=when,
        created_at=at,
        updated_at=at,
    )


def _wants(channel: Channel, row: EventRow) -> bool:
    # that one is off is told to all others, whatever they asked for
    if row.type == "channel.disabled":
        return channel.channel_id != row.data.get("channel_id")
    return row.type in wanted(channel)


def _moment(channel: Channel, row: EventRow, streak: Streak, zone: str, at: datetime) -> tuple[NotificationState, datetime]:
    if row.type == "run.failed" and streak.failures and of_people(channel):
        return "GATHERED", next_digest(channel, zone, at)
    return "WAITING", not_before(channel, zone, at)


def _untold(row: EventRow, name: str, kind: Any, at: datetime) -> NotificationRow:
    """A hook that names a channel which is not there fails no run, and is seen."""
    key = stable_id(row.event_id, "hook", kind, name, prefix="msg")
    return NotificationRow(
        notification_id=key,
        org_slug=row.org_slug,
        event_id=row.event_id,
        event_type=row.type,
        channel_id=f"hook:{name}",
        channel_kind=kind,
        channel_name=name,
        parcel_id=key,
        state="FAILED",
        available_at=at,
        last_error=f"the pipeline's hook names the {kind} channel {name!r}, and the organisation has none that is active; make it",
        created_at=at,
        updated_at=at,
    )
