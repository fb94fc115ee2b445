import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text

from src.core.base.faults import Conflict, Throttled, Unavailable
from src.core.base.settings import Settings
from src.core.ledger.postgresql import links as postgresql_links
from src.core.ledger.postgresql.faults import Unforeseen
from src.core.ledger.store import open_ledger
from src.core.ledger.tables import orgs, queue, runs
from tests.contract.ledger.rivals import at_once
from tests.contract.ledger.samples import AT, org, run
from tests.contract.ledger.test_queue import entry

OURS = "FROM pg_stat_activity WHERE application_name = 'convergence' AND datname = current_database()"


@pytest.fixture
def ledger(postgres_server, database, server):
    gone(server)
    ledger = opened(postgres_server, database)
    with ledger.writing() as unit:
        unit.change(text(f"TRUNCATE {', '.join(unit.tables)}"))
    yield ledger
    ledger.close()


def opened(postgres_server, name, connections=8):
    return open_ledger(Settings(_env_file=None, ledger_url=postgres_server.url(name), ledger_connections=connections))


def end_sessions(server):
    ended = server.execute(f"SELECT pg_terminate_backend(pid) {OURS}").fetchall()
    gone(server)
    return len(ended)


def gone(server):
    """The sessions of a ledger that was closed end a little later."""
    until(server, f"SELECT count(*) = 0 {OURS}")


def until(server, query):
    deadline = time.monotonic() + 60
    while not server.execute(query).fetchone()[0]:
        assert time.monotonic() < deadline, query
        time.sleep(0.002)


def slugs(ledger):
    return [found.org_slug for found in ledger.read(orgs.page, after=None, limit=99)]


def leave_idle(ledger, count, op):
    """So many connections, each of which has done `op`."""
    meet = threading.Barrier(count)

    def act(unit):
        op(unit)
        meet.wait(60)

    at_once(count, lambda: ledger.read(act))


def beside(act):
    """In a thread of its own; `result` waits for its end."""
    pool = ThreadPoolExecutor(1)
    answer = pool.submit(act)
    pool.shutdown(wait=False)
    return answer


@pytest.mark.parametrize("use", ["read", "glance", "write", "reading", "check", "missing", "bootstrap"])
def test_a_connection_that_was_ended_while_idle_is_nobodys_failure(ledger, server, use):
    ledger.write(org, "acme")
    assert end_sessions(server) == 1
    if use == "write":
        assert ledger.write(org, "other")
    elif use == "reading":
        with ledger.reading() as unit:
            assert orgs.get(unit, "acme") is not None
    elif use in ("check", "missing", "bootstrap"):
        getattr(ledger, use)()
    else:
        assert getattr(ledger, use)(orgs.get, "acme") is not None


def test_however_many_connections_were_ended_while_idle_a_write_meets_no_more_than_one(ledger, server):
    leave_idle(ledger, 8, lambda unit: orgs.get(unit, "acme"))
    assert end_sessions(server) == 8
    for slug in ("acme", "b", "c"):
        assert ledger.write(org, slug)
    assert slugs(ledger) == ["acme", "b", "c"]


def test_a_commit_that_nobody_answered_leaves_no_connection_behind_that_was_ended_with_its_own(ledger, server):
    leave_idle(ledger, 3, lambda unit: orgs.get(unit, "acme"))
    with pytest.raises(Unavailable, match="look whether it did"):
        ledger.write(lambda unit: (org(unit, "acme"), end_sessions(server)))
    with ledger.writing() as unit:
        assert org(unit, "other")


@pytest.fixture
def retype(ledger, server):
    """Makes a column of numbers one of texts; at the end it is as it was."""

    def change():
        # PostgreSQL changes no type that a view has a part in
        server.execute("DROP VIEW pipeline_logs_view")
        server.execute("ALTER TABLE org_profiles ALTER generation TYPE text USING 'first'")

    yield change
    server.execute("ALTER TABLE org_profiles ALTER generation TYPE bigint USING 1")
    ledger.bootstrap()


def _generation(tables):
    return select(tables["org_profiles"].c.generation)


