"""From a window that has ended to the next, and to the backfill's own end."""

from datetime import timedelta

import structlog

from src.core.backfill.cutting import cut
from src.core.base.identity import Actor
from src.core.base.names import OrgSlug
from src.core.base.window import Window
from src.core.ledger.store import Unit
from src.core.ledger.tables import backfills, orgs, slots
from src.core.ledger.tables.backfills import OPEN, UNDER_WAY, BackfillRow, BackfillWindow
from src.core.ledger.tables.slots import Slot
from src.core.step import audit_trail
from src.core.step.context import Services

log = structlog.get_logger("scheduler")

WINDOW_DAYS, INPUTS = "window_days", "inputs"


def next_window(unit: Unit, services: Services, seen: BackfillRow) -> Slot | None:
    """The window that waits from now on; None while another is under way, and when there is none left."""
    orgs.alone(unit, seen.org_slug)
    row = backfills.get(unit, seen.org_slug, seen.scheduled_run_id)
    if row is None or row.state != OPEN:
        return None
    noted = backfills.windows(unit, row.scheduled_run_id)
    if any(window.state in UNDER_WAY for window in noted):
        return None
    planned = windows_of(row)
    if len(noted) >= len(planned):
        _close(unit, services, row, noted)
        return None
    slot = _slot(services, row, len(noted), planned[len(noted)])
    return slot if slots.note(unit, slot) else None


def windows_of(row: BackfillRow) -> list[Window]:
    return cut(Window(row.window_start, row.window_end), int(row.parameters[WINDOW_DAYS]))


def _slot(services: Services, row: BackfillRow, number: int, window: Window) -> Slot:
    # a moment of its own for each window: a schedule's id and due time are one slot
    due, now = row.created_at + timedelta(milliseconds=number), services.clock.now()
    return Slot(
        scheduled_run_id=slots.slot_id(row.scheduled_run_id, due),
        org_slug=row.org_slug,
        config_id=row.scheduled_run_id,
        pipeline_id=row.pipeline_id,
        document=row.document,
        scheduled_time=due,
        created_at=now,
        available_at=now,
        max_retries=row.max_retries,
        priority=row.priority,
        window_start=window.start,
        window_end=window.end,
        parameters=dict(row.parameters[INPUTS]),
        trigger_type="backfill",
    )


def _close(unit: Unit, services: Services, row: BackfillRow, noted: list[BackfillWindow]) -> None:
    failed = [window for window in noted if window.state != "COMPLETED"]
    why = f"{len(failed)} of {len(noted)} windows did not end well; ask for them again" if failed else None
    if not backfills.close(unit, row.scheduled_run_id, "FAILED" if failed else "COMPLETED", services.clock.now(), why):
        return
    log.info("backfill.ended", backfill_id=row.scheduled_run_id, org=row.org_slug, windows=len(noted), failed=len(failed))
    audit_trail.note(
        unit,
        services,
        Actor("system", OrgSlug(row.org_slug)),
        "backfills.finished",
        f"backfills/{row.scheduled_run_id}",
        org_slug=row.org_slug,
        outcome="FAILED" if failed else "SUCCESS",
        details={"windows": len(noted), "failed": len(failed)},
    )
