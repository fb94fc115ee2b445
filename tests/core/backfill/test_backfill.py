from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest

from src.core.backfill import asking
from src.core.backfill.cutting import cut
from src.core.base.faults import Conflict, Rejected
from src.core.base.identity import Actor
from src.core.base.window import Window
from src.core.ledger.plans import Plan
from src.core.ledger.tables import backfills, queue, quotas, runs
from src.core.scheduler import accounting
from src.core.scheduler.settling import Ending, settle
from src.core.schedules.trigger import follow, go_on
from tests.contract.ledger.rivals import at_once
from tests.core.scheduler.parts import NOON, at_work, stage, until
from tests.core.schedules.parts import RUNS, later, rows, schedule, triggered

QUARTER = Window(date(2026, 7, 1), date(2026, 9, 30))


def ask(work, days=QUARTER, *, slug="acme", document="quick", plan: Plan | None = None, **inputs: Any):
    tenant = work.tenant(slug, plan) if plan else work.tenant(slug)
    entry = work.catalog.get(document)
    return asking.ask(work, work.catalog, tenant=tenant, actor=Actor("org", tenant.org_slug), entry=entry, days=days, inputs=inputs)


def standing(work, asked):
    return asking.existing(work, work.tenant(), asked.standing.row.scheduled_run_id)


def cancel(work, asked):
    return asking.cancel(work, tenant=work.tenant(), actor=Actor("root"), backfill_id=asked.standing.row.scheduled_run_id)


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
    with work.ledger.writing() as unit:
        unit.change(lambda tables: tables[queue.QUEUE].delete(), {})
        assert settle(unit, ending)


def waiting_run(work):
    [entry] = rows(work, queue.QUEUE)
    return entry


def documented(work, **backfill: Any):
    entry = work.catalog.get("quick")
    spec = entry.document.backfill.model_copy(update=backfill)
    work.catalog.entries["quick"] = replace(entry, document=entry.document.model_copy(update={"backfill": spec}))


@pytest.mark.parametrize(("days", "sizes"), [(31, [31, 31, 30]), (92, [92]), (200, [92]), (1, [1] * 92)])
def test_windows_cover_each_day_once(days, sizes):
    windows = cut(QUARTER, days)

    assert [len(window) for window in windows] == sizes
    assert [day for window in windows for day in window] == list(QUARTER)


def test_one_window_after_the_other_is_run_to_the_end(work):
    asked = ask(work, who="ada")
    seen = []
    for _ in range(3):
        assert triggered(work).queued_count == 1
        assert triggered(work).queued_count == 0
        entry = waiting_run(work)
        seen.append((entry["window_start"], entry["window_end"]))
        assert (entry["priority"], entry["parameters"]) == (-10, {"stage": "plain", "who": "ada"})
        later(work, minutes=10)
        end(work, entry["pipeline_logging_id"])

    triggered(work)

    assert seen == [(window.start, window.end) for window in cut(QUARTER, 31)]
    now = standing(work, asked)
    assert (now.row.state, len(now.done), now.failed, now.days) == ("COMPLETED", 3, [], 92)
    assert {run["trigger_type"] for run in rows(work, RUNS)} == {"backfill"}
    assert {run["user_id"] for run in rows(work, RUNS)} == {None}


def test_it_takes_one_run_of_the_plan_a_day_and_the_count_agrees(work):
    ask(work, plan=Plan("P", 2, 9, 2))
    for _ in range(2):
        triggered(work)
        end(work, waiting_run(work)["pipeline_logging_id"])
    triggered(work)
    used = work.ledger.read(quotas.usage, "acme", NOON.date())
    assert (used.run_today, used.run_month, used.running) == (1, 1, 0)
    assert not accounting.check(work).disagreeing

    end(work, waiting_run(work)["pipeline_logging_id"])
    assert work.running() == 0