WAYS = {
    "kept": lambda unit: unit.point(_generation, {}),
    "built": lambda unit: unit.first(_generation(unit.tables)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("use", ["read", "glance", "write"])
def test_a_column_that_gets_another_type_disturbs_no_connection(ledger, retype, use, way):
    ledger.write(org, "acme")
    # the driver prepares what it has sent five times
    leave_idle(ledger, 6, lambda unit: [WAYS[way](unit) for _ in range(7)])
    retype()
    assert [tuple(getattr(ledger, use)(WAYS[way])) for _ in range(3)] == [("first",)] * 3


def test_a_unit_that_meets_a_changed_table_says_so(ledger, retype):
    ledger.write(org, "acme")
    ledger.read(WAYS["kept"])
    retype()
    with pytest.raises(Unavailable, match="changed meanwhile"), ledger.reading() as unit:
        WAYS["kept"](unit)


def test_a_connection_that_was_idle_for_long_is_tried_before_a_unit_is_begun_on_it(ledger, server, monkeypatch):
    monkeypatch.setattr(postgresql_links, "FRESH_SECONDS", 0)
    assert end_sessions(server) == 1
    with ledger.writing() as unit:
        assert org(unit, "acme")
    assert slugs(ledger) == ["acme"]


def test_a_unit_whose_connection_is_ended_is_done_anew_and_doubles_nothing(ledger, server):
    tries: list[int] = []

    def write(unit):
        assert org(unit, f"org_{len(tries)}")
        tries.append(len(tries))
        if len(tries) < 3:
            end_sessions(server)
        return org(unit, "acme")

    assert ledger.write(write)
    assert (tries, slugs(ledger)) == ([0, 1, 2], ["acme", "org_2"])


def test_a_snapshot_whose_connection_is_ended_is_taken_anew(ledger, server):
    ledger.write(org, "acme")
    tries: list[orgs.Org | None] = []

    def read(unit):
        tries.append(orgs.get(unit, "acme"))
        if len(tries) < 2:
            end_sessions(server)
        return orgs.get(unit, "acme")

    assert ledger.read(read) == tries[0]


def test_a_unit_that_is_not_an_operation_says_that_nothing_was_kept(ledger, server):
    def write():
        with ledger.writing() as unit:
            org(unit, "acme")
            end_sessions(server)
            org(unit, "other")

    with pytest.raises(Unavailable, match="nothing of this was kept"):
        write()
    assert slugs(ledger) == []


def test_a_commit_that_nobody_answered_is_not_done_anew(ledger, server):
    tries = []

    def write(unit):
        tries.append(org(unit, "acme"))
        end_sessions(server)

    with pytest.raises(Unavailable, match="look whether it did"):
        ledger.write(write)
    assert tries == [True]


def test_units_that_wait_for_each_other_are_done_anew_until_both_have_gone_through(ledger):
    ledger.write(org, "one")
    ledger.write(org, "two")
    meet = threading.Barrier(2)
    tries = []

    def move(unit, first, second):
        tries.append(first)
        orgs.begin_offboarding(unit, first, AT)
        if len(tries) <= 2:
            meet.wait(60)
        orgs.begin_offboarding(unit, second, AT)
        return True

    answer = beside(lambda: ledger.write(move, "one", "two"))
    assert ledger.write(move, "two", "one")
    assert answer.result(60)
    assert len(tries) == 3
    assert {ledger.read(orgs.get, slug).status for slug in ("one", "two")} == {"OFFBOARDING"}


def test_a_claim_passes_over_what_another_is_taking_and_over_its_pipeline(ledger):
    for one in (entry("a1", pipeline="p"), entry("a2", pipeline="p"), entry("b1", "other")):
        ledger.write(queue.add, one)
    later = AT.replace(minute=59)
    with ledger.writing() as unit:
        assert [found and found.queue_id for found in [queue.claim(unit, "w1", AT, later)]] == ["a1"]
        got = [beside(lambda: ledger.write(queue.claim, "w2", AT, later)).result(60) for _ in range(2)]
    assert [found and found.queue_id for found in got] == ["b1", None]
    assert ledger.write(queue.claim, "w2", AT, later) is None


def test_no_more_connections_are_opened_than_the_setting_allows(postgres_server, database, ledger, server):
    few = opened(postgres_server, database, connections=2)
    ledger.close()
    gone(server)
    leave_idle(few, 2, lambda unit: unit.first(text("SELECT 1")))

    def one():
        with few.reading() as unit:
            return unit.first(text(f"SELECT count(*) {OURS}"))[0]

    assert max(at_once(20, one)) == 2
    few.close()
    end_sessions(server)


def test_a_closed_ledger_keeps_no_connection(ledger, server):
    ledger.write(org, "acme")
    ledger.close()
    gone(server)
    with pytest.raises(RuntimeError, match="closed"):
        ledger.missing()


def test_tables_that_are_made_anew_and_columns_that_are_added_disturb_no_connection(postgres_server, database, ledger, server):
    assert ledger.write(org, "acme")
    other = opened(postgres_server, database)
    other.bootstrap(force=True)
    other.close()
    assert ledger.read(orgs.get, "acme") is None
    server.execute("ALTER TABLE org_profiles ADD COLUMN of_another_release text")
    assert ledger.write(org, "acme")
    assert ledger.read(orgs.get, "acme") is not None
    server.execute("ALTER TABLE org_profiles DROP COLUMN of_another_release")


def test_text_is_sorted_by_its_bytes_whatever_the_database_speaks(ledger):
    for slug in ("b_a", "ba", "a", "B", "é"):
        ledger.write(org, slug)
    assert slugs(ledger) == sorted(["b_a", "ba", "a", "B", "é"])


def test_a_nul_is_replaced_and_nothing_is_cut_off(ledger):
    with ledger.writing() as unit:
        runs.accept(unit, run("r1", user_id="be\x00fore"))
        table = unit.tables["org_meta_pipeline_runs"]
        unit.change(table.update().values(request_id="af\x00ter"))
        assert unit.first(select(table.c.user_id, table.c.request_id)) == ("be\ufffdfore", "af\ufffdter")


def test_breaking_a_key_is_a_conflict(ledger):
    ledger.write(org, "acme")
    with pytest.raises(Conflict), ledger.writing() as unit:
        unit.change(text("INSERT INTO org_profiles SELECT * FROM org_profiles"))
    assert slugs(ledger) == ["acme"]


def test_our_own_mistakes_are_not_dressed_up_as_faults(ledger):
    with pytest.raises(Unforeseen, match="syntax error"), ledger.reading() as unit:
        unit.rows(text("SELEKT 1"))


@pytest.mark.parametrize(
    "rule", ["CHECK (admin_email <> 'admin@acme.example')", "CHECK (length(company_name) < 3)"], ids=["address", "name"]
)
def test_an_error_nobody_foresaw_does_not_quote_what_was_written(ledger, server, rule):
    server.execute(f"ALTER TABLE org_profiles ADD CONSTRAINT stopped {rule}")
    with pytest.raises(Unforeseen, match="stopped") as caught:
        ledger.write(org, "acme")
    server.execute("ALTER TABLE org_profiles DROP CONSTRAINT stopped")
    told = "".join(traceback.format_exception(caught.value))
    assert "acme Inc" not in told
    assert "admin@acme.example" not in told


def test_an_error_that_is_caught_inside_a_unit_does_not_look_like_a_commit(ledger):
    def write(unit):
        org(unit, "acme")
        with pytest.raises(Exception, match="division by zero"):
            unit.rows(text("SELECT 1 / 0"))

    with pytest.raises(RuntimeError, match="caught"):
        ledger.write(write)
    assert slugs(ledger) == []


def test_a_lock_that_is_not_given_is_throttled(ledger):
    with ledger.writing() as unit:
        unit.hold("a thing")
        unit.first(text("SELECT 1"))
        fault = beside(lambda: _told(ledger)).result(60)
    assert (type(fault), fault.retry_after) == (Throttled, 1)


def _told(ledger):
    def hold(unit):
        unit.first(text("SELECT set_config('lock_timeout', '50ms', true)"))
        unit.hold("a thing")

    with pytest.raises(Throttled) as caught:
        ledger.write(hold)
    return caught.value
