import threading
from datetime import UTC
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import delete, select

from src.core.ledger.store import open_ledger
from src.core.ledger.tables import keys, orgs
from tests.contract.ledger.moments import MOMENTS
from tests.contract.ledger.rivals import at_once, spawn
from tests.contract.ledger.samples import AT, key, org, put, row_of, schemas


def test_an_exception_leaves_all_as_it_was(ledger):
    def fail_after_writing():
        with ledger.writing() as unit:
            org(unit, "acme")
            raise LookupError

    with pytest.raises(LookupError):
        fail_after_writing()
    assert ledger.read(orgs.get, "acme") is None
    assert ledger.write(org, "acme")


@pytest.mark.process
def test_a_process_killed_inside_a_unit_leaves_nothing_and_blocks_nobody(ledger, settings):
    with spawn("stall", settings) as rival:
        rival.stdin.write("go\n")
        rival.stdin.flush()
        assert [rival.stdout.readline() for _ in range(2)] == ["ready\n", "inside\n"]
        rival.kill()
        rival.wait()
    assert ledger.read(orgs.get, "acme") is None
    assert ledger.write(org, "acme")


def test_what_is_committed_is_seen_by_others_and_what_is_not_is_not(ledger, settings):
    other = open_ledger(settings)
    with ledger.writing() as unit:
        org(unit, "acme")
        assert orgs.get(unit, "acme") is not None
        assert other.read(orgs.get, "acme") is None
    assert other.read(orgs.get, "acme") is not None
    other.close()


def test_a_reading_unit_sees_one_moment(ledger, acme):
    with ledger.reading() as unit:
        assert keys.find(unit, "hash of k1") is None
        ledger.write(key, acme, "k1")
        assert keys.find(unit, "hash of k1") is None
    assert ledger.read(keys.find, "hash of k1") is not None


def test_readers_do_not_wait_for_a_writer(ledger, acme):
    with ledger.writing() as unit:
        org(unit, "other")
        assert len(at_once(20, lambda: ledger.read(orgs.get, acme))) == 20


def test_a_reading_unit_does_not_write(ledger, acme):
    with ledger.reading() as unit, pytest.raises(RuntimeError, match="reading"):
        unit.change(delete(unit.tables["org_profiles"]))
    assert ledger.read(orgs.get, acme) is not None


def test_a_unit_inside_a_unit_of_the_same_thread_is_a_mistake_said_at_once(ledger):
    with ledger.writing(), pytest.raises(RuntimeError, match="open in this thread"):
        ledger.write(org, "acme")


def test_a_hundred_threads_all_get_their_turn(ledger, crowd):
    turns = iter(range(1000))
    lock = threading.Lock()

    def one():
        with lock:
            at = next(turns)
        return ledger.write(org, f"org_{at}")

    assert at_once(crowd, one) == [True] * crowd


def test_every_column_gives_back_what_was_put_in(ledger):
    for name in schemas():
        with ledger.writing() as unit:
            values = row_of(unit.tables[name], "acme")
            put(unit, unit.tables[name], values)
            assert unit.first(select(unit.tables[name]))._asdict() == values


@examples(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(amount=st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**28), max_value=10**28))
def test_money_is_kept_to_the_last_digit(ledger, enough, amount):
    if enough():
        return
    with ledger.writing() as unit:
        table = unit.tables["org_cost_tracking"]
        unit.change(delete(table))
        put(unit, table, {**row_of(table, "acme"), "net_cost": amount})
        (kept,) = unit.first(select(table.c.net_cost))
    assert isinstance(kept, Decimal)
    assert kept == amount


@examples(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(moments=st.lists(MOMENTS, min_size=1, max_size=20))
def test_moments_of_any_zone_come_back_in_their_true_order(ledger, enough, moments):
    if enough():
        return
    with ledger.writing() as unit:
        table = unit.tables["org_api_keys"]
        unit.change(delete(table))
        for at, moment in enumerate(moments):
            key(unit, "acme", f"k{at}", created_at=moment)
        kept = [row[0] for row in unit.rows(select(table.c.created_at).order_by(table.c.created_at))]
    assert kept == sorted(moment.astimezone(UTC) for moment in moments)
    assert all(moment.tzinfo is UTC for moment in kept)


@examples(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    details=st.dictionaries(
        st.text(), st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), st.lists, max_leaves=5), max_size=5
    )
)
def test_json_of_any_text_comes_back(ledger, enough, details):
    if enough():
        return
    with ledger.writing() as unit:
        table = unit.tables["org_audit_logs"]
        unit.change(delete(table))
        put(unit, table, {**row_of(table, "acme"), "details": details})
        assert unit.first(select(table.c.details))[0] == details


def test_a_naive_moment_and_a_float_are_refused(ledger):

    def put_wrong(column, value):
        with ledger.writing() as unit:
            table = unit.tables["org_cost_tracking"]
            put(unit, table, {**row_of(table, "acme"), column: value})

    for column, value in (("updated_at", AT.replace(tzinfo=None)), ("net_cost", 1.5), ("net_cost", Decimal("NaN"))):
        with pytest.raises(Exception, match=r"aware|Decimal"):
            put_wrong(column, value)


def test_a_check_of_a_sound_ledger_is_silent_before_and_after_bootstrap(empty):
    empty.check()
    empty.bootstrap()
    empty.check()


def test_a_check_is_silent_while_another_writes(ledger):
    with ledger.writing():
        ledger.check()


def test_rows_are_renewed_unless_they_are_newer_and_inserted_unless_they_are_there(ledger):
    def of(count, generation, **changes: object):
        common = {**row_of(table, "acme"), "generation": generation, **changes}
        return [{**common, "provider": f"p{number}"} for number in range(count)]

    with ledger.writing() as unit:
        table = unit.tables["org_cost_tracking"]
        assert unit.insert_all(table, of(1, 9), "acme") == 1
        assert unit.insert_all(table, of(3, 5, net_cost=None), "acme") == 2
        assert unit.renew(table, of(4, 5, net_cost=None, completeness_reason="x"), "generation") == 2
        assert unit.insert_all(table, [], "acme") == unit.renew(table, [], "generation") == 0
    with ledger.reading() as unit:
        kept = unit.rows(select(table).order_by(table.c.provider))
    assert [row._asdict() for row in kept] == [*of(1, 9), *of(3, 5, net_cost=None, completeness_reason="x")[1:]]
