"""Runs that come back: a schedule's by itself, a dead one because somebody asked."""

from datetime import date, timedelta
from typing import Any

import pytest

from src.core.backfill import asking
from src.core.base.faults import Conflict, Missing, QuotaExceeded, Rejected, Throttled, Unavailable
from src.core.base.identity import Actor
from src.core.base.window import Window
from src.core.ledger.plans import Plan
from src.core.ledger.tables import audit, queue, quotas
from src.core.scheduler import accounting
from src.core.scheduler.cancel import cancel
from src.core.scheduler.requeueing import requeue
from src.core.scheduler.retries import FIRST, LONGEST, SPREAD, wait_before
from tests.core.scheduler.parts import NOON, at_work, begun, day, over, settled, stage, until
from tests.core.scheduler.test_worker import abandon
from tests.core.schedules.parts import RUNS, rows, schedule, triggered

ROOT = Actor("root", user_id="maria")
ONE = Plan("ONE", 5, 50, 1)


def failing(fault, times=1_000):
    """Of the first step; how often it was tried."""
    seen = []

    async def act(context):
        if context.step_id == "extract_it":
            seen.append(context)
            if len(seen) <= times:
                raise fault

    stage().act = act
    return seen


def due(work, **more: Any):
    schedule(work, **more)
    assert triggered(work).queued_count == 1
    [run] = rows(work, RUNS)
    return run["pipeline_logging_id"]


def waits(work, run_id):
    return lambda: work.run(run_id).status == "QUEUED" and work.run(run_id).error_message is not None


def tried(work, run_id, seen, times):
    return lambda: len(seen) == times and waits(work, run_id)()


async def again(work, run_id):
    """Lets its wait pass."""
    entry = work.queued(run_id)
    await work.clock.let_pass((entry.available_at - work.clock.now()).total_seconds() + 2)


async def test_a_scheduled_run_that_may_succeed_the_next_time_is_tried_again_after_a_wait(work):
    seen = failing(Unavailable("the provider is away"), times=1)
    run_id = due(work)
    async with at_work(work):
        await until(waits(work, run_id))
        run, entry, [slot] = work.run(run_id), work.queued(run_id), rows(work)
        assert (run.status, run.error_code, run.ended_at, run.user_id) == ("QUEUED", "unavailable", None, None)
        assert run.error_message.startswith("the provider is away; tried again after 2026-11-20T12:01")
        assert (entry.state, entry.last_error, entry.retry_count) == ("QUEUED", run.error_message, 0)
        assert FIRST <= entry.available_at - NOON <= FIRST * (1 + SPREAD) + timedelta(seconds=1)
        assert (slot["state"], slot["retry_count"], slot["error_message"]) == ("QUEUED", 1, run.error_message)
        # counted once, and its place is others' meanwhile
        assert (work.running(), work.ledger.read(quotas.usage, "acme", NOON.date()).run_today) == (0, 1)
        assert not accounting.check(work).disagreeing
        await work.clock.let_pass(30)
        assert len(seen) == 1
        await again(work, run_id)
        await until(over(work, run_id))
        await settled()
    run, [slot] = work.run(run_id), rows(work)
    assert (run.status, run.attempt, run.error_code, run.error_message) == ("SUCCESS", 2, None, None)
    assert (slot["state"], slot["retry_count"], slot["error_message"], work.queued(run_id)) == ("COMPLETED", 1, None, None)
    used = work.ledger.read(quotas.usage, "acme", NOON.date())
    assert (used.running, used.run_today) == (0, 1)
    told = [(line.action, line.outcome, line.user_id) for line in work.ledger.read(audit.page, "acme", None, 9)]
    assert told == [("runs.finished", "SUCCESS", None), ("runs.retry", "FAILED", None)]


async def test_a_worker_that_dies_uses_up_no_try_of_the_slot(work):
    run_id = due(work, max_retries=1, document="slow")
    place = stage()
    worker = work.worker()
    await worker.start()
    await until(begun(place, 2))
    await abandon(worker)
    work.clock.at += 31
    failing(Unavailable("away"), times=1)
    async with at_work(work):
        await until(waits(work, run_id))
    [slot] = rows(work)
    assert (slot["retry_count"], work.queued(run_id).retry_count, work.run(run_id).attempt) == (1, 1, 2)


async def test_after_its_last_try_it_leaves_the_queue_as_failed_with_its_reason(work):
    seen = failing(Throttled("slow down"))
    run_id = due(work, max_retries=2)
    async with at_work(work):
        for tries in (1, 2):
            await until(tried(work, run_id, seen, tries))
            await again(work, run_id)
        await until(over(work, run_id))
        await settled()
    run, [slot] = work.run(run_id), rows(work)
    assert (run.status, run.error_code, run.error_message, run.attempt) == ("FAILED", "throttled", "slow down", 3)
    assert (slot["state"], slot["retry_count"], slot["error_message"]) == ("FAILED", 2, "slow down")
    assert (work.queued(run_id), work.running()) == (None, 0)


@pytest.mark.parametrize(("fault", "retries"), [(Rejected("the export is not there"), 3), (Unavailable("away"), 0)])
async def test_another_fault_or_a_schedule_without_retries_ends_it_at_once(work, fault, retries):
    failing(fault)
    run_id = due(work, max_retries=retries)
    async with at_work(work):
        await until(over(work, run_id))
    assert (work.run(run_id).status, work.queued(run_id)) == ("FAILED", None)