def test_the_next_day_takes_another(work):
    ask(work, plan=Plan("P", 1, 9, 2))
    triggered(work)
    end(work, waiting_run(work)["pipeline_logging_id"])
    later(work, days=1)

    assert triggered(work).queued_count == 1

    used = work.ledger.read(quotas.usage, "acme", NOON.date() + timedelta(days=1))
    assert (used.run_today, used.run_month) == (1, 2)
    assert not accounting.check(work).disagreeing


def test_windows_count_on_the_day_on_which_they_come_into_the_queue(work):
    tomorrow = NOON.date() + timedelta(days=1)
    ask(work, plan=Plan("P", 2, 9, 1))
    triggered(work)
    end(work, waiting_run(work)["pipeline_logging_id"])
    work.accept()
    assert triggered(work).queued_count == 1
    later(work, days=1)

    for _ in range(2):
        end(work, next(entry for entry in rows(work, queue.QUEUE) if entry["priority"] < 0)["pipeline_logging_id"])
        later(work, hours=1)
        triggered(work)

    assert work.ledger.read(quotas.usage, "acme", tomorrow).run_today == 1
    assert not accounting.check(work).disagreeing


def test_a_plan_that_is_used_up_has_the_window_wait_and_says_why(work):
    work.tenant("acme", Plan("P", 1, 9, 2))
    work.accept()
    asked = ask(work)

    found = triggered(work)

    assert (found.triggered_count, found.queued_count) == (1, 0)
    window = standing(work, asked).under_way
    assert (window.state, window.available_at) == ("WAITING", NOON + timedelta(hours=12))
    assert "allows 1 runs a day" in window.error_message
    later(work, hours=12)
    assert triggered(work).queued_count == 1


def test_the_same_asked_again_is_the_same_while_it_goes_on(work):
    first = ask(work)
    again = ask(work)
    other = ask(work, who="bea")
    assert (first.fresh, again.fresh, other.fresh) == (True, False, True)
    assert first.standing.row.scheduled_run_id == again.standing.row.scheduled_run_id != other.standing.row.scheduled_run_id
    cancel(work, first)

    anew = ask(work)

    assert anew.fresh
    assert anew.standing.row.scheduled_run_id != first.standing.row.scheduled_run_id


def test_many_that_ask_at_once_have_one(work):
    work.tenant()

    answers = at_once(40, lambda: ask(work))

    assert sum(asked.fresh for asked in answers) == 1
    assert len({asked.standing.row.scheduled_run_id for asked in answers}) == 1


def test_many_that_drive_it_at_once_queue_each_window_once(work):
    asked = ask(work)

    at_once(40, lambda: triggered(work))
    at_once(40, lambda: go_on(work, work.catalog, asked.standing.row))

    assert len(rows(work, RUNS)) == len(rows(work, queue.QUEUE)) == 1
    assert len(standing(work, asked).noted) == 1


def test_a_failed_window_is_told_and_the_others_go_on(work):
    asked = ask(work)
    for status in ("SUCCESS", "FAILED", "SUCCESS"):
        triggered(work)
        end(work, waiting_run(work)["pipeline_logging_id"], status)
    triggered(work)

    now = standing(work, asked)

    assert (now.row.state, len(now.done), len(now.failed)) == ("FAILED", 2, 1)
    assert "1 of 3 windows" in now.row.error_message
    assert now.failed[0].window_start == date(2026, 8, 1)


def test_a_cancelled_one_stops_its_window_and_notes_no_more(work):
    asked = ask(work)
    triggered(work)
    entry = waiting_run(work)

    assert cancel(work, asked).row.state == "CANCELLED"

    assert work.run(entry["pipeline_logging_id"]).status == "CANCELLED"
    assert (triggered(work).triggered_count, work.running()) == (0, 0)
    with pytest.raises(Conflict, match="over already"):
        cancel(work, asked)


def test_one_that_waits_for_its_first_try_is_cancelled_with_its_window(work):
    work.tenant("acme", Plan("P", 1, 9, 2))
    work.accept()
    asked = ask(work)
    triggered(work)

    cancel(work, asked)

    assert [window.state for window in standing(work, asked).noted] == ["CANCELLED"]


