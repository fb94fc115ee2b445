from datetime import timedelta

from sqlalchemy import update

from src.core.ledger.plans import Plan
from src.core.ledger.tables import queue, queue_counts, quotas, retrying, runs, scheduled, slots
from src.core.ledger.tables.queue import Hold
from src.core.ledger.tables.queue_counts import DeadEntry, QueueCounts
from src.core.ledger.tables.retrying import Tries
from src.core.ledger.tables.slots import Slot
from tests.contract.ledger.rivals import at_once
from tests.contract.ledger.samples import AT, TODAY, org, run

LATER = AT + timedelta(minutes=4)
KEY = "work"


def held_run(ledger):
    """The run of a slot, in a worker's hands."""
    slot = Slot(
        scheduled_run_id="slot",
        org_slug="acme",
        config_id="c1",
        pipeline_id="acme-gcp-cost",
        document="gcp/cost/billing",
        scheduled_time=AT,
        created_at=AT,
        available_at=AT,
        max_retries=1,
        priority=0,
        window_start=TODAY,
        window_end=TODAY,
        parameters={},
    )
    entry = queue.NewEntry(
        queue_id="q1",
        org_slug="acme",
        pipeline_logging_id="r1",
        scheduled_run_id="slot",
        pipeline_id="acme-gcp-cost",
        document="gcp/cost/billing",
        queued_at=AT,
        available_at=AT,
        max_retries=2,
    )
    with ledger.writing() as unit:
        assert org(unit, "acme")
        assert slots.note(unit, slot)
        assert runs.accept(unit, run("r1", trigger_type="schedule", active_key=KEY))
        slots.tie(unit, "slot", "r1", "QUEUED", AT)
        assert queue.add(unit, entry)
    with ledger.writing() as unit:
        found = queue.claim(unit, "w1", AT, LATER)
        assert found is not None
        assert runs.take(unit, "r1", AT) is not None
        scheduled.start(unit, "r1", AT)
    return Hold("q1", "w1", found.lease_generation)


def test_a_held_run_is_counted_once_and_waits(ledger):
    mine = held_run(ledger)
    assert ledger.read(retrying.tries, "slot", "other") is None
    seen = ledger.read(retrying.tries, "slot", "r1")
    assert seen == Tries(0, 1)

    assert sum(at_once(4, lambda: ledger.write(retrying.count, "slot", seen, "away"))) == 1
    assert ledger.read(retrying.tries, "slot", "r1") == Tries(1, 1)
    assert not ledger.write(retrying.wait, Hold("q1", "w2", mine.generation), at=AT, until=LATER, why="away")
    assert ledger.write(retrying.wait, mine, at=AT, until=LATER, why="away")
    assert not ledger.write(retrying.put_back, "r1", 2, code="unavailable", why="away")
    assert ledger.write(retrying.put_back, "r1", 1, code="unavailable", why="away")

    entry, told = ledger.read(queue.get, "r1"), ledger.read(runs.get, "r1")
    assert (entry.state, entry.available_at, entry.last_error, entry.retry_count) == ("QUEUED", LATER, "away", 0)
    assert (told.status, told.error_code, told.error_message, told.ended_at) == ("QUEUED", "unavailable", "away", None)
    # it is not late before it may be taken
    assert ledger.read(queue_counts.count) == QueueCounts(1, 0, 0, LATER)
    assert ledger.write(queue.claim, "w2", AT, LATER) is None
    assert ledger.write(queue.claim, "w2", LATER, LATER + timedelta(minutes=1)).scheduled_run_id == "slot"


def test_cancelling_one_that_waits_has_it_claimed_at_once(ledger):
    mine = held_run(ledger)
    ledger.write(retrying.wait, mine, at=AT, until=LATER, why="away")
    ledger.write(retrying.put_back, "r1", 1, code="unavailable", why="away")

    assert ledger.write(queue.request_cancel, "r1", AT) == "running"
    assert ledger.write(queue.claim, "w2", AT, LATER).cancel_requested_at == AT


def test_a_dead_one_is_put_back_once(ledger):
    mine = held_run(ledger)
    with ledger.writing() as unit:
        assert runs.finish(unit, "r1", status="FAILED", at=AT, error_code="lease-lost", error_message="died")
        scheduled.settle(unit, "r1", "FAILED", AT, "died")
        assert queue.bury(unit, mine, AT, "died")
    entry = ledger.read(retrying.dead, "r1")
    assert (entry.queue_id, entry.state) == ("q1", "DEAD")
    assert ledger.read(retrying.dead, "q1") == entry
    assert ledger.read(retrying.dead, "q2") is None
    assert ledger.read(queue_counts.dead, 9) == [DeadEntry("q1", "r1", "acme", "acme-gcp-cost", "died", AT)]

    assert sum(at_once(4, lambda: ledger.write(retrying.reopen, "r1", KEY))) == 1
    assert sum(at_once(4, lambda: ledger.write(retrying.revive, entry, LATER))) == 1
    told = ledger.read(runs.get, "r1")
    assert (told.status, told.ended_at) == ("QUEUED", None)
    assert ledger.read(runs.working, KEY).pipeline_logging_id == "r1"
    assert ledger.write(queue.claim, "w2", LATER, LATER + timedelta(minutes=1)).retry_count == 0


def test_a_place_is_taken_without_counting_a_run_and_never_beyond_the_plan(ledger):
    with ledger.writing() as unit:
        assert org(unit, "acme", plan=Plan("TWO", 1, 1, 2))
        assert quotas.reserve(unit, "acme", day=TODAY, at=AT) is None

    refused = at_once(4, lambda: ledger.write(quotas.take_place, "acme", day=TODAY, at=AT))
    assert [one.reason for one in refused if one is not None] == ["concurrent"] * 3
    used = ledger.read(quotas.usage, "acme", TODAY)
    assert (used.running, used.run_today, used.run_month) == (2, 1, 1)
    with ledger.writing() as unit:
        unit.change(update(unit.tables["org_subscriptions"]).values(status="SUSPENDED"))
    assert ledger.write(quotas.take_place, "acme", day=TODAY, at=AT).reason == "blocked"
