"""A backfill from its request to its cancellation."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from src.core.backfill.advancing import INPUTS, WINDOW_DAYS
from src.core.backfill.cutting import cut
from src.core.backfill.standing import BackfillStanding, standing_of
from src.core.base.faults import Conflict, Flaw, Missing, Rejected
from src.core.base.identity import Actor, Tenant
from src.core.base.window import EARLIEST, Window
from src.core.ledger.store import Unit
from src.core.ledger.tables import backfills, orgs, slots
from src.core.ledger.tables.backfills import OPEN, BackfillRow
from src.core.pipeline.catalog import Catalog, CatalogEntry
from src.core.scheduler import cancel as runs_cancel
from src.core.scheduler.acceptance import to_accept
from src.core.step import audit_trail
from src.core.step.context import Services

MOST_OPEN: Final = 20  # of an organisation: each has a window in the queue
MOST_WINDOWS: Final = 400
PRIORITY: Final = -10  # a schedule's is 0 at the least, and so is that of what a person asks for
MAX_RETRIES: Final = 3
SHOWN: Final = 100
ASKED_START, ASKED_END = "asked_start", "asked_end"


@dataclass(frozen=True, slots=True)
class AskedBackfill:
    standing: BackfillStanding
    fresh: bool
    """False for one that goes on already."""


def ask(
    services: Services, catalog: Catalog, *, tenant: Tenant, actor: Actor, entry: CatalogEntry, days: Window, inputs: Mapping[str, Any]
) -> AskedBackfill:
    """Waits on the ledger."""
    today = services.clock.now().date()
    row = _row(services, catalog, tenant=tenant, entry=entry, days=days, served=_served(entry, days, today), inputs=inputs)
    return services.ledger.write(_ask, services, actor, tenant, row)


def listed(services: Services, tenant: Tenant) -> list[BackfillStanding]:
    def read(unit: Unit) -> list[BackfillStanding]:
        return [standing_of(row, backfills.windows(unit, row.scheduled_run_id)) for row in backfills.listing(unit, tenant.org_slug, SHOWN)]

    return services.ledger.read(read)


def existing(services: Services, tenant: Tenant, backfill_id: str) -> BackfillStanding:
    return services.ledger.read(_existing, tenant, backfill_id)


def cancel(services: Services, *, tenant: Tenant, actor: Actor, backfill_id: str) -> BackfillStanding:
    """What is done stays; a window that runs is asked to stop."""
    standing = services.ledger.write(_cancel, services, actor, tenant, backfill_id)
    under_way = standing.under_way
    if under_way is not None and under_way.pipeline_logging_id is not None:
        # it may have ended meanwhile
        with suppress(Conflict, Missing):
            runs_cancel.cancel(services, tenant=tenant, actor=actor, run_id=under_way.pipeline_logging_id)
    return existing(services, tenant, backfill_id)


def _served(entry: CatalogEntry, days: Window, today: date) -> Window:
    if days.start < EARLIEST:
        raise _rejected("start_date", f"{days.start} lies before anything was billed; name {EARLIEST} or a day after it")
    if days.end >= today:
        raise _rejected("end_date", f"{days.end} is not past; name {today - timedelta(1)} (yesterday, UTC) or a day before it")
    keeps = entry.document.backfill.keeps_days
    first = days.start if keeps is None else max(days.start, today - timedelta(keeps))
    if first > days.end:
        raise _rejected("end_date", f"{entry.document.provider} serves {keeps} days back, from {first} on, and nothing of {days}")
    whole, size = Window(first, days.end), entry.document.backfill.window_days
    number = len(cut(whole, size))
    if number > MOST_WINDOWS:
        raise _rejected("start_date", f"{whole} takes {number} windows of {size} days, and a backfill has {MOST_WINDOWS} at most")
    return whole


def _row(
    services: Services,
    catalog: Catalog,
    *,
    tenant: Tenant,
    entry: CatalogEntry,
    days: Window,
    served: Window,
    inputs: Mapping[str, Any],
) -> BackfillRow:
    size = entry.document.backfill.window_days
    # what a window's run would refuse is refused now
    first = to_accept(
        services,
        catalog,
        tenant=tenant,
        actor=Actor("system", tenant.org_slug),
        entry=entry,
        window=cut(served, size)[0],
        inputs=inputs,
        trigger="backfill",
    )
    return BackfillRow(
        scheduled_run_id="",
        org_slug=tenant.org_slug,
        pipeline_id=first.run.pipeline_id,
        document=first.run.document,
        state=OPEN,
        window_start=served.start,
        window_end=served.end,
        parameters={
            INPUTS: dict(first.queued),
            WINDOW_DAYS: size,
            ASKED_START: days.start.isoformat(),
            ASKED_END: days.end.isoformat(),
        },
        priority=PRIORITY,
        max_retries=MAX_RETRIES,
        created_at=services.clock.now(),
    )


def _ask(unit: Unit, services: Services, actor: Actor, tenant: Tenant, asked: BackfillRow) -> AskedBackfill:
    orgs.alone(unit, tenant.org_slug)
    if orgs.holder(unit, tenant.org_slug) is None:
        raise Missing(f"there is no organisation {tenant.org_slug!r}")
    known = [
        row
        for row in backfills.of_days(unit, asked.org_slug, asked.document, asked.window_start, asked.window_end)
        if row.parameters[INPUTS] == asked.parameters[INPUTS]
    ]
    going_on = next((row for row in known if row.state == OPEN), None)
    if going_on is not None:
        return AskedBackfill(standing_of(going_on, backfills.windows(unit, going_on.scheduled_run_id)), fresh=False)
    if backfills.number_open(unit, tenant.org_slug) >= MOST_OPEN:
        raise Conflict(f"{tenant.org_slug} has {MOST_OPEN} backfills that go on, the most there may be; wait for one or cancel it")
    row = _with_id(asked, tenant, known[0].scheduled_run_id if known else "")
    if not backfills.add(unit, row):
        # where nobody waits for another's unit, the same was asked for at the same moment
        return AskedBackfill(_existing(unit, tenant, row.scheduled_run_id), fresh=False)
    audit_trail.note(unit, services, actor, "backfills.create", f"backfills/{row.scheduled_run_id}", org_slug=tenant.org_slug)
    return AskedBackfill(standing_of(row, []), fresh=True)


def _with_id(row: BackfillRow, tenant: Tenant, previous: str) -> BackfillRow:
    """The same for all who ask for the same at once; another once that one has ended."""
    named = [row.org_slug, tenant.generation, row.document, str(row.window_start), str(row.window_end), row.parameters[INPUTS], previous]
    digest = hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:32]
    return BackfillRow(**{**{name: getattr(row, name) for name in backfills.COLUMNS}, "scheduled_run_id": digest})


def _existing(unit: Unit, tenant: Tenant, backfill_id: str) -> BackfillStanding:
    row = backfills.get(unit, tenant.org_slug, backfill_id)
    if row is None:
        raise Missing(f"{tenant.org_slug} has no backfill {backfill_id[:80]!r}")
    return standing_of(row, backfills.windows(unit, backfill_id))


def _cancel(unit: Unit, services: Services, actor: Actor, tenant: Tenant, backfill_id: str) -> BackfillStanding:
    orgs.alone(unit, tenant.org_slug)
    now, why = services.clock.now(), "the backfill was cancelled"
    _existing(unit, tenant, backfill_id)
    # closed before its windows are looked at: one that is accepted meanwhile is seen here, or sees that it is closed
    fresh = backfills.close(unit, backfill_id, "CANCELLED", now, why)
    slots.give_up(unit, backfill_id, before=now + timedelta(days=1), state="CANCELLED", at=now, why=why)
    standing = _existing(unit, tenant, backfill_id)
    # asked again, it stops what a cancellation that was broken off left running
    if not fresh and (standing.row.state != "CANCELLED" or standing.under_way is None):
        raise Conflict(f"the backfill {backfill_id} is over already: {standing.row.state}", state=standing.row.state)
    audit_trail.note(unit, services, actor, "backfills.cancel", f"backfills/{backfill_id}", org_slug=tenant.org_slug)
    return standing


def _rejected(field: str, message: str) -> Rejected:
    return Rejected(f"{field}: {message}", flaws=[Flaw(message, field)])
