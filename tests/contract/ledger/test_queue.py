from datetime import timedelta
from time import monotonic

import pytest

from src.core.ledger.tables import ageing, cancelling, queue
from src.core.ledger.tables.queue import Beat, Hold
from tests.contract.ledger.rivals import at_once, race
from tests.contract.ledger.samples import AT, CROWD

LEASE = timedelta(seconds=30)
SECOND = timedelta(seconds=1)


def entry(run_id, slug="acme", pipeline=None, **changes: object):
    given = {
        "queue_id": run_id,
        "org_slug": slug,
        "pipeline_logging_id": run_id,
        "pipeline_id": pipeline or f"{slug}-{run_id}",
        "document": "gcp/cost/billing",
        "queued_at": AT,
        "available_at": AT,
        "max_retries": 2,
        "parameters": {"date": "2026-11-19"},
    }
    return queue.NewEntry(**{**given, **changes})


def add(ledger, *entries: object):
    return [ledger.write(queue.add, one) for one in entries]


def claim(ledger, owner="w1", at=AT):
    return ledger.write(queue.claim, owner, at, at + LEASE)


def hold(found):
    return Hold(found.queue_id, found.lease_owner, found.lease_generation)


def claimed(ledger):
    found = claim(ledger)
    return found and found.queue_id


def test_an_entry_is_added_once_and_claimed_once(ledger):
    assert add(ledger, entry("r1"), entry("r1")) == [True, False]
    found = claim(ledger)
    assert (found.queue_id, found.state, found.lease_owner, found.lease_expires_at) == ("r1", "RUNNING", "w1", AT + LEASE)
    assert (found.parameters, found.lease_generation) == ({"date": "2026-11-19"}, int(AT.timestamp() * 1_000_000))
    assert claim(ledger) is None


def test_of_many_claims_at_once_each_entry_goes_to_one(ledger, crowd):
    add(ledger, *(entry(f"r{n}") for n in range(5)))
    got = [found.queue_id for found in at_once(20 if crowd == CROWD else 6, lambda: claim(ledger)) if found]
    assert sorted(got) == ["r0", "r1", "r2", "r3", "r4"]


@pytest.mark.process
def test_of_claims_by_several_processes_each_entry_goes_to_one_and_of_a_pipeline_one_runs(ledger, settings, crowd):
    own, same, threads = (12, 8, 4) if crowd == CROWD else (3, 2, 1)
    add(ledger, *(entry(f"own{n}") for n in range(own)), *(entry(f"same{n}", pipeline="acme-gcp-cost") for n in range(same)))
    got = sorted(found for answer in race("claim", settings, processes=3, threads=threads) for found in answer)
    assert got[:own] == sorted(f"own{n}" for n in range(own))
    assert [found[:4] for found in got[own:]] == ["same"]


def test_the_highest_priority_then_the_first_comes_first_and_none_before_its_time(ledger):
    add(
        ledger,
        entry("late", queued_at=AT + SECOND, available_at=AT),
        entry("early"),
        entry("urgent", queued_at=AT + SECOND, available_at=AT, priority=5),
        entry("tomorrow", priority=9, available_at=AT + timedelta(days=1)),
    )
    assert [claimed(ledger) for _ in range(4)] == ["urgent", "early", "late", None]
    assert claim(ledger, at=AT + timedelta(days=1)).queue_id == "tomorrow"


def test_one_running_entry_of_a_pipeline_and_its_others_block_nobody(ledger):
    add(ledger, *(entry(f"a{n}", pipeline="acme-gcp-cost", priority=9) for n in range(3)), entry("b", "other"))
    first = claim(ledger)
    assert [claimed(ledger) for _ in range(2)] == ["b", None]
    assert not ledger.read(queue.waiting, AT)
    assert ledger.write(queue.complete, hold(first))
    assert ledger.read(queue.waiting, AT)
    assert claimed(ledger) == "a1"


def test_one_with_thousands_waiting_does_not_hold_up_one_with_a_single_run(ledger, settings):
    many = 50 if settings.ledger_engine == "bigquery" else 10_000
    with ledger.writing() as unit:
        for number in range(many):
            queue.add_later(unit, entry(f"big{number:05}", "big", f"big-{number % 50}"))
    assert claimed(ledger) == "big00000"
    add(ledger, entry("single", "small", queued_at=AT + SECOND, available_at=AT))

    began = monotonic()
    found = [claimed(ledger) for _ in range(3)]

    assert found == ["single", "big00001", "big00002"]
    # a twentieth of a second each; counted anew for each that waits it was seven seconds
    assert settings.ledger_engine == "bigquery" or monotonic() - began < 6


def test_the_organisation_with_the_fewest_running_comes_first(ledger):
    add(ledger, *(entry(f"busy{n}", "busy") for n in range(3)), entry("calm", "calm", queued_at=AT + SECOND))
    assert [claimed(ledger) for _ in range(4)] == ["busy0", "calm", "busy1", "busy2"]


def test_a_heartbeat_renews_what_is_held_and_has_not_run_out(ledger):
    add(ledger, entry("r1"))
    mine = hold(claim(ledger))
    at = AT + 20 * SECOND
    assert ledger.write(queue.heartbeat, mine, at, at + LEASE) == Beat(held=True, cancel_requested=False)
    assert ledger.read(queue.look, mine, at + 29 * SECOND) == Beat(held=True, cancel_requested=False)
    for other in (Hold("r1", "w2", mine.generation), Hold("r1", "w1", mine.generation - 1), Hold("r2", "w1", mine.generation)):
        assert not ledger.write(queue.heartbeat, other, at, at + LEASE).held
    over = at + LEASE
    assert not ledger.read(queue.look, mine, over).held
    assert not ledger.write(queue.heartbeat, mine, over, over + LEASE).held