def test_fresh_work_goes_before_it(work):
    ask(work)
    triggered(work)
    schedule(work, document="slow", pipeline_id="acme-aws-cost")
    triggered(work)

    claimed = work.ledger.write(queue.claim, "w", work.clock.now(), work.clock.now() + timedelta(seconds=30))

    assert claimed.document == "slow"


def test_what_the_provider_does_not_serve_is_said_at_once(work):
    documented(work, keeps_days=90)

    told = ask(work).standing

    assert (told.row.window_start, told.unserved) == (date(2026, 8, 22), Window(date(2026, 7, 1), date(2026, 8, 21)))
    with pytest.raises(Rejected, match="serves 90 days back, from 2026-08-22 on, and nothing of"):
        ask(work, Window(date(2026, 1, 1), date(2026, 1, 31)))


@pytest.mark.parametrize(
    ("days", "says"),
    [
        (Window(date(2026, 11, 1), date(2026, 11, 20)), "is not past; name 2026-11-19"),
        (Window(date(2009, 1, 1), date(2026, 1, 1)), "name 2010-01-01"),
    ],
)
def test_days_that_are_none_of_the_past_are_refused(work, days, says):
    with pytest.raises(Rejected, match=says):
        ask(work, days)


def test_too_many_windows_are_refused(work):
    documented(work, window_days=1)
    with pytest.raises(Rejected, match="400 at most"):
        ask(work, Window(date(2020, 1, 1), date(2025, 1, 1)))


def test_an_input_that_its_runs_would_refuse_is_refused_at_once(work):
    with pytest.raises(Rejected, match="whom"):
        ask(work, whom="ada")
    assert not rows(work)


def test_an_organisation_has_so_many_at_once_and_no_more(work, monkeypatch):
    monkeypatch.setattr(asking, "MOST_OPEN", 2)
    ask(work, who="a")
    ask(work, who="b")
    with pytest.raises(Conflict, match="2 backfills"):
        ask(work, who="c")


def test_rate_and_end_are_told_as_it_has_gone(work):
    asked = ask(work)
    triggered(work)
    assert standing(work, asked).days_per_hour(work.clock.now()) is None
    later(work, minutes=31)
    end(work, waiting_run(work)["pipeline_logging_id"])
    triggered(work)

    now = standing(work, asked)

    assert now.days_per_hour(work.clock.now()) == 60.0
    assert now.ends_at(work.clock.now()) == work.clock.now() + timedelta(hours=61 / 60)


async def test_a_worker_drives_it_to_its_end_by_itself(work):
    stage()
    work.tenant(dataset=True)
    asked = ask(work)
    assert go_on(work, work.catalog, asked.standing.row)

    async with at_work(work, follow=partial(follow, work, work.catalog)):
        await until(lambda: standing(work, asked).over)

    assert Counter(window.state for window in standing(work, asked).noted) == {"COMPLETED": 3}


def test_one_whose_driver_died_between_windows_goes_on(work):
    """As after a kill between the end of a run and the note of the next window; the window's slot does not know of its run's end."""
    asked = ask(work)
    triggered(work)
    work.ledger.write(runs.finish, waiting_run(work)["pipeline_logging_id"], status="SUCCESS", at=NOON)
    with work.ledger.writing() as unit:
        unit.change(lambda tables: tables[queue.QUEUE].delete(), {})
        quotas.release(unit, "acme", NOON)

    assert triggered(work).queued_count == 1

    assert [window.state for window in standing(work, asked).noted] == ["COMPLETED", "QUEUED"]


def test_others_do_not_see_it(work):
    asked = ask(work)
    work.tenant("other")
    assert work.ledger.read(backfills.get, "other", asked.standing.row.scheduled_run_id) is None
    assert work.ledger.read(backfills.listing, "other", 10) == []
