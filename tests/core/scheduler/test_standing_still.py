"""A worker that stands still between its claim and the run's start, as under SIGSTOP, and is told on going on that it may not."""

import pytest

from src.core.base.faults import Throttled
from src.core.base.identity import Actor
from src.core.ledger.tables import queue
from src.core.scheduler import fencing, worker
from src.core.scheduler.cancel import cancel
from src.core.scheduler.leased_journal import NEVER_ENDED, STOPPED
from tests.core.scheduler.parts import at_work, over, stage, until

LEASE = 31


@pytest.fixture
def stood(work, monkeypatch):
    """Has the first claim stand still, past its lease unless told otherwise, and then this happen."""

    def arrange(then=lambda: None, seconds=LEASE):
        stand = iter([True])

        def raise_fence(services, lease):
            fencing.raise_fence(services, lease)
            if next(stand, False):
                work.clock.at += seconds
                then()

        monkeypatch.setattr(worker, "raise_fence", raise_fence)

    return arrange


async def ended(work, run_id):
    async with at_work(work, alone=lambda: False):
        await work.clock.let_pass(LEASE)
        await until(over(work, run_id))
    return work.run(run_id)


async def test_its_run_starts_anew(work, stood):
    stage().open.set()
    stood()
    run = await ended(work, work.accept(document="slow").run.pipeline_logging_id)
    assert (run.status, run.attempt, work.running()) == ("SUCCESS", 2, 0)


@pytest.mark.parametrize(("seconds", "why"), [(1, STOPPED), (LEASE, NEVER_ENDED)], ids=["within its lease", "past its lease"])
async def test_its_run_ends_cancelled_when_that_was_asked_meanwhile(work, stood, seconds, why):
    place = stage()
    run_id = work.accept(document="slow").run.pipeline_logging_id
    stood(lambda: cancel(work, tenant=work.tenants["acme"], actor=Actor("org", user_id="user-7"), run_id=run_id), seconds)
    run = await ended(work, run_id)
    assert (run.status, run.error_message, place.seen, work.running()) == ("CANCELLED", why, [], 0)


async def test_its_run_starts_anew_when_nobody_can_say_why_the_lease_is_over(work, stood, monkeypatch):
    stage().open.set()
    looked, answers = queue.look, iter(["answered", "refused"])

    def look(unit, hold, at):
        if next(answers, "answered") == "refused":
            raise Throttled("the ledger is away")
        return looked(unit, hold, at)

    stood(lambda: monkeypatch.setattr(queue, "look", look))
    run = await ended(work, work.accept(document="slow").run.pipeline_logging_id)
    assert (run.status, run.attempt, work.running()) == ("SUCCESS", 2, 0)
