import asyncio
from itertools import count
from typing import Any

import pytest

from src.core.base.faults import Fault, LeaseLost, Rejected, Superseded
from src.core.base.identity import Actor
from src.core.base.schema import Field, TableSchema
from src.core.engine.port import Fence
from src.core.ledger.tables import audit, orgs, queue, runs
from src.core.scheduler.cancel import cancel
from tests.contract.ledger.samples import org
from tests.core.scheduler.parts import NOON, at_work, begun, day, over, settled, stage, until

ORG = Actor("org", user_id="user-7")
SPENT = TableSchema("spent", (Field(name="amount", type="INT64"),))


async def published(work, context, amount):
    """As load steps do it: one publication under the claim's generation, asked before it commits."""
    fence = Fence(context.document_id, context.generation)
    with work.warehouse.publication(context.tenant, context.run_id, fence) as publication:
        publication.append("spent", [{"amount": amount}])
        context.still_wanted()


def amounts(work, slug="acme"):
    return work.warehouse.query(work.tenants[slug], "SELECT amount FROM spent").column("amount").to_pylist()


@pytest.fixture
def shop(work):
    work.tenant(dataset=True)
    work.warehouse.ensure_table(work.tenants["acme"], SPENT)
    return work


async def test_an_accepted_run_is_carried_out_and_everything_is_settled(work):
    async with at_work(work) as worker:
        run_id = work.accept().run.pipeline_logging_id
        worker.wake()
        await until(over(work, run_id))
        await settled()
        assert worker.running == ()
    run = work.run(run_id)
    assert (run.status, run.attempt, run.rows_processed, run.user_id) == ("SUCCESS", 1, 7, "user-7")
    assert run.progress["percent"] == 100.0
    assert work.queued(run_id) is None
    assert work.running() == 0
    with work.ledger.reading() as unit:
        [trigger] = [row._asdict() for row in unit.rows(unit.tables["org_scheduled_pipeline_runs"].select())]
    assert (trigger["state"], trigger["completed_at"]) == ("COMPLETED", run.ended_at)
    [entry] = [line for line in work.ledger.read(audit.page, "acme", None, 50) if line.action == "runs.finished"]
    assert (entry.outcome, entry.resource, entry.details["status"], entry.user_id) == ("SUCCESS", run_id, "SUCCESS", "user-7")


async def test_nobody_need_tell_an_idle_worker(work):
    async with at_work(work):
        await settled()
        run_id = work.accept().run.pipeline_logging_id
        await work.clock.let_pass(1.1)
        await until(over(work, run_id))


async def test_what_a_step_logs_is_kept_with_its_attempt(work):
    async def act(context):
        context.log.info("page.read", rows=7, api_key="acme_api_0123456789abcdEF")

    stage().act = act
    async with at_work(work) as worker:
        run_id = work.accept().run.pipeline_logging_id
        worker.wake()
        await until(over(work, run_id))
    lines = work.ledger.read(runs.steps, run_id)[0].log_lines
    assert [line["event"] for line in lines] == ["run.started", "step.started", "page.read", "step.finished"]
    assert lines[2]["message"] == "rows=7 api_key=****"
    assert lines[2]["level"] == "info"


@pytest.mark.parametrize("set_by", [-7200.0, 7200.0])
async def test_what_a_run_took_is_not_changed_by_setting_the_clock(work, set_by):
    async def act(context):
        work.clock.at += 5.0
        work.clock.set_by = set_by

    stage().act = act
    async with at_work(work) as worker:
        run_id = work.accept().run.pipeline_logging_id
        worker.wake()
        await until(over(work, run_id))
    # two steps, and so twice five seconds
    assert work.run(run_id).duration_ms == 10_000


async def test_a_failing_run_is_settled_with_its_reason_and_its_slot_is_free(work):
    async def act(context):
        raise Rejected("the export is not there")

    stage().act = act
    async with at_work(work) as worker:
        run_id = work.accept().run.pipeline_logging_id
        worker.wake()
        await until(over(work, run_id))
    run = work.run(run_id)
    assert (run.status, run.error_code, run.error_message) == ("FAILED", "rejected", "the export is not there")
    assert (work.queued(run_id), work.running()) == (None, 0)


