"""Orders for a long past range, and who waits for whom."""

from tests.planted.defect import Defect

TESTS = "tests/core/backfill/test_backfill.py"
PLACES = "tests/core/backfill/test_places.py"

DEFECTS = (
    Defect(
        "backfills",
        "the next window is noted while one is under way",
        "src/core/backfill/advancing.py",
        "    if any(window.state in UNDER_WAY for window in noted):",
        "    if False:",
        (f"{TESTS}::test_many_that_drive_it_at_once_queue_each_window_once",),
    ),
    Defect(
        "backfills",
        "each window takes a run of the plan",
        "src/core/scheduler/acceptance.py",
        "    counts = not _goes_on(unit, request, datetime.combine(day, time(), zone))",
        "    counts = True",
        (f"{TESTS}::test_it_takes_one_run_of_the_plan_a_day_and_the_count_agrees",),
    ),
    Defect(
        "backfills",
        "a backfill counts on its first day alone",
        "src/core/ledger/tables/slots.py",
        "slot.queued_at >= since)",
        "slot.queued_at.is_not(None))",
        (f"{TESTS}::test_the_next_day_takes_another",),
    ),
    Defect(
        "backfills",
        "one whose windows failed is told as whole",
        "src/core/backfill/advancing.py",
        '    failed = [window for window in noted if window.state != "COMPLETED"]',
        "    failed: list[BackfillWindow] = []",
        (f"{TESTS}::test_a_failed_window_is_told_and_the_others_go_on",),
    ),
    Defect(
        "backfills",
        "a window goes before fresh work",
        "src/core/backfill/asking.py",
        "PRIORITY: Final = -10",
        "PRIORITY: Final = 10",
        (f"{TESTS}::test_fresh_work_goes_before_it",),
    ),
    Defect(
        "backfills",
        "retention takes the windows of one that goes on",
        "src/core/ledger/tables/ageing.py",
        "~due, ~ordered)",
        "~due)",
        ("tests/contract/ledger/test_backfills.py::test_retention_leaves_an_open_backfill_with_its_windows[sqlite]",),
    ),
    Defect(
        "fairness",
        "who was served last is forgotten",
        "src/core/ledger/tables/queue.py",
        "    order = (first, turn, queue",
        "    order = (first, queue",
        ("tests/contract/ledger/test_turns.py::test_with_one_place_a_single_run_starts_next_whatever_the_busy_one_queues[sqlite]",),
    ),
    Defect(
        "fairness",
        "a run that ends is no turn of its organisation",
        "src/core/scheduler/leased_journal.py",
        "            had_turn=True,",
        "            had_turn=False,",
        ("tests/core/scheduler/test_turns.py::test_with_one_slot_a_single_run_starts_next_beside_a_busy_organisation",),
    ),
    Defect(
        "fairness",
        "what runs is counted anew for each that waits",
        "src/core/ledger/tables/queue.py",
        "    many = func.coalesce(at_work.c.many, 0)",
        '    many = select(func.count()).where(other.c.org_slug == queue.c.org_slug, other.c.state == "RUNNING").scalar_subquery()',
        ("tests/contract/ledger/test_queue.py::test_one_with_thousands_waiting_does_not_hold_up_one_with_a_single_run[sqlite]",),
    ),
    Defect(
        "plans",
        "a window of a backfill runs beside fresh work, beyond what the plan allows at once",
        "src/core/ledger/tables/places.py",
        'and_(entries.c.waits_for == "turn", own.where(taken <= allowed).exists()),',
        'entries.c.waits_for == "turn",',
        (f"{PLACES}::test_what_is_asked_for_while_a_window_runs_begins_when_it_is_over_and_before_the_next",),
    ),
    Defect(
        "plans",
        "a run that waits for its next try keeps everything else of its organisation waiting",
        "src/core/ledger/tables/retrying.py",
        '.values(status="QUEUED", holds_place=False, error_code=bindparam("code"), error_message=bindparam("why"))',
        '.values(status="QUEUED", error_code=bindparam("code"), error_message=bindparam("why"))',
        (f"{PLACES}::test_a_run_that_waits_for_its_next_try_leaves_its_place_and_takes_it_again",),
    ),
    Defect(
        "backfills",
        "a window that is accepted while its backfill is cancelled runs all the same",
        "src/core/schedules/trigger.py",
        'if accepted.fresh and slot.trigger_type == "backfill" and not _stands(unit, services, slot):',
        'if accepted.fresh and slot.trigger_type == "backfill" and not slot.org_slug:',
        ("tests/core/schedules/test_dropped.py::test_a_window_of_a_backfill_that_is_cancelled_before_it_is_noted_or_accepted_is_not_run",),
    ),
)
