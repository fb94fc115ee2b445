"""Turns of organisations with a single place, through claims and settlings as workers make them."""

from src.core.scheduler.claims import next_claim
from src.core.scheduler.lease import Lease
from src.core.scheduler.leased_journal import LeasedJournal
from src.core.scheduler.progress import Board
from src.core.scheduler.recovery import recover
from tests.core.scheduler.parts import day


def claimed(work):
    claim = next_claim(work, "w1")
    return claim, Lease(work, claim, Board([], work.clock), work.clock.sleep)


def end(work, claim, lease):
    lease.settle(LeasedJournal(work, lease, None).ended("SUCCESS", at=work.clock.now(), code=None, why=None))
    return claim.tenant.org_slug


async def test_with_one_slot_a_single_run_starts_next_beside_a_busy_organisation(work):
    for number in range(4):
        work.accept("busy", window=day(number), priority=50)
    first = claimed(work)
    work.accept("calm", priority=-10)

    assert [end(work, *first), *(end(work, *claimed(work)) for _ in range(3))] == ["busy", "calm", "busy", "busy"]


async def test_a_run_whose_worker_died_has_been_its_organisations_turn(work):
    for number in range(2):
        work.accept("busy", window=day(number), priority=50)
    claimed(work)
    work.accept("calm")
    work.clock.at += work.settings.worker_lease_seconds + 1

    assert recover(work) == 1
    assert [end(work, *claimed(work)) for _ in range(3)] == ["calm", "busy", "busy"]