@pytest.mark.parametrize("act", [queue.complete, lambda unit, mine: queue.hand_back(unit, mine, AT)])
def test_only_its_holder_lets_go_of_an_entry(ledger, act):
    add(ledger, entry("r1"))
    mine = hold(claim(ledger))
    assert not ledger.write(act, Hold("r1", "w2", mine.generation))
    assert not ledger.write(act, Hold("r1", "w1", mine.generation + 1))
    assert ledger.write(act, mine)
    assert not ledger.write(act, mine)


def test_an_entry_handed_back_waits_again_and_its_next_claim_is_newer(ledger):
    add(ledger, entry("r1"))
    first = claim(ledger)
    ledger.write(queue.hand_back, hold(first), AT)
    second = claim(ledger, "w2")
    assert (second.retry_count, second.lease_owner, second.lease_generation) == (0, "w2", first.lease_generation + 1)


def test_an_advanced_generation_replaces_the_old_one(ledger):
    add(ledger, entry("r1"))
    mine = hold(claim(ledger))
    assert not ledger.write(queue.advance, mine, mine.generation, AT)
    assert ledger.write(queue.advance, mine, mine.generation + 7, AT)
    assert not ledger.read(queue.look, mine, AT).held
    assert ledger.read(queue.look, Hold("r1", "w1", mine.generation + 7), AT).held


def test_what_expired_is_taken_over_or_buried_once(ledger):
    add(ledger, entry("r1"), entry("r2"))
    claim(ledger), claim(ledger)
    assert ledger.read(queue.expired, AT + LEASE - SECOND) == []
    late = AT + LEASE
    first, second = ledger.read(queue.expired, late)
    assert sum(at_once(8, lambda: ledger.write(queue.take_over, first, late, "died"))) == 1
    assert sum(at_once(8, lambda: ledger.write(queue.bury, second, late, "died again"))) == 1
    waiting, dead = (ledger.read(queue.get, one.pipeline_logging_id) for one in (first, second))
    assert (waiting.state, waiting.retry_count, waiting.last_error, waiting.lease_owner) == ("QUEUED", 1, "died", None)
    assert (dead.state, dead.last_error) == ("DEAD", "died again")
    assert claim(ledger, at=late).queue_id == first.queue_id
    assert claim(ledger, at=late) is None


def test_a_renewed_lease_is_not_taken_over(ledger):
    add(ledger, entry("r1"))
    mine = hold(claim(ledger))
    [seen] = ledger.read(queue.expired, AT + LEASE)
    ledger.write(queue.heartbeat, mine, AT + SECOND, AT + 2 * LEASE)
    assert not ledger.write(queue.take_over, seen, AT + LEASE, "died")
    assert not ledger.write(queue.bury, seen, AT + LEASE, "died")


def test_a_waiting_entry_is_cancelled_at_once_and_a_held_one_is_asked(ledger):
    add(ledger, entry("r1"), entry("r2"))
    mine = hold(claim(ledger))
    assert ledger.write(cancelling.request, "r1", AT) == "running"
    assert ledger.write(cancelling.request, "r2", AT) == "waiting"
    assert ledger.write(cancelling.request, "r3", AT) is None
    assert ledger.read(queue.get, "r2") is None
    assert ledger.write(queue.heartbeat, mine, AT, AT + LEASE) == Beat(held=True, cancel_requested=True)


def test_what_a_worker_has_had_is_asked_to_stop_even_while_it_waits_and_remembers_it(ledger):
    add(ledger, entry("r0"), entry("r1", priority=-9))
    mine = [hold(claim(ledger)) for _ in range(2)][1]
    ledger.write(cancelling.request, "r1", AT)
    assert ledger.write(queue.hand_back, mine, AT)
    assert ledger.write(cancelling.request, "r1", AT + SECOND) == "running"
    again = claim(ledger)
    assert (again.queue_id, again.cancel_requested_at) == ("r1", AT)
    assert ledger.write(queue.forget_cancel, hold(again), AT)
    assert not ledger.write(queue.heartbeat, hold(again), AT, AT + LEASE).cancel_requested


def test_what_is_asked_to_stop_is_claimed_before_all_others(ledger):
    add(ledger, entry("r1", "busy"))
    ledger.write(queue.hand_back, hold(claim(ledger)), AT)
    ledger.write(cancelling.request, "r1", AT)
    add(ledger, entry("r2", "busy"), entry("r3", "calm", priority=9))
    assert [claimed(ledger) for _ in range(3)] == ["r1", "r3", "r2"]


def test_its_holder_buries_an_entry_and_the_dead_age_out(ledger):
    add(ledger, entry("r1"), entry("r2"))
    mine, other = hold(claim(ledger)), hold(claim(ledger))
    assert not ledger.write(queue.bury, Hold("r1", "w2", mine.generation), AT, "spent")
    assert ledger.write(queue.bury, mine, AT, "spent")
    assert ledger.write(cancelling.request, "r1", AT) is None
    assert ledger.write(ageing.remove, "queue", AT, 9) == 0
    assert ledger.write(ageing.remove, "queue", AT + SECOND, 9) == 1
    assert ledger.read(queue.get, "r1") is None
    assert ledger.read(queue.look, other, AT).held


def test_leases_of_the_dead_end_at_once_and_of_nobody_else(ledger):
    add(ledger, entry("r1"), entry("r2"))
    claim(ledger, "here-1"), claim(ledger, "there-1")
    assert ledger.write(queue.void_leases, "here", AT + SECOND) == 1
    assert [one.queue_id for one in ledger.read(queue.expired, AT + SECOND)] == ["r1"]
