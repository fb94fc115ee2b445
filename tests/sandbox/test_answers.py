"""The known answers, counted once more from the files by other means."""

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from src.sandbox.gcp.detailed import _shares
from src.sandbox.gcp.money import nanos, numeric
from tests.sandbox.conftest import DETAILED, EURO, STANDARD, TABLES, TODAY
from tests.sandbox.recount import read, recount

FIRST, LAST = date(2026, 10, 25), date(2026, 11, 16)


@pytest.fixture(scope="module")
def files(export, tmp_path_factory):
    into = tmp_path_factory.mktemp("files")
    return {table: export.fetch(table, export.load_days(table, FIRST, LAST), into, lambda _: None) for table in TABLES}


def plain(totals):
    return {key: (one.rows, one.billed, one.credits) for key, one in totals.items()}


@pytest.fixture(scope="module")
def rows(files):
    return {table: list(read(files[table])) for table in TABLES}


@pytest.mark.parametrize("table", TABLES)
def test_answers_are_what_the_files_hold(kept, rows, table):
    found = rows[table]
    answers = kept.gcp.answers(table, FIRST, LAST)

    assert answers.rows == len(found)
    assert plain(answers.by_invoice_month) == recount(found, lambda row: (row["currency"], row["invoice"]["month"]))
    assert plain(answers.by_usage_day) == recount(found, lambda row: (row["currency"], row["usage_start_time"].date()))
    assert plain(answers.by_cost_type) == recount(found, lambda row: (row["currency"], row["cost_type"]))
    assert plain(answers.by_project) == recount(found, lambda row: (row["currency"], row["project"] and row["project"]["id"]))
    assert sum(answers.by_credit_type.values()) == sum(one.credits for one in answers.by_cost_type.values())


def test_the_detailed_export_holds_the_money_of_the_standard_one(rows):
    def money(table):
        sums = recount(rows[table], lambda row: (row["project"] and row["project"]["id"], row["sku"]["id"], row["invoice"]["month"]))
        return {key: amounts for key, (_, *amounts) in sums.items()}

    assert money(DETAILED) == money(STANDARD)
    assert len(rows[DETAILED]) > 1.4 * len(rows[STANDARD])


def test_what_was_seen_earlier_is_answered_as_it_was(kept):
    now = kept.gcp.answers(STANDARD, TODAY - timedelta(days=1), TODAY)
    later = kept.gcp.answers(STANDARD, TODAY - timedelta(days=1), TODAY, TODAY + timedelta(days=1))

    assert 0 < now.rows < later.rows


def test_traps_are_what_sql_says_of_the_files(kept, files):
    """DuckDB's own cast counts each amount alone, as BigQuery's does; the shortcuts are written out as SQL."""
    found = {trap.name: trap for trap in kept.gcp.traps(FIRST, LAST)}
    database = duckdb.connect()
    database.execute("CREATE MACRO n(x) AS CAST(x AS DECIMAL(38, 9))")
    database.execute("CREATE MACRO net(c, k) AS n(c) + coalesce(list_sum(list_transform(k, lambda e: n(e.amount))), 0)")
    for name, table in (("standard", STANDARD), ("detailed", DETAILED), ("euros", EURO)):
        database.read_parquet([str(path) for path in files[table]], union_by_name=True).create_view(name)

    def figure(sql):
        (value,) = database.execute(sql).fetchall()
        return value[0]

    right = figure("SELECT sum(net(cost, credits)) FROM standard")
    assert {found[name].right for name in ("no project", "twins", "floats", "both exports", "old corrections", "a day that grows")} == {
        right
    }
    assert figure("SELECT sum(net(cost, credits)) FROM detailed") == right
    assert found["joined credits"].right == figure("SELECT sum(n(cost)) FROM standard")
    assert found["joined credits"].naive == figure("SELECT sum(n(cost)) FROM standard, unnest(credits)")
    assert found["no project"].naive == figure("SELECT sum(net(cost, credits)) FROM standard WHERE project IS NOT NULL")
    assert found["twins"].naive == figure("SELECT sum(net(cost, credits)) FROM (SELECT DISTINCT * FROM standard)")
    assert found["both exports"].naive == right + figure("SELECT sum(net(cost, credits)) FROM detailed")
    assert found["currencies"].naive == right + figure("SELECT sum(net(cost, credits)) FROM euros")
    assert found["usage month"].right == figure("SELECT sum(net(cost, credits)) FROM standard WHERE invoice.month = '202610'")
    assert found["usage month"].naive == figure(
        "SELECT sum(net(cost, credits)) FROM standard WHERE strftime(usage_start_time, '%Y%m') = '202610'"
    )
    assert found["three kinds of labels"].right == figure(
        "SELECT sum(net(cost, credits)) FROM standard "
        "WHERE list_contains(list_transform(labels, lambda l: l.key || '=' || l.value), 'env=prod')"
    )
    assert found["cents"].naive == figure("SELECT sum(round(n(cost), 2)) FROM standard")


def test_no_trap_is_blunt(kept):
    traps = kept.gcp.traps(FIRST, LAST)

    assert len({trap.name for trap in traps}) == len(traps) >= 12
    assert [trap.name for trap in traps if trap.right == trap.naive] == []


@given(st.floats(-1e6, 1e6, allow_nan=False))
@example(0.1 + 0.2)
@example(2.0**-10)
@example(-(2.0**-10))
@example(3e-07)
@example(-0.0)
def test_an_amount_is_rounded_half_away_from_zero_to_nine_places(amount):
    assert numeric(nanos(amount)) == Decimal(repr(amount)).quantize(Decimal("1e-9"), ROUND_HALF_UP)


@given(st.floats(-1e5, 1e5, allow_nan=False), st.integers(1, 5))
def test_shares_add_up_to_the_whole(amount, count):
    assert sum(map(nanos, _shares(amount, count))) == nanos(amount)


def test_accounts_differ_between_projects(kept):
    second = "gcp_billing_export_v1_02C4E6_8A0B1D_3F5A7C"
    assert kept.gcp.answers(second, FIRST, FIRST).by_cost_type != kept.gcp.answers(STANDARD, FIRST, FIRST).by_cost_type
