"""A plan of one run at once: fresh work goes before what waits, and never two at once."""

from datetime import date
from typing import Any

import pytest

from src.core.base.faults import QuotaExceeded, Unavailable
from src.core.base.identity import Actor
from src.core.ledger.plans import Plan
from src.core.ledger.tables import queue, quotas
from src.core.scheduler import accounting
from src.core.scheduler.cancel import cancel
from src.core.scheduler.claims import next_claim
from src.core.scheduler.lease import Lease
from src.core.scheduler.progress import Board
from src.core.scheduler.settling import Ending, Passing
from src.core.schedules.trigger import go_on
from tests.contract.ledger.rivals import at_once
from tests.core.backfill.test_backfill import ask
from tests.core.scheduler.parts import NOON, day
from tests.core.schedules.parts import RUNS, later, rows, schedule, triggered

ONE = Plan("ONE", 50, 900, 1)


def claimed(work):
    return next_claim(work, "worker")


def ended(work, claim, **more: Any):
    lease = Lease(work, claim, Board([], work.clock), work.clock.sleep)
    ending = {"status": "SUCCESS", "at": work.clock.now(), "actor": Actor("system")} | more
    lease.settle(Ending(run_id=claim.run_id, audit_id=work.ids.new(), org_slug="acme", **ending))


def fresh(work, number, document="slow"):
    return work.accept(document=document, window=day(number)).run.pipeline_logging_id


def agrees(work):
    return not accounting.check(work).disagreeing


async def test_what_is_asked_for_while_a_window_runs_begins_when_it_is_over_and_before_the_next(work):
    asked = ask(work, plan=ONE)
    triggered(work)
    window = claimed(work)
    assert (window.trigger, work.running()) == ("backfill", 1)

    mine = fresh(work, 1)

    assert (work.run(mine).status, claimed(work)) == ("QUEUED", None)
    with pytest.raises(QuotaExceeded, match="at once"):
        fresh(work, 2)
    ended(work, window)
    assert go_on(work, work.catalog, asked.standing.row)
    begun = claimed(work)
    assert (begun.run_id, claimed(work), work.running()) == (mine, None, 1)
    assert agrees(work)
    ended(work, begun)
    assert (claimed(work).trigger, work.running()) == ("backfill", 1)
    assert agrees(work)


async def test_a_window_that_waits_keeps_nobody_waiting_and_is_cancelled_without_freeing_anything(work):
    ask(work, plan=ONE)
    triggered(work)
    [window] = rows(work, RUNS)
    mine = fresh(work, 1)
    assert (claimed(work).run_id, claimed(work)) == (mine, None)

    cancel(work, tenant=work.tenant(), actor=Actor("root"), run_id=window["pipeline_logging_id"])

    assert (work.running(), agrees(work)) == (1, True)


async def test_a_schedule_goes_before_the_windows_too(work):
    ask(work, plan=ONE)
    triggered(work)
    window = claimed(work)
    schedule(work, parameters={"window": "last_7_days"})
    assert triggered(work).queued_count == 1
    ended(work, window)
    triggered(work)

    assert claimed(work).window.start == date(2026, 11, 13)


async def test_with_three_places_no_more_than_three_are_at_work(work):
    for who in "ab":
        ask(work, plan=Plan("THREE", 50, 900, 3), who=who)
    triggered(work)
    # of one pipeline one run at a time
    windows = [claimed(work)]
    assert claimed(work) is None
    for number in range(3):
        fresh(work, number, document="slow")
    with pytest.raises(QuotaExceeded):
        fresh(work, 9)
    assert claimed(work).trigger == "api"
    assert work.running() == 4
    with pytest.raises(QuotaExceeded):
        fresh(work, 9, document="slower")
    ended(work, windows[0])
    assert (work.running(), agrees(work)) == (3, True)


async def test_a_run_that_waits_for_its_next_try_leaves_its_place_and_takes_it_again(work):
    schedule(work, plan=ONE, document="slower", pipeline_id="acme-azure-cost")
    triggered(work)
    first = claimed(work)
    ended(
        work,
        first,
        status="FAILED",
        error_code=Unavailable.code,
        error_message="away",
        passing=Passing(first.entry.scheduled_run_id, first.attempt, None),
    )
    assert (work.run(first.run_id).status, work.running(), agrees(work)) == ("QUEUED", 0, True)

    mine = fresh(work, 1)
    at_work = claimed(work)
    later(work, minutes=5)
    assert (at_work.run_id, claimed(work), work.running()) == (mine, None, 1)
    # nor is it cancelled by having its place freed a second time
    ended(work, at_work)
    again = claimed(work)
    assert (again.run_id, again.attempt, work.running(), agrees(work)) == (first.run_id, 2, 1, True)
    ended(work, again)
    assert (work.running(), agrees(work)) == (0, True)
    assert work.ledger.read(quotas.usage, "acme", NOON.date()).run_today == 2


async def test_many_that_ask_at_once_beside_a_window_are_admitted_as_the_plan_allows(work):
    ask(work, plan=Plan("TWO", 50, 900, 2))
    triggered(work)
    assert claimed(work).trigger == "backfill"

    def one(number):
        try:
            return fresh(work, number) is not None
        except QuotaExceeded:
            return False

    numbers = iter(range(40))
    assert sum(at_once(40, lambda: one(next(numbers)))) == 2
    assert [entry.waits_for for entry in map(work.queued, (row["pipeline_logging_id"] for row in rows(work, RUNS)))].count("turn") == 1


async def test_a_worker_that_dies_with_a_window_leaves_its_place_to_who_takes_it_over(work):
    ask(work, plan=ONE)
    triggered(work)
    claimed(work)
    later(work, minutes=5)
    for entry in work.ledger.read(queue.expired, work.clock.now()):
        assert work.ledger.write(queue.take_over, entry, work.clock.now(), "died")

    again = claimed(work)

    assert (again.trigger, work.running()) == ("backfill", 1)
    ended(work, again)
    assert work.running() == 0
