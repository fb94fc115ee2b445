from dataclasses import replace

from src.core.base.faults import Throttled
from src.core.ledger.tables import queue
from tests.core.scheduler.parts import at_work, day, over, stage, until


async def test_where_looking_costs_too_much_runs_are_taken_only_when_the_queue_is_processed(work, monkeypatch):
    engine = work.ledger._engine
    monkeypatch.setattr(type(engine), "traits", replace(engine.traits, polled=False))
    place = stage()
    run_id = work.accept().run.pipeline_logging_id
    async with at_work(work) as worker:
        worker.wake()
        await work.clock.let_pass(60)
        assert not place.seen

        worker.process()
        await until(over(work, run_id))

        later = work.accept(window=day(1)).run.pipeline_logging_id
        await work.clock.let_pass(60)
        assert work.run(later).status == "QUEUED"


async def test_who_was_told_to_process_the_queue_asks_again_when_the_ledger_was_too_busy(work, monkeypatch):
    engine = work.ledger._engine
    monkeypatch.setattr(type(engine), "traits", replace(engine.traits, polled=False))
    busy = [Throttled("the ledger has more to do than it can", retry_after=5)]
    look = work.ledger.glance

    def glance(op, *args: object):
        if op is queue.waiting and busy:
            raise busy.pop()
        return look(op, *args)

    monkeypatch.setattr(work.ledger, "glance", glance)
    run_id = work.accept().run.pipeline_logging_id
    async with at_work(work) as worker:
        worker.process()
        await work.clock.let_pass(60)
        await until(over(work, run_id))
    assert not busy


async def test_as_many_runs_are_taken_as_were_asked_for(work, monkeypatch):
    engine = work.ledger._engine
    monkeypatch.setattr(type(engine), "traits", replace(engine.traits, polled=False))
    stage()
    first = work.accept().run.pipeline_logging_id
    second = work.accept(window=day(1)).run.pipeline_logging_id
    async with at_work(work) as worker:
        worker.process(1)
        await until(over(work, first))
        await work.clock.let_pass(60)
        assert work.run(second).status == "QUEUED"

        worker.process(1)
        await until(over(work, second))
