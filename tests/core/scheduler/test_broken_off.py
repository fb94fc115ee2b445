"""What a process leaves that dies between two statements, on a ledger that cannot undo the first; made here by hand."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from src.core.base.events import stable_id
from src.core.base.faults import Conflict, QuotaExceeded
from src.core.ledger.plans import Plan
from src.core.ledger.tables import events, orgs, queue, quotas, runs
from src.core.scheduler.claims import next_claim
from src.core.scheduler.recovery import STRANDED, sweep
from tests.contract.ledger.samples import org
from tests.core.scheduler.parts import NOON, day

PAST = STRANDED.total_seconds() + 60


def used(work):
    return work.ledger.read(quotas.usage, "acme", NOON.date())


def change(work, statement):
    with work.ledger.writing() as unit:
        assert unit.change(statement(unit.tables)) == 1


async def test_a_run_that_never_came_into_the_queue_is_ended_and_frees_its_slot(work):
    run = work.accept().run
    change(work, lambda tables: delete(tables[queue.QUEUE]))
    assert sweep(work) == 0
    await work.clock.let_pass(PAST)
    assert sweep(work) == 1
    ended = work.ledger.read(runs.get, run.pipeline_logging_id)
    assert (ended.status, ended.error_code, used(work).running) == ("FAILED", "lease-lost", 0)
    assert work.accept().fresh


async def test_runs_that_wait_or_are_worked_on_are_left_alone(work):
    work.accept()
    await work.clock.let_pass(PAST)
    assert sweep(work) == 0
    assert used(work).running == 1


async def test_a_slot_that_no_run_holds_is_freed_once_nothing_was_counted_for_a_while(work):
    work.accept()
    work.ledger.write(quotas.reserve, "acme", day=NOON.date(), at=NOON)
    sweep(work)
    assert used(work).running == 2
    await work.clock.let_pass(PAST)
    sweep(work)
    assert (used(work).running, used(work).run_today) == (1, 2)


async def test_a_slot_is_not_freed_twice_when_a_sweep_comes_between_a_run_and_its_slot(work):
    work.tenant(plan=Plan("P", 9, 9, 1))
    ended = work.accept().run.pipeline_logging_id
    await work.clock.let_pass(3600)
    work.ledger.write(runs.finish, ended, status="SUCCESS", at=work.clock.now())
    sweep(work)
    with pytest.raises(QuotaExceeded):
        work.accept(window=day(1))
    work.ledger.write(quotas.release, "acme", work.clock.now())
    assert work.accept(window=day(1)).fresh
    assert used(work).running == 1


def test_a_run_that_has_been_claimed_again_is_not_put_back(work):
    run_id = work.accept().run.pipeline_logging_id
    first, second = claimed_twice(work)
    assert work.ledger.write(runs.put_back, run_id, first.attempt) is False
    assert work.run(run_id).status == "RUNNING"
    assert work.ledger.write(runs.put_back, run_id, second.attempt) is True


def claimed_twice(work):
    """Put into the queue again in between by somebody who died before saying it of the run."""
    first = next_claim(work, "w1")
    change(work, lambda tables: update(tables[queue.QUEUE]).values(state="QUEUED", lease_owner=None))
    second = next_claim(work, "w2")
    assert first is not None
    assert second is not None
    return first, second


def reborn(work, told):
    """Its slug has another owner; the run came into the queue between two statements of the off-boarding."""
    run_id = work.accept().run.pipeline_logging_id
    if not told:
        change(work, lambda tables: update(tables["org_meta_pipeline_runs"]).values(org_generation=None))
        work.clock.at += 7200
    change(work, lambda tables: update(tables["org_profiles"]).values(created_at=work.clock.now(), generation=2))
    return run_id


TOLD = pytest.mark.parametrize("told", [True, False], ids=["by-its-generation", "by-when-it-was-accepted"])


@TOLD
def test_a_run_of_an_erased_organisation_is_not_carried_out_for_the_next_owner_of_its_slug(work, monkeypatch, told):
    run_id = reborn(work, told)
    monkeypatch.setattr(type(work.ledger._engine), "traits", replace(work.ledger.traits, undoes=False))
    assert next_claim(work, "w1") is None
    assert (work.ledger.read(runs.get, run_id), work.queued(run_id)) == (None, None)


def test_a_run_that_an_older_release_accepted_is_of_whoever_has_the_slug_when_it_is_claimed(work):
    work.accept()
    change(work, lambda tables: update(tables["org_meta_pipeline_runs"]).values(org_generation=None))
    claim = next_claim(work, "w1")
    assert claim is not None
    # without one, nothing that is written later would be held against who has the slug then
    assert claim.tenant.generation == 1


def test_nor_is_it_the_answer_to_the_next_owner_who_asks_for_the_same(work):
    reborn(work, told=True)
    for more in ({}, {"idempotency_key": "again"}):
        with pytest.raises(Conflict, match="again and again"):
            work.accept(**more)
    assert used(work).run_today == 1


@TOLD
def test_nor_is_it_ended_on_the_next_owners_account(work, told):
    run_id = reborn(work, told)
    change(work, lambda tables: delete(tables[queue.QUEUE]))
    work.clock.at += PAST
    assert sweep(work) == 1
    assert work.ledger.read(runs.get, run_id) is None
    with work.ledger.reading() as unit:
        assert unit.rows(unit.tables["org_audit_logs"].select()) == []


def test_who_claims_takes_a_run_that_still_says_it_is_running(work):
    run_id = work.accept().run.pipeline_logging_id
    first, again = claimed_twice(work)
    assert (first.attempt, again.attempt, again.run_id) == (1, 2, run_id)


def test_a_reservation_is_given_back_to_the_day_and_month_it_was_of(work):
    with work.ledger.writing() as unit:
        org(unit, "acme", plan=Plan("P", 2, 2, 2), created_at=NOON)
    for _ in range(2):
        work.ledger.write(quotas.reserve, "acme", day=NOON.date(), at=NOON)
    work.ledger.write(quotas.give_back, "acme", day=NOON.date() - timedelta(days=1), at=NOON)
    assert (used(work).run_today, used(work).run_month, used(work).running) == (2, 1, 1)
    work.ledger.write(quotas.give_back, "acme", day=NOON.date(), at=NOON)
    assert (used(work).run_today, used(work).run_month, used(work).running) == (1, 0, 0)


def test_what_lacks_is_given_to_an_organisation_that_was_made_by_half(work):
    work.tenant()
    for table in ("org_subscriptions", "org_usage_quotas"):
        change(work, lambda tables, table=table: delete(tables[table]))
    assert work.ledger.read(orgs.get, "acme").plan is None
    for plan in (work.ledger.plans.default, Plan("P", 9, 9, 9)):
        work.ledger.write(orgs.complete, "acme", plan, NOON)
    made = work.ledger.read(orgs.get, "acme")
    assert (made.plan, made.subscription_status, used(work).concurrent_limit) == ("STARTER", "ACTIVE", 1)


async def test_a_run_does_not_wait_for_the_place_that_it_has_itself(work):
    work.tenant(plan=Plan("P", 9, 9, 1))
    run_id = work.accept().run.pipeline_logging_id
    # who gave it its place again died before saying so of its entry
    change(work, lambda tables: update(tables[queue.QUEUE]).values(waits_for="place"))
    assert next_claim(work, "w1") is None
    await work.clock.let_pass(PAST)
    sweep(work)
    claim = next_claim(work, "w1")
    assert claim is not None
    assert (claim.run_id, used(work).running) == (run_id, 1)


def test_the_end_of_a_run_is_told_though_who_ended_it_died_before(work):
    run_id = work.accept().run.pipeline_logging_id
    next_claim(work, "w1")
    work.ledger.write(runs.finish, run_id, status="FAILED", at=work.clock.now(), error_message="it did not answer")
    change(work, lambda tables: update(tables[queue.QUEUE]).values(state="QUEUED", lease_owner=None))
    assert next_claim(work, "w2") is None
    (told,) = work.ledger.read(events.new, work.clock.now(), 9)
    assert (told.type, told.data["error_message"], told.event_id) == ("run.failed", "it did not answer", event_id(work.run(run_id)))


def event_id(run):
    return stable_id("run", run.pipeline_logging_id, "FAILED", run.ended_at.isoformat())
