from collections import Counter
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest

from src.core.base.faults import Throttled
from src.core.base.identity import Actor
from src.core.ledger.plans import Plan
from src.core.ledger.tables import configs, queue, runs, scheduled, slots
from src.core.scheduler.settling import Ending, settle
from src.core.schedules.trigger import follow, slot_of
from src.core.step import subscriptions
from src.core.step.subscriptions import SubscriptionChange
from tests.core.scheduler.parts import NOON, at_work, until
from tests.core.schedules.parts import RUNS, later, rows, schedule, triggered

DAY = timedelta(days=1)


def end(work, run_id, status="SUCCESS"):
    ending = Ending(
        run_id=run_id,
        audit_id=work.ids.new(),
        org_slug="acme",
        pipeline_id="acme-gcp-cost",
        actor=Actor("system"),
        status=status,
        at=work.clock.now(),
    )
    assert work.ledger.write(settle, ending)


def told(found):
    return (found.triggered_count, found.queued_count, len(found.skipped))


def states(work):
    return [row["state"] for row in rows(work)]


def test_a_due_schedule_becomes_a_run_of_nobody_and_moves_on(work):
    schedule(work, priority=4, parameters={"window": "yesterday", "stage": "plain"})

    assert told(triggered(work)) == (1, 1, 0)

    [slot] = rows(work)
    [run] = rows(work, RUNS)
    entry = work.queued(run["pipeline_logging_id"])
    assert slot["scheduled_run_id"] == slots.slot_id("c1", NOON)
    assert (slot["state"], slot["scheduled_time"], slot["trigger_type"], slot["max_retries"]) == ("QUEUED", NOON, "schedule", 3)
    assert (run["trigger_type"], run["user_id"], run["request_id"], run["window_start"]) == ("schedule", None, None, date(2026, 11, 19))
    assert (entry.priority, entry.user_id, entry.parameters) == (4, None, {"stage": "plain"})
    moved = work.ledger.read(configs.get, "acme", "c1")
    assert (moved.last_run_time, moved.next_run_time) == (NOON, NOON + DAY)


def test_a_pass_that_broke_off_between_two_notes_leaves_one_slot_to_run(work):
    made = schedule(work)
    later(work, days=1)
    for due in (NOON, NOON + DAY):
        work.ledger.write(slots.note, slot_of(made, due, work.clock.now()))

    triggered(work)
    later(work, minutes=2)
    triggered(work)

    assert states(work) == ["MISSED", "QUEUED"]
    assert len(rows(work, RUNS)) == 1


def test_the_same_slot_is_never_run_twice(work):
    schedule(work)
    triggered(work)
    end(work, rows(work, RUNS)[0]["pipeline_logging_id"])

    assert told(triggered(work)) == (0, 0, 0)
    assert states(work) == ["COMPLETED"]
    assert len(rows(work, RUNS)) == 1


def test_a_slot_that_was_noted_by_one_who_died_is_tried_by_another(work):
    seen = schedule(work)
    from_dead = slots.Slot(
        scheduled_run_id=slots.slot_id("c1", NOON),
        org_slug="acme",
        config_id="c1",
        pipeline_id=seen.pipeline_id,
        document="quick",
        scheduled_time=NOON,
        created_at=NOON,
        available_at=NOON + timedelta(minutes=2),
        max_retries=3,
        window_start=date(2026, 11, 19),
        window_end=date(2026, 11, 19),
    )
    assert work.ledger.write(slots.note, from_dead)

    # the schedule was due still: it moves on, and nobody tries what another may be trying
    assert told(triggered(work)) == (0, 0, 0)
    later(work, minutes=2)
    assert told(triggered(work)) == (1, 1, 0)
    assert states(work) == ["QUEUED"]


def test_a_quota_that_is_used_up_has_the_slot_wait_for_the_organisations_next_day(work):
    work.tenant("acme", Plan("P", 1, 9, 9))
    schedule(work)
    taken = work.accept(inputs={"who": "by hand"})

    found = triggered(work)
    assert told(found) == (1, 0, 1)
    assert "allows 1 runs a day" in found.skipped[0].reason
    [slot] = [row for row in rows(work) if row["config_id"]]
    assert (slot["state"], slot["available_at"]) == ("WAITING", NOON + timedelta(hours=12))
    assert slot["error_message"] == found.skipped[0].reason
    end(work, taken.run.pipeline_logging_id)
    later(work, hours=11)
    assert told(triggered(work)) == (0, 0, 0)
    later(work, hours=1)
    assert told(triggered(work)) == (1, 1, 0)
    # the day that it was due for, not the one on which it ran
    assert rows(work, RUNS)[-1]["window_start"] == date(2026, 11, 19)


