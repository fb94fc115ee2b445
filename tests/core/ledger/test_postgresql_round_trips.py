"""How often a run's way through the ledger asks PostgreSQL, and what becomes of a unit that took too much for granted."""

from contextlib import contextmanager

import pytest
from sqlalchemy import text

from src.core.base.faults import LeaseLost, QuotaExceeded
from src.core.ledger.plans import Plan
from src.core.ledger.postgresql.wire import PostgresqlWire
from src.core.ledger.tables import orgs, queue, quotas, runs
from src.core.scheduler.claims import next_claim
from src.core.scheduler.recovery import recover
from tests.contract.ledger.samples import org
from tests.core.scheduler.parts import NOON, day, floor, stage
from tests.core.scheduler.test_turns import claimed, end


class Otherwise(Exception):
    """What a unit says that took something for granted."""


@pytest.fixture
def work(postgres_server, database, server, tmp_path):
    stage()
    work = floor(tmp_path, ledger_url=postgres_server.url(database))
    with work.ledger.writing() as unit:
        unit.change(text(f"TRUNCATE {', '.join(unit.tables)}"))
    yield work
    work.close()


@pytest.fixture
def trips(monkeypatch):
    """Counts within a block, each with how many statements it took along."""
    taken: list[int] = []
    together, say = PostgresqlWire._together, PostgresqlWire.say

    def noted(self, batch):
        taken[-1] = len(batch)
        return together(self, batch)

    def said(self, sql, name=b"", values=None):
        taken.append(1)
        return say(self, sql, name, values)

    monkeypatch.setattr(PostgresqlWire, "_together", noted)
    monkeypatch.setattr(PostgresqlWire, "say", said)

    @contextmanager
    def counted():
        taken.clear()
        yield taken

    return counted


async def test_a_run_is_accepted_in_two_round_trips_claimed_in_two_and_settled_in_one(work, trips):
    work.accept(window=day(0))
    end(work, *claimed(work))
    with trips() as accepted:
        work.accept(window=day(1))
        assert len(accepted) == 2
    with trips() as taken:
        held = claimed(work)
        assert len(taken) == 2
    with trips() as settled:
        end(work, *held)
        assert len(settled) == 1
        # from the beginning of the transaction to its commit
        assert settled[0] >= 6


def accounts(work):
    used = work.ledger.read(quotas.usage, "acme", NOON.date())
    return used.run_today, used.running


def test_a_run_that_the_plan_refuses_leaves_nothing_and_is_told_why(work):
    work.tenant(plan=Plan("ONE", 1, 9, 9))
    work.accept(window=day(0))
    with pytest.raises(QuotaExceeded, match="allows 1 runs a day"):
        work.accept(window=day(1))
    assert accounts(work) == (1, 1)
    assert len(work.ledger.read(lambda unit: unit.rows(unit.tables["org_meta_pipeline_runs"].select()))) == 1


async def test_who_has_lost_a_run_settles_nothing_of_it(work):
    run_id = work.accept().run.pipeline_logging_id
    lost = claimed(work)
    work.clock.at += work.settings.worker_lease_seconds + 1
    assert recover(work) == 1
    held = claimed(work)
    with pytest.raises(LeaseLost):
        end(work, *lost)
    assert (work.run(run_id).status, accounts(work)) == ("RUNNING", (1, 1))
    end(work, *held)
    assert (work.run(run_id).status, work.queued(run_id), accounts(work)) == ("SUCCESS", None, (1, 0))


async def test_a_run_that_was_ended_meanwhile_is_freed_by_who_ended_it_alone(work):
    run_id = work.accept(window=day(0)).run.pipeline_logging_id
    work.accept(window=day(1))
    held = claimed(work)
    assert work.ledger.write(runs.finish, run_id, status="CANCELLED", at=NOON)
    end(work, *held)
    assert (work.run(run_id).status, work.queued(run_id), accounts(work)) == ("CANCELLED", None, (2, 2))


def test_an_entry_whose_run_is_over_goes_and_the_next_is_claimed(work):
    over, next_one = (work.accept(window=day(number)).run.pipeline_logging_id for number in range(2))
    assert work.ledger.write(runs.finish, over, status="FAILED", at=NOON)
    claim = next_claim(work, "w1")
    assert claim is not None
    assert (claim.run_id, claim.attempt) == (next_one, 1)
    assert work.queued(over) is None


def test_what_must_find_its_row_and_does_not_undoes_the_unit_with_its_commit(work):
    otherwise = Otherwise()

    def granted(unit):
        org(unit, "acme")
        unit.change_surely(queue._complete, {"queue_id": "none", "owner": "w1", "generation": 1}, otherwise)

    def twice(unit):
        unit.insert_surely(unit.tables["org_profiles"], PROFILE, otherwise)
        unit.insert_surely(unit.tables["org_profiles"], PROFILE, otherwise)

    for op in (granted, twice):
        with pytest.raises(Otherwise):
            work.ledger.write(op)
        assert work.ledger.read(orgs.page, after=None, limit=9) == []


PROFILE = {"org_slug": "acme", "generation": 1, "status": "ACTIVE", "timezone": "UTC", "created_at": NOON, "updated_at": NOON}


def test_a_claim_alone_does_not_wait_for_the_disk(work, monkeypatch):
    def waits(unit):
        [(told,)] = unit.rows(text("SHOW synchronous_commit"))
        return told

    def forgotten(unit):
        unit.forgettable()
        return waits(unit)

    assert [work.ledger.write(op) for op in (forgotten, waits)] == ["off", "on"]
    asked = []
    monkeypatch.setattr("src.core.ledger.postgresql.engine.PostgresqlUnit.forgettable", lambda _: asked.append("claim"))
    work.accept()
    assert asked == []
    assert next_claim(work, "w1") is not None
    assert asked == ["claim"]
