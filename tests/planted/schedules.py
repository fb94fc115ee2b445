"""What runs by itself."""

from tests.planted.defect import Defect

TRIGGER = "src/core/schedules/trigger.py"
TESTS = "tests/core/schedules/test_trigger.py"

DEFECTS = (
    Defect(
        "schedules",
        "begun in the second of two equal hours, a time of day falls due in the first, which is over",
        "src/core/base/cron.py",
        "            if due > last:",
        "            if True:",
        ("tests/core/schedules/test_cron.py::test_begun_in_the_second_of_two_equal_hours_it_does_not_fall_due_in_the_first",),
    ),
    Defect(
        "schedules",
        "a slot that another has noted is tried by whoever meets it",
        TRIGGER,
        "    if not noted:",
        "    if False:",
        (f"{TESTS}::test_a_slot_that_was_noted_by_one_who_died_is_tried_by_another",),
    ),
    Defect(
        "schedules",
        "who waits in one pass is tried in all at once",
        TRIGGER,
        "    if not slots.take(unit, slot, services.clock.now() + TRYING):",
        "    if False:",
        ("tests/contract/ledger/test_schedules.py::test_a_slot_that_two_find_is_tried_by_one[sqlite]",),
    ),
    Defect(
        "schedules",
        "days of waiting come as as many runs",
        TRIGGER,
        "    if not schedule.catch_up:",
        "    if False:",
        (f"{TESTS}::test_a_blocked_organisation_has_one_slot_waiting_and_runs_when_it_is_unblocked",),
    ),
    Defect(
        "schedules",
        "of due times that passed while nobody looked no row tells",
        TRIGGER,
        "    if due > seen.next_run_time:",
        "    if False:",
        (
            f"{TESTS}::test_slots_that_were_missed_run_once_or_each",
            "tests/core/schedules/test_a_day.py::test_each_slot_of_a_day_ran_once_or_is_accounted_for",
        ),
    ),
    Defect(
        "schedules",
        "a run is settled in one trip by a worker that has lost it",
        "src/core/scheduler/lease.py",
        "    queue.complete_surely(unit, hold, unusual)",
        "    queue.complete_later(unit, hold)",
        ("tests/core/schedules/test_a_day.py::test_each_slot_of_a_day_ran_once_or_is_accounted_for",),
    ),
    Defect(
        "schedules",
        "a run is settled by a worker that has lost it",
        "src/core/scheduler/lease.py",
        "    if not queue.keep(unit, hold, ending.at, until):",
        "    if False:",
        ("tests/core/schedules/test_a_day.py::test_each_slot_of_a_day_ran_once_or_is_accounted_for",),
    ),
    Defect(
        "schedules",
        "a run of a schedule is the user's who happened to call",
        TRIGGER,
        "            trigger=slot.trigger_type,",
        '            trigger="api",',
        (f"{TESTS}::test_a_due_schedule_becomes_a_run_of_nobody_and_moves_on",),
    ),
    Defect(
        "schedules",
        "one organisation's many stand before another's first",
        "src/core/ledger/tables/configs.py",
        "        .order_by(found.c.turn, found.c.priority.desc(), found.c.next_run_time, found.c.config_id)",
        "        .order_by(found.c.priority.desc(), found.c.next_run_time, found.c.config_id)",
        (f"{TESTS}::test_one_with_many_does_not_keep_others_from_their_turn",),
    ),
    Defect(
        "schedules",
        "two processes keep the time",
        "src/core/ledger/tables/configs.py",
        'configs.c.lease_owner == bindparam("by"), configs.c.lease_expires_at <= at)',
        'configs.c.lease_owner == bindparam("by"), configs.c.lease_expires_at >= at)',
        ("tests/contract/ledger/test_schedules.py::test_one_owner_has_the_clock[sqlite]",),
    ),
)
