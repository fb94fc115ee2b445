"""What nothing but the clock brings: days that did not come by their hour, days that nobody looks after, trials that have ended."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog

from src.core.base.events import Event, stable_id
from src.core.base.faults import Fault
from src.core.ledger.store import Unit
from src.core.ledger.tables import events, lateness, tracking
from src.core.ledger.tables.lateness import TrackedSpan
from src.core.step.context import Services

log = structlog.get_logger("outbox")

EVERY: Final = timedelta(hours=1)
DUE_AFTER: Final = timedelta(hours=36)  # from a day's end, UTC: noon of the second day after it
USED_TO_COME: Final = timedelta(days=14)
STALE_AFTER: Final = timedelta(hours=48)  # as readers of costs are told
LOOKED_BACK: Final = timedelta(days=62)
LATE_DAYS: Final = 3  # a service that was down over a weekend tells of its days too
MOST_DAYS: Final = 100


class Sweep:
    """Ids are made of what is told, so that each is told once, by however many processes."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._swept: datetime | None = None

    def run(self) -> int:
        """At most once an hour; how many events there are of what was found."""
        now = self._services.clock.now()
        if self._swept is not None and timedelta(0) <= now - self._swept < EVERY:
            return 0
        try:
            found = self._services.ledger.read(_found, now)
        except Fault:
            raise
        except Exception as wrong:  # noqa: BLE001 - events and notifications that wait are to go on
            log.warning("sweep.broke", error=type(wrong).__name__)
            found = []
        made = self._services.ledger.write(_tell, found) if found else 0
        self._swept = now
        return made


def _tell(unit: Unit, found: list[Event]) -> int:
    there = events.several(unit, [event.event_id for event in found])
    for event in found:
        if event.event_id not in there:
            events.record(unit, event)
    return len(found) - len(there)


def _found(unit: Unit, now: datetime) -> list[Event]:
    told = lateness.told(unit)
    if not told:
        return []
    return [event for event in (*_ended_trials(unit, now), *_days(unit, now)) if event.org_slug in told]


def _ended_trials(unit: Unit, now: datetime) -> Iterator[Event]:
    # tomorrow has begun somewhere
    # what ended long ago is no news, and its event may have aged out, which told it
    for trial in lateness.trials_between(unit, (now - LOOKED_BACK).date(), now.date() + timedelta(days=1)):
        if trial.trial_end_date < now.astimezone(ZoneInfo(trial.timezone)).date():
            yield plan_blocked(
                trial.org_slug,
                now,
                stable_id("trial", trial.org_slug, str(trial.generation), str(trial.trial_end_date)),
                status="TRIAL",
                reason=f"the trial ended on {trial.trial_end_date}",
                since=trial.trial_end_date.isoformat(),
            )


def plan_blocked(org_slug: str, at: datetime, event_id: str, *, status: str, reason: str, since: str) -> Event:
    data = {"billing_status": status, "reason": reason, "since": since}
    return Event(event_id=event_id, type="plan.blocked", org_slug=org_slug, occurred_at=at, data=data)


def _days(unit: Unit, now: datetime) -> Iterator[Event]:
    spans = lateness.spans(unit, (now - LOOKED_BACK).date())
    if not spans:
        return
    successes = lateness.last_successes(unit, now - LOOKED_BACK)
    yield from _late(unit, now, spans)
    for span in spans:
        read = successes.get((span.org_slug, span.provider))
        if span.provisional and read is not None and now - read > STALE_AFTER:
            yield _stale(unit, now, span, read)


def _late(unit: Unit, now: datetime, spans: list[TrackedSpan]) -> Iterator[Event]:
    """Only of what is loaded by a schedule, and used to come: an account that nobody uses is no news each day."""
    scheduled = lateness.scheduled(unit)
    for back in reversed(range(LATE_DAYS)):
        day = (now - DUE_AFTER).date() - timedelta(days=1 + back)
        hour = datetime.combine(day, time(), UTC) + timedelta(days=1) + DUE_AFTER
        for span in spans:
            pair = (span.org_slug, span.provider)
            # where the last day that came is an earlier one, nothing of this one has
            if pair in scheduled and span.last_day is not None and day - USED_TO_COME <= span.last_day < day:
                reason = f"nothing of this day had come by {hour:%Y-%m-%d %H:%M} UTC; the last day that came is {span.last_day}"
                told = {"usage_date": day.isoformat(), "was": None, "now": "missing", "reason": reason}
                yield stale(*pair, now, [told], stable_id("late", *pair, day.isoformat()))


def _stale(unit: Unit, now: datetime, span: TrackedSpan, read: datetime) -> Event:
    days = tracking.of_org(unit, span.org_slug, first=(now - LOOKED_BACK).date(), last=now.date())
    provisional = {day["usage_date"] for day in days if day["provider"] == span.provider and day["completeness"] == "provisional"}
    reason = f"no run of {span.provider} has succeeded since {read:%Y-%m-%d %H:%M} UTC, and what these days wait for may have come; run it"
    told = [{"usage_date": str(day), "was": "provisional", "now": "stale", "reason": reason} for day in sorted(provisional)[:MOST_DAYS]]
    # told again only when a run has succeeded in between
    return stale(span.org_slug, span.provider, now, told, stable_id("stale", span.org_slug, span.provider, read.isoformat()))


def stale(org_slug: str, provider: str, at: datetime, days: list[dict[str, Any]], event_id: str) -> Event:
    data = {"provider": provider, "days": days}
    return Event(event_id=event_id, type="data.stale", org_slug=org_slug, occurred_at=at, data=data)