async def test_one_run_at_a_time_of_a_pipeline_and_others_beside_it(work):
    place = stage()
    async with at_work(work) as worker:
        first, second = (work.accept(document="slow", window=day(n)).run.pipeline_logging_id for n in (1, 2))
        third = work.accept(document="slower", window=day(1)).run.pipeline_logging_id
        worker.wake()
        await until(begun(place, 4))
        assert set(worker.running) == {first, third}
        assert work.run(second).status == "QUEUED"
        place.open.set()
        await until(over(work, second))


async def test_a_busy_organisation_takes_turns_with_the_others(work):
    place = stage()
    for document in ("quick", "slow", "slower"):
        for number in range(3):
            work.accept("busy", document=document, window=day(number))
    calm = work.accept("calm", document="slow").run.pipeline_logging_id
    async with at_work(work) as worker:
        await until(lambda: calm in worker.running)
        assert work.run(calm).status == "RUNNING"
        place.open.set()


async def test_progress_is_written_while_it_changes(work):
    async def act(context):
        context.progress(rows=50, rows_total=100, doing="reading")
        await stage_open.wait()

    place = stage()
    stage_open, place.act = asyncio.Event(), act
    async with at_work(work) as worker:
        run_id = work.accept().run.pipeline_logging_id
        worker.wake()
        await until(begun(place))
        await work.clock.let_pass(4)
        await until(lambda: work.run(run_id).progress is not None)
        told = work.run(run_id).progress
        stage_open.set()
        await until(over(work, run_id))
    assert (told["step_id"], told["step_index"], told["steps"], told["doing"]) == ("extract_it", 1, 2, "reading")
    assert (told["rows"], told["rows_total"], told["percent"]) == (50, 100, 25.0)


async def test_heartbeats_keep_a_long_run(work):
    place = stage()
    async with at_work(work) as worker:
        run_id = work.accept(document="slow").run.pipeline_logging_id
        worker.wake()
        await until(begun(place, 2))
        await work.clock.let_pass(100)
        assert work.queued(run_id).lease_expires_at > work.clock.now()
        place.open.set()
        await until(over(work, run_id))
    assert (work.run(run_id).status, work.run(run_id).attempt) == ("SUCCESS", 1)


@pytest.mark.parametrize("broken", [1, 99], ids=["once", "for good"])
async def test_what_nobody_foresaw_does_not_end_the_heartbeats(work, monkeypatch, broken):
    beat, broke = queue.heartbeat, count()

    def beaten(*args: Any):
        if next(broke) < broken:
            raise ZeroDivisionError
        return beat(*args)

    place = stage()
    async with at_work(work) as worker:
        run_id = work.accept(document="slow").run.pipeline_logging_id
        worker.wake()
        await until(begun(place, 2))
        monkeypatch.setattr(queue, "heartbeat", beaten)
        await work.clock.let_pass(40)
        kept = run_id in worker.running and work.run(run_id).attempt == 1
        assert kept == (broken == 1)
        monkeypatch.setattr(queue, "heartbeat", beat)
        place.open.set()
        await until(over(work, run_id))
    assert work.run(run_id).status == "SUCCESS"


async def test_a_running_run_is_cancelled_and_nothing_of_it_is_published_afterwards(shop):
    place = stage()
    async with at_work(shop) as worker:
        run_id = shop.accept(document="slow").run.pipeline_logging_id
        worker.wake()
        await until(begun(place, 2))
        assert cancel(shop, tenant=shop.tenants["acme"], actor=ORG, run_id=run_id).status == "RUNNING"
        worker.wake()
        await until(over(shop, run_id))
    run = shop.run(run_id)
    assert (run.status, run.error_code, shop.running(), shop.queued(run_id)) == ("CANCELLED", None, 0, None)
    with pytest.raises(Fault):
        await published(shop, place.seen[-1], 1)
    with pytest.raises(Superseded):
        shop.warehouse.publication(place.seen[-1].tenant, run_id, Fence("slow", place.seen[-1].generation)).__enter__()
    assert amounts(shop) == []