async def test_what_somebody_asked_for_is_not_tried_again(work):
    failing(Unavailable("away"))
    run_id = work.accept().run.pipeline_logging_id
    async with at_work(work):
        await until(over(work, run_id))
    assert work.run(run_id).status == "FAILED"


async def test_a_window_of_a_backfill_is_tried_again_as_well(work):
    seen = failing(Unavailable("away"), times=2)
    tenant = work.tenant()
    days = Window(date(2026, 7, 1), date(2026, 7, 9))
    asking.ask(work, work.catalog, tenant=tenant, actor=ROOT, entry=work.catalog.get("quick"), days=days, inputs={})
    assert triggered(work).queued_count == 1
    [run] = rows(work, RUNS)
    run_id = run["pipeline_logging_id"]
    async with at_work(work):
        for tries in (1, 2):
            await until(tried(work, run_id, seen, tries))
            await again(work, run_id)
        await until(over(work, run_id))
        await settled()
    assert (work.run(run_id).status, work.run(run_id).attempt) == ("SUCCESS", 3)
    assert work.ledger.read(quotas.usage, "acme", NOON.date()).run_today == 1


async def test_it_waits_as_long_as_the_other_side_asked(work):
    failing(Throttled("slow down", retry_after=7200))
    run_id = due(work)
    async with at_work(work):
        await until(waits(work, run_id))
        assert work.queued(run_id).available_at >= NOON + timedelta(hours=2)


async def test_it_is_cancelled_while_it_waits_without_waiting_for_its_turn(work):
    failing(Unavailable("away"))
    run_id = due(work)
    async with at_work(work) as worker:
        await until(waits(work, run_id))
        cancel(work, tenant=work.tenant(), actor=ROOT, run_id=run_id)
        worker.wake()
        await until(over(work, run_id))
        await settled()
    run = work.run(run_id)
    assert (run.status, run.error_message) == ("CANCELLED", "cancelled while it waited for its next try")
    assert (work.queued(run_id), work.running()) == (None, 0)


def test_waits_grow_to_the_longest_and_are_spread():
    waits = [wait_before("run1", tried, None) for tried in range(40)]

    assert all(
        base <= wait <= base * (1 + SPREAD) for base, wait in zip((FIRST, FIRST * 4, FIRST * 16, *[LONGEST] * 37), waits, strict=True)
    )
    assert len({wait_before(f"run{number}", 0, None) for number in range(50)}) == 50


async def dead(work):
    run_id = work.accept(document="slow").run.pipeline_logging_id
    for _ in range(3):
        place = stage()
        worker = work.worker()
        await worker.start()
        await until(begun(place, 2))
        await abandon(worker)
        work.clock.at += 31
    async with at_work(work):
        await until(over(work, run_id))
    assert work.queued(run_id).state == "DEAD"
    return run_id


async def test_a_dead_run_is_put_back_and_ends(work):
    run_id = await dead(work)
    counted = work.ledger.read(quotas.usage, "acme", NOON.date())

    found = requeue(work, ROOT, run_id)

    entry = work.queued(run_id)
    assert (found.status, found.ended_at, entry.state, entry.retry_count) == ("QUEUED", None, "QUEUED", 0)
    used = work.ledger.read(quotas.usage, "acme", NOON.date())
    assert (used.running, used.run_today) == (1, counted.run_today)
    with pytest.raises(Conflict, match="QUEUED"):
        requeue(work, ROOT, run_id)
    stage().open.set()
    async with at_work(work):
        await until(over(work, run_id))
        await settled()
    run, [trigger] = work.run(run_id), rows(work)
    assert (run.status, run.error_code, trigger["state"], work.queued(run_id), work.running()) == ("SUCCESS", None, "COMPLETED", None, 0)
    [line] = [line for line in work.ledger.read(audit.page, "acme", None, 9) if line.action == "runs.requeue"]
    assert (line.user_id, line.resource) == ("maria", f"runs/{run_id}")


async def test_it_is_not_put_back_beside_the_same_work_or_beyond_the_plan(work):
    work.tenant(plan=ONE)
    run_id = await dead(work)
    other = work.accept(document="slow", window=day(1)).run.pipeline_logging_id
    with pytest.raises(QuotaExceeded, match="at once"):
        requeue(work, ROOT, run_id)
    cancel(work, tenant=work.tenant(), actor=ROOT, run_id=other)
    same = work.accept(document="slow").run.pipeline_logging_id

    with pytest.raises(Conflict, match=same):
        requeue(work, ROOT, run_id)
    assert (work.run(run_id).status, work.queued(run_id).state, work.running()) == ("FAILED", "DEAD", 1)
    with pytest.raises(Conflict, match="only a dead one"):
        requeue(work, ROOT, same)
    with pytest.raises(Missing, match="no entry"):
        requeue(work, ROOT, "nothing")


async def test_a_dead_run_may_be_named_by_its_entry(work):
    run_id = await dead(work)

    assert requeue(work, ROOT, work.queued(run_id).queue_id).pipeline_logging_id == run_id
    assert work.ledger.read(queue.get, run_id).state == "QUEUED"
