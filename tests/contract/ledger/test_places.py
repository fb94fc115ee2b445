"""A plan's places among runs at once, beside windows of backfills."""

from datetime import timedelta

from src.core.ledger.plans import Plan
from src.core.ledger.tables import queue, quotas, retrying, runs, usage_counts
from src.core.ledger.tables.queue import Hold, NewEntry
from tests.contract.ledger.rivals import at_once
from tests.contract.ledger.samples import AT, TODAY, org, run

LATER = AT + timedelta(minutes=1)


def entry(run_id, waits_for, *, priority=0):
    return NewEntry(
        queue_id=run_id,
        org_slug="acme",
        pipeline_logging_id=run_id,
        pipeline_id=f"acme-{run_id}",
        document="gcp/cost/billing",
        queued_at=AT,
        available_at=AT,
        max_retries=2,
        priority=priority,
        waits_for=waits_for,
    )


def claimed(ledger):
    return ledger.write(queue.claim, "worker", AT, LATER)


def reserved(ledger, act=quotas.reserve):
    refused = ledger.write(act, "acme", day=TODAY, at=AT)
    return refused and refused.reason


def test_fresh_work_is_admitted_beside_a_window_and_begins_when_it_is_over(ledger):
    with ledger.writing() as unit:
        assert org(unit, "acme", plan=Plan("P", 9, 9, 1))
        assert quotas.count(unit, "acme", day=TODAY, at=AT) is None
        assert runs.accept(unit, run("window", trigger_type="backfill", active_key="window", holds_place=False))
        assert queue.add(unit, entry("window", "place", priority=-10))
    assert (ledger.read(quotas.usage, "acme", TODAY).running, ledger.read(usage_counts.open_runs)) == (0, {})

    found = claimed(ledger)
    assert (found.queue_id, found.waits_for) == ("window", "place")
    assert ledger.write(quotas.take_place, "acme", day=TODAY, at=AT) is None
    assert [ledger.write(runs.place, "window"), ledger.write(runs.place, "window")] == [True, False]
    ledger.write(retrying.placed, Hold("window", "worker", found.lease_generation))
    assert ledger.read(queue.get, "window").waits_for is None

    assert reserved(ledger) == "concurrent"
    answers = at_once(4, lambda: reserved(ledger, quotas.reserve_turn))
    assert sorted(str(answer) for answer in answers) == ["None", "concurrent", "concurrent", "concurrent"]
    used = ledger.read(quotas.usage, "acme", TODAY)
    assert (used.run_today, used.running, used.windows, used.fresh) == (2, 2, 1, 1)
    with ledger.writing() as unit:
        assert runs.accept(unit, run("fresh", active_key="fresh"))
        assert queue.add(unit, entry("fresh", "turn"))
    assert claimed(ledger) is None
    assert ledger.read(usage_counts.open_runs) == {"acme": 2}

    with ledger.writing() as unit:
        assert runs.finish(unit, "window", status="SUCCESS", at=AT)
        quotas.release_of(unit, "acme", "window", AT)
    assert claimed(ledger).queue_id == "fresh"
    # what waits without a place frees none
    with ledger.writing() as unit:
        assert runs.accept(unit, run("next", trigger_type="backfill", active_key="next", holds_place=False))
        assert runs.finish(unit, "next", status="CANCELLED", at=AT)
        quotas.release_of(unit, "acme", "next", AT)
    assert ledger.read(quotas.usage, "acme", TODAY).running == 1