async def test_a_waiting_run_is_cancelled_at_once(work):
    run_id = work.accept().run.pipeline_logging_id
    assert cancel(work, tenant=work.tenants["acme"], actor=ORG, run_id=run_id).status == "CANCELLED"
    assert (work.queued(run_id), work.running()) == (None, 0)
    async with at_work(work):
        await work.clock.let_pass(3)
    assert (work.run(run_id).status, work.run(run_id).attempt) == ("CANCELLED", 0)


async def test_a_run_that_has_published_is_not_called_cancelled(shop):
    place = stage()

    async def act(context):
        if context.step_id == "extract_it":
            await published(shop, context, 5)

    place.act = act
    async with at_work(shop) as worker:
        run_id = shop.accept(document="slow").run.pipeline_logging_id
        worker.wake()
        await until(begun(place, 2))
        cancel(shop, tenant=shop.tenants["acme"], actor=ORG, run_id=run_id)
        worker.wake()
        await settled()
        place.open.set()
        await until(over(shop, run_id))
    assert shop.run(run_id).status == "SUCCESS"
    assert amounts(shop) == [5]


async def test_a_stopping_worker_lets_runs_end(work):
    place = stage()
    worker = work.worker()
    await worker.start()
    run_id = work.accept(document="slow").run.pipeline_logging_id
    worker.wake()
    await until(begun(place, 2))
    stopping = asyncio.create_task(worker.stop())
    await settled()
    place.open.set()
    await asyncio.wait_for(stopping, 60)
    assert work.run(run_id).status == "SUCCESS"


async def test_what_a_stopping_worker_cannot_end_it_hands_back_and_the_next_one_does_it(shop):
    place = stage()
    async with at_work(shop) as worker:
        run_id = shop.accept(document="slow").run.pipeline_logging_id
        worker.wake()
        await until(begun(place, 2))
    entry = shop.queued(run_id)
    assert (shop.run(run_id).status, entry.state, entry.retry_count, shop.running()) == ("QUEUED", "QUEUED", 0, 1)
    place.open.set()
    async with at_work(shop):
        await until(over(shop, run_id))
    assert (shop.run(run_id).status, shop.run(run_id).attempt) == ("SUCCESS", 2)
    assert len(shop.ledger.read(runs.steps, run_id)) == 3


async def test_a_stalled_worker_loses_its_run_and_cannot_publish(shop):
    """Its loop stands still, as under SIGSTOP, while the clock goes on and another takes the run over."""
    place = stage()
    stalled = shop.worker()
    await stalled.start()
    run_id = shop.accept(document="slow").run.pipeline_logging_id
    stalled.wake()
    await until(begun(place, 2))
    # what it is still looking for could be the run that the other one puts back
    await settled()
    old = place.seen[1]
    shop.clock.at += 31
    with pytest.raises(LeaseLost):
        old.held()

    async def act(context):
        if context.step_id == "load_it":
            await published(shop, context, 2)

    place.act = act
    place.seen.clear()
    async with at_work(shop, alone=lambda: False):
        await until(begun(place, 2))
        with pytest.raises(Superseded):
            shop.warehouse.publication(old.tenant, run_id, Fence("slow", old.generation)).__enter__()
        await shop.clock.let_pass(1)
        place.open.set()
        await until(over(shop, run_id))
    await stalled.stop()
    assert (shop.run(run_id).status, shop.run(run_id).attempt, shop.running()) == ("SUCCESS", 2, 0)
    assert amounts(shop) == [2]
    assert place.seen[-1].generation > old.generation


