"""What many writers at once must not be able to do to rows that are decided by other rows."""

import json
import subprocess
import sys
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from src.core.base.settings import ROOT
from src.core.ledger.plans import Plan
from src.core.ledger.tables import keys, orgs, quotas, runs, subscriptions, tracking
from tests.contract.ledger.samples import AT, TODAY, key, org, run, step
from tests.core.ledger.test_postgresql import beside, opened, until


@pytest.fixture
def database(postgres_server):
    name = postgres_server.create_database()
    yield name
    postgres_server.drop_database(name)


@pytest.fixture
def ledger(postgres_server, database):
    ledger = opened(postgres_server, database)
    ledger.bootstrap()
    yield ledger
    ledger.close()


@pytest.fixture
def waiting(postgres_server, database):
    """Waits until a session of the ledger waits for another."""
    with psycopg.connect(postgres_server.dsn(database), autocommit=True) as connection:
        yield lambda: until(
            connection, "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )


def reserve(ledger):
    """None, or the reason it was refused for."""
    refused = ledger.write(quotas.reserve, "acme", day=TODAY, at=AT)
    return refused and refused.reason


def before(ledger, waiting, op, *args: object, then):
    """`then`, in a thread, comes while the unit of `op` is still open."""
    with ledger.writing() as unit:
        op(unit, *args)
        answer = beside(then)
        waiting()
    return answer.result(60)


def test_a_plan_that_is_lowered_holds_for_a_reservation_that_came_meanwhile(ledger, waiting):
    ledger.write(org, "acme", plan=Plan("P", 9, 9, 9))
    assert reserve(ledger) is None
    answer = before(ledger, waiting, subscriptions.set_plan, "acme", Plan("Q", 1, 9, 9), AT, then=lambda: reserve(ledger))
    assert answer == "daily"


def test_a_subscription_that_is_suspended_holds_for_a_reservation_that_came_meanwhile(ledger, waiting):
    ledger.write(org, "acme")
    answer = before(ledger, waiting, subscriptions.set_status, "acme", "SUSPENDED", AT, then=lambda: reserve(ledger))
    assert answer == "blocked"


def test_an_organisation_that_leaves_waits_for_what_was_admitted_and_admits_nothing_after(ledger, waiting):
    ledger.write(org, "acme")

    def admit(unit):
        quotas.reserve(unit, "acme", day=TODAY, at=AT)
        runs.accept(unit, run("r1"))

    def leave():
        ledger.write(orgs.begin_offboarding, "acme", AT)
        return ledger.read(runs.get, "r1")

    seen = before(ledger, waiting, admit, then=leave)
    assert seen is not None
    assert reserve(ledger) == "blocked"


def test_a_step_that_ends_while_its_organisation_is_erased_leaves_nothing(ledger, waiting):
    ledger.write(org, "acme")
    ledger.write(runs.accept, run("r1"))
    before(ledger, waiting, orgs.erase, "acme", AT, then=lambda: ledger.write(runs.log_step, step("s1", "r1")))
    assert ledger.read(runs.steps, "r1") == []


def test_two_keys_that_are_made_at_once_are_not_both_without_an_end(ledger, waiting):
    ledger.write(org, "acme")

    def rotate(unit, key_id):
        orgs.alone(unit, "acme")
        key(unit, "acme", key_id)
        keys.expire_others(unit, "acme", key_id, AT)

    before(ledger, waiting, rotate, "k1", then=lambda: ledger.write(rotate, "k2"))
    ends = {found.key_id: found.expires_at for found in ledger.read(keys.list_for, "acme")}
    assert ends == {"k1": AT, "k2": None}


def test_of_two_publications_at_once_the_newer_has_the_last_word(ledger, waiting):
    def day(generation):
        return tracking.TrackedDay(
            org_slug="acme",
            provider="gcp",
            usage_date=TODAY,
            currency="EUR",
            completeness="complete",
            completeness_reason=None,
            billed_cost=None,
            credits=None,
            net_cost=None,
            row_count=generation,
            source_as_of=None,
            pipeline_logging_id=f"r{generation}",
            generation=generation,
            updated_at=AT,
        )

    before(ledger, waiting, tracking.record, [day(1)], then=lambda: ledger.write(tracking.record, [day(2)]))
    [kept] = ledger.read(tracking.of_org, "acme", first=TODAY, last=TODAY)
    assert (kept["generation"], kept["row_count"]) == (2, 2)


ACCEPT = """
import json, sys, threading
from pathlib import Path
from src.core.base.ids import SystemIds
from tests.contract.ledger.rivals import at_once, say
from tests.core.scheduler.parts import floor, WIDE
from src.core.base.identity import Tenant
from src.core.base.names import Environment, OrgSlug

work = floor(Path(sys.argv[1]), ledger_url=sys.argv[2])
work.ids = SystemIds()
work.tenants["acme"] = Tenant(OrgSlug("acme"), Environment.DEVELOPMENT)
say("ready")
sys.stdin.readline()
answers = at_once(4, lambda: work.accept(idempotency_key="again"))
say(json.dumps([[answer.run.pipeline_logging_id, answer.fresh] for answer in answers]))
work.close()
"""


def asking(folder, url) -> Any:
    folder.mkdir()
    command = [sys.executable, "-c", ACCEPT, str(folder), url]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_the_same_work_asked_of_several_processes_is_one_run_even_if_it_takes_the_last_place(ledger, postgres_server, database, tmp_path):
    ledger.write(org, "acme", plan=Plan("P", 1, 1, 1))
    with ExitStack() as stack:
        rivals = [stack.enter_context(asking(tmp_path / name, postgres_server.url(database))) for name in ("one", "two")]
        assert [rival.stdout.readline() for rival in rivals] == ["ready\n"] * 2
        for rival in rivals:
            rival.stdin.write("go\n")
            rival.stdin.flush()
        answers = [answer for rival in rivals for answer in json.loads(rival.stdout.readline())]
    assert len({run_id for run_id, _ in answers}) == 1
    assert sum(fresh for _, fresh in answers) == 1
    assert ledger.read(quotas.usage, "acme", TODAY).running == 1