def test_a_blocked_organisation_has_one_slot_waiting_and_runs_when_it_is_unblocked(work):
    tenant = work.tenant()
    schedule(work)
    subscriptions.change(work, Actor("root"), tenant, SubscriptionChange(status="SUSPENDED"))
    for _ in range(5):
        assert triggered(work).queued_count == 0
        later(work, days=1)

    assert Counter(states(work)) == {"WAITING": 1, "MISSED": 4}
    assert not rows(work, queue.QUEUE)
    assert "suspended" in rows(work)[-1]["error_message"]

    subscriptions.change(work, Actor("root"), tenant, SubscriptionChange(status="ACTIVE"))
    later(work, days=-1, hours=1)
    assert told(triggered(work)) == (1, 1, 0)


def test_the_same_pipeline_and_window_in_the_queue_is_the_slots_run(work):
    by_hand = work.accept()
    schedule(work)

    found = triggered(work)

    assert told(found) == (1, 0, 1)
    assert by_hand.run.pipeline_logging_id in found.skipped[0].reason
    end(work, by_hand.run.pipeline_logging_id, "FAILED")
    assert states(work) == ["FAILED", "FAILED"]
    later(work, hours=1)
    assert told(triggered(work)) == (0, 0, 0)


def test_a_run_that_ended_while_a_slot_was_tied_to_it_ends_the_slot(work):
    schedule(work)
    triggered(work)
    [run] = rows(work, RUNS)
    # as somebody does who does not see the slot yet
    work.ledger.write(runs.finish, run["pipeline_logging_id"], status="SUCCESS", at=NOON)
    assert states(work) == ["QUEUED"]

    triggered(work)

    assert states(work) == ["COMPLETED"]


@pytest.mark.parametrize(("catch_up", "slots_run"), [(False, [5]), (True, [0, 1, 2, 3, 4, 5])])
def test_slots_that_were_missed_run_once_or_each(work, catch_up, slots_run):
    schedule(work, catch_up=catch_up)
    later(work, days=5, hours=1)

    found = triggered(work)

    assert found.queued_count == len(slots_run)
    missed = [row for row in rows(work) if row["state"] == "MISSED"]
    assert [row["scheduled_time"] for row in rows(work) if row not in missed] == [NOON + number * DAY for number in slots_run]
    # the first stands for all that nobody looked for
    last = (NOON + 5 * DAY).isoformat()
    told = [] if catch_up else [(NOON, f"the slot of {last} took its place, and that of all between")]
    assert [(row["scheduled_time"], row["error_message"]) for row in missed] == told
    assert work.ledger.read(configs.get, "acme", "c1").next_run_time == NOON + 6 * DAY


def test_one_with_many_does_not_keep_others_from_their_turn(work):
    for number in range(8):
        schedule(work, "big", f"b{number}", parameters={"who": str(number)})
    schedule(work, "small", "s1")

    found = triggered(work, most=3)

    assert (found.triggered_count, found.more) == (3, True)
    assert Counter(row["org_slug"] for row in rows(work)) == {"big": 2, "small": 1}
    while found.more:
        found = triggered(work, most=3)
    assert len(rows(work)) == 9


def test_what_cannot_run_says_why_and_is_not_lost(work):
    schedule(work, document="gone/for_good")

    found = triggered(work)

    assert "no pipeline 'gone/for_good'" in found.skipped[0].reason
    assert states(work) == ["WAITING"]
    later(work, hours=1)
    assert told(triggered(work)) == (1, 0, 1)


def test_one_that_is_paused_is_not_due(work):
    schedule(work, is_active=False)

    assert told(triggered(work)) == (0, 0, 0)


async def test_what_waits_for_a_place_has_it_as_soon_as_a_run_is_over(work):
    work.tenant("acme", Plan("P", 9, 99, 1), dataset=True)
    for number in range(3):
        schedule(work, config_id=f"c{number}", parameters={"who": str(number)})
    assert told(triggered(work)) == (3, 1, 2)

    async with at_work(work, follow=partial(follow, work, work.catalog)):
        await until(lambda: states(work) == ["COMPLETED"] * 3)


def test_a_ledger_that_breaks_off_leaves_the_rest_due(work, monkeypatch):
    for number in range(3):
        schedule(work, config_id=f"c{number}", parameters={"who": str(number)})
    write, times = work.ledger.write, iter(range(100))

    def breaking(op: Any, *args: Any, **more: Any) -> Any:
        if next(times) == 2:
            raise Throttled("busy")
        return write(op, *args, **more)

    monkeypatch.setattr(work.ledger, "write", breaking)
    found = triggered(work)
    assert (found.queued_count, found.more) == (1, True)
    assert triggered(work).queued_count == 2


def test_a_run_by_hand_keeps_its_own_triggering(work):
    accepted = work.accept()

    [row] = rows(work)
    assert (row["scheduled_run_id"], row["config_id"]) == (accepted.run.pipeline_logging_id, None)
    work.ledger.write(scheduled.start, accepted.run.pipeline_logging_id, NOON)
    assert states(work) == ["RUNNING"]