async def test_a_run_whose_workers_keep_dying_is_buried_with_its_reason(work):
    run_id = work.accept(document="slow").run.pipeline_logging_id
    for tries in range(3):
        place = stage()
        worker = work.worker()
        await worker.start()
        await until(begun(place, 2))
        assert work.run(run_id).attempt == tries + 1
        await abandon(worker)
        work.clock.at += 31
    async with at_work(work):
        await until(over(work, run_id))
    run, entry = work.run(run_id), work.queued(run_id)
    assert (run.status, run.error_code, work.running()) == ("FAILED", "lease-lost", 0)
    assert (entry.state, entry.retry_count) == ("DEAD", 3)
    assert "taken over 2 times" in entry.last_error
    assert "taken over 2 times" in run.error_message


async def abandon(worker):
    """As kill -9 leaves it: nothing more is written by it."""
    worker._serving.cancel()
    for working in worker._working.values():
        working.lease.state = "lost"
        working.run.cancel()
    await settled()


async def test_a_start_that_is_known_to_be_alone_waits_for_no_lease(work):
    place = stage()
    dead = work.worker()
    await dead.start()
    run_id = work.accept(document="slow").run.pipeline_logging_id
    await until(begun(place, 2))
    await abandon(dead)
    place.open.set()
    async with at_work(work, alone=lambda: True):
        await until(over(work, run_id))
    assert (work.run(run_id).status, work.run(run_id).attempt, work.clock.at < 20) == ("SUCCESS", 2, True)


async def test_a_clock_that_was_set_back_still_publishes(shop):
    with shop.warehouse.publication(shop.tenants["acme"], "earlier", Fence("quick", 2_000_000_000_000_000)):
        pass

    async def act(context):
        if context.step_id == "load_it":
            await published(shop, context, 9)

    stage().act = act
    async with at_work(shop) as worker:
        run_id = shop.accept().run.pipeline_logging_id
        worker.wake()
        await until(over(shop, run_id))
    assert shop.run(run_id).error_message is None
    assert amounts(shop) == [9]


async def test_tables_made_anew_under_a_worker_do_not_stop_it(work):
    place = stage()
    async with at_work(work) as worker:
        work.accept(document="slow")
        work.accept(document="slow", window=day(2))
        worker.wake()
        await until(begun(place, 2))
        work.ledger.bootstrap(force=True)
        work.tenants.clear()
        await work.clock.let_pass(15)
        await until(lambda: worker.running == ())
        place.open.set()
        run_id = work.accept().run.pipeline_logging_id
        worker.wake()
        await until(over(work, run_id))
    assert work.run(run_id).status == "SUCCESS"


async def test_a_worker_waits_for_tables_that_are_not_there_yet(work):
    with work.ledger.writing() as unit:
        for name in unit.tables:
            unit._connection.exec_driver_sql(f"DROP TABLE {name}")
    async with at_work(work):
        await work.clock.let_pass(3)
        work.ledger.bootstrap()
        run_id = work.accept().run.pipeline_logging_id
        await work.clock.let_pass(1.1)
        await until(over(work, run_id))


async def test_fifty_organisations_run_at_once_and_stay_apart(work):
    place = stage()
    place.open.set()
    accepted = [(f"org{n:02}", work.accept(f"org{n:02}", document="slow").run.pipeline_logging_id) for n in range(50)]
    async with at_work(work) as worker:
        worker.wake()
        for slug, run_id in accepted:
            await until(over(work, run_id))
            assert (work.run(run_id).status, work.running(slug)) == ("SUCCESS", 0)
    assert {(context.tenant.org_slug, context.run_id) for context in place.seen if context.tenant} == set(accepted)
    assert place.most_at_once <= work.settings.worker_slots


async def test_a_run_whose_organisation_is_erased_writes_nothing_for_who_has_the_slug_next(work):
    place = stage()
    async with at_work(work) as worker:
        work.accept(document="slow")
        worker.wake()
        await until(begun(place, 2))
        work.ledger.write(orgs.erase, "acme", NOON)
        work.ledger.write(org, "acme", generation=2)
        before = everything(work)
        # its step ends before the worker has heard that the run is gone
        place.open.set()
        await settled()
        await work.clock.let_pass(11)
        await until(lambda: worker.running == ())
    assert everything(work) == before


def everything(work):
    with work.ledger.reading() as unit:
        return {name: unit.rows(table.select()) for name, table in unit.tables.items()}
