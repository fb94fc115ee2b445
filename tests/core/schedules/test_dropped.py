"""Where nobody waits for another's unit, a backfill or a schedule may end between the statements that note its slot and run it."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from src.core.backfill import asking
from src.core.base.identity import Actor
from src.core.base.window import Window
from src.core.ledger.tables import configs, queue, slots
from src.core.schedules.editing import AskedSchedule, ScheduleEditor
from src.core.schedules.trigger import slot_of
from tests.core.scheduler.parts import NOON
from tests.core.schedules.parts import RUNS, later, rows, schedule, triggered

WEEK = Window(date(2026, 7, 1), date(2026, 7, 7))


@pytest.fixture
def work(work, monkeypatch):
    monkeypatch.setattr(type(work.ledger._engine), "traits", replace(work.ledger.traits, undoes=False))
    return work


def meanwhile(monkeypatch, statement, act):
    """`act` comes right before the statement, once."""
    real = getattr(slots, statement)

    def between(unit, *args: Any, **more: Any):
        monkeypatch.setattr(slots, statement, real)
        act(unit)
        return real(unit, *args, **more)

    monkeypatch.setattr(slots, statement, between)


def asked(work):
    tenant, entry = work.tenant(), work.catalog.get("quick")
    made = asking.ask(work, work.catalog, tenant=tenant, actor=Actor("root"), entry=entry, days=WEEK, inputs={})
    return made.standing.row.scheduled_run_id


def cancelling(work, backfill_id):
    return lambda unit: asking._cancel(unit, work, Actor("root"), work.tenant(), backfill_id)


def nothing_runs(work):
    assert {row["state"] for row in rows(work) if row["config_id"]} == {"CANCELLED"}
    assert rows(work, queue.QUEUE) == []
    assert {row["status"] for row in rows(work, RUNS)} <= {"CANCELLED"}
    assert work.running() == 0
    later(work, hours=2)
    assert triggered(work).queued_count == 0


@pytest.mark.parametrize("statement", ["note", "tie"])
def test_a_window_of_a_backfill_that_is_cancelled_before_it_is_noted_or_accepted_is_not_run(work, monkeypatch, statement):
    meanwhile(monkeypatch, statement, cancelling(work, asked(work)))

    assert triggered(work).queued_count == 0

    nothing_runs(work)


def test_a_cancellation_that_broke_off_is_completed_by_the_next(work):
    backfill_id = asked(work)
    assert triggered(work).queued_count == 1
    work.ledger.write(asking._cancel, work, Actor("root"), work.tenant(), backfill_id)
    assert len(rows(work, queue.QUEUE)) == 1

    asking.cancel(work, tenant=work.tenant(), actor=Actor("root"), backfill_id=backfill_id)

    nothing_runs(work)


@pytest.mark.parametrize("how", ["removed", "paused"])
def test_the_slot_of_a_schedule_that_went_before_it_was_noted_is_not_run(work, how):
    seen = schedule(work)
    editor = ScheduleEditor(work, work.catalog, Actor("root"), work.tenant())
    if how == "removed":
        editor.remove(seen.config_id)
    else:
        editor.change(seen.config_id, AskedSchedule(is_active=False))
    # by a trigger that had read the schedule as it was
    work.ledger.write(slots.note, replace(slot_of(seen, NOON, NOON), available_at=NOON))

    assert triggered(work).queued_count == 0

    nothing_runs(work)
    assert (work.ledger.read(configs.get, "acme", seen.config_id) is None) is (how == "removed")
