"""Each expectation is BigQuery's documented answer; DuckDB must give it through the rendered SQL."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.core.base.faults import Missing, Rejected
from src.core.engine.dialect.rendering import Catalogue
from src.core.engine.dialect.rules import DIVIDE_MACRO
from src.core.engine.dialect.statements import RESERVED, Purpose

COLUMNS = {
    "i": "BIGINT",
    "f": "DOUBLE",
    "n": "DECIMAL(38,9)",
    "bn": "DECIMAL(38,18)",
    "d": "DATE",
    "ts": "TIMESTAMP WITH TIME ZONE",
    "s": "VARCHAR",
    "b": "BLOB",
    "j": "JSON",
    "arr": "VARCHAR[]",
    "people": 'STRUCT("name" VARCHAR, age BIGINT)[]',
    "bills": "STRUCT(amount DECIMAL(38,9), weight DOUBLE, units BIGINT)[]",
    "place": "STRUCT(city STRUCT(zip VARCHAR))",
}
ROW = """INSERT INTO t VALUES (7, 2.5, 10.5, 1.5, '2026-11-22', '2026-11-22 22:59:59.123456+00', 'abc', 'ab'::BLOB, '{"a": {"b": 1}}',
['p', 'q'], [{name: 'Ada', age: 36}, {name: NULL, age: 1}],
[{amount: 0.1, weight: 0.5, units: 2}, {amount: 0.2, weight: NULL, units: 3}, NULL], {city: {zip: '8000'}})"""
CATALOGUE = Catalogue({"t": COLUMNS, "empty": COLUMNS, "view_of_t": {"total": "HUGEINT"}}, frozenset({"x_fences"}))


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(DIVIDE_MACRO)
        for name in ("t", "empty"):
            connection.execute(f"CREATE TABLE {name} ({', '.join(f'{column} {kind}' for column, kind in COLUMNS.items())})")
        connection.execute(ROW)
        yield connection


def ask(engine: duckdb.DuckDBPyConnection, sql: str, **params: object) -> list[tuple[object, ...]]:
    found = engine.sql(CATALOGUE.render(sql).sql, params=params).to_arrow_table()
    return [tuple(line.values()) for line in found.to_pylist()]


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        # NUMERIC has 9 decimals, BIGNUMERIC more
        ("CAST('1.123456789' AS NUMERIC)", Decimal("1.123456789")),
        ("NUMERIC '0.000000001'", Decimal("0.000000001")),
        ("CAST(1.5 AS NUMERIC(10, 2))", Decimal("1.50")),
        ("BIGNUMERIC '0.000000000000000001'", Decimal("1E-18")),
        ("CAST('0.0000000005' AS NUMERIC)", Decimal("0.000000001")),
        # a float is the shortest decimal that is it
        ("CAST(CAST('71192484.68' AS FLOAT64) AS NUMERIC)", Decimal("71192484.68")),
        ("CAST(CAST(CAST('71192484.68' AS FLOAT64) AS STRING) AS NUMERIC)", Decimal("71192484.68")),
        ("1.5", 1.5),
        # division: NUMERIC stays exact, integers give FLOAT64
        ("n / 3", Decimal("3.5")),
        ("CAST(1 AS NUMERIC) / 3", Decimal("0.333333333")),
        ("CAST(2 AS NUMERIC) / 3", Decimal("0.666666667")),
        ("CAST(-2 AS NUMERIC) / 3", Decimal("-0.666666667")),
        ("n / i", Decimal("1.5")),
        ("n / f", 4.2),
        ("i / 2", 3.5),
        ("n / 1.5", Decimal(7)),
        ("n / @p", Decimal("5.25")),
        ("SAFE_DIVIDE(n, 0)", None),
        ("SAFE_DIVIDE(i, 0)", None),
        ("SAFE_DIVIDE(n, 4)", Decimal("2.625")),
        ("SAFE_DIVIDE(i, 2)", 3.5),
        ("DIV(-7, 2)", -3),
        ("MOD(-7, 3)", -1),
        # products of NUMERIC are NUMERIC at every link of the chain
        ("n * n * n * n * n * n", Decimal("1340095.640625000")),
        ("NUMERIC '123456789012' * NUMERIC '1000' * NUMERIC '1000' * NUMERIC '0.000001'", Decimal("123456789012")),
        ("n * 1.5", Decimal("15.75")),
        ("n * f", 26.25),
        ("bn * n", Decimal("15.75")),
        # FLOAT64 to INT64 rounds halves away from zero
        ("CAST(f AS INT64)", 3),
        ("CAST(-f AS INT64)", -3),
        ("CAST(CAST(0.5 AS FLOAT64) AS INT64)", 1),
        ("CAST(n AS INT64)", 11),
        ("CAST(i / 2 AS INT64)", 4),
        ("CAST(COALESCE(f, 0) AS INT64)", 3),
        ("SAFE_CAST('x' AS INT64)", None),
        ("SAFE_CAST('x' AS NUMERIC)", None),
        ("SAFE_CAST(f AS INT64)", 3),
        ("ROUND(f)", 3.0),
        ("ROUND(n / 4, 2)", Decimal("2.63")),
        # DATE stays DATE
        ("DATE_SUB(d, INTERVAL 1 MONTH)", date(2026, 10, 22)),
        ("DATE_ADD(DATE '2026-01-31', INTERVAL 1 MONTH)", date(2026, 2, 28)),
        ("DATE_TRUNC(d, MONTH)", date(2026, 11, 1)),
        ("DATE_TRUNC(d, WEEK)", date(2026, 11, 22)),
        ("DATE_TRUNC(d, WEEK(MONDAY))", date(2026, 11, 16)),
        ("DATE_TRUNC(d, ISOWEEK)", date(2026, 11, 16)),
        ("DATE_DIFF(d, DATE '2026-11-21', WEEK)", 1),
        ("DATE_DIFF(DATE '2026-11-01', DATE '2026-10-31', MONTH)", 1),
        ("LAST_DAY(d)", date(2026, 11, 30)),
        ("DATE(ts)", date(2026, 11, 22)),
        ("DATE(ts, 'Asia/Tokyo')", date(2026, 11, 23)),
        ("DATE(2026, 1, 2)", date(2026, 1, 2)),
        ("PARSE_DATE('%Y%m%d', '20260102')", date(2026, 1, 2)),
        ("FORMAT_DATE('%Y-%m', d)", "2026-11"),
        ("FORMAT_TIMESTAMP('%F %T', ts)", "2026-11-22 22:59:59"),
        # instants
        ("TIMESTAMP_TRUNC(ts, DAY)", datetime(2026, 11, 22, tzinfo=UTC)),
        ("TIMESTAMP_TRUNC(ts, DAY, 'Asia/Tokyo')", datetime(2026, 11, 22, 15, tzinfo=UTC)),
        ("TIMESTAMP_DIFF(TIMESTAMP '2026-01-01 01:00:00+00', TIMESTAMP '2026-01-01 00:59:59+00', HOUR)", 0),
        ("TIMESTAMP_DIFF(TIMESTAMP '2026-01-02 01:00:00+00', TIMESTAMP '2026-01-01 00:59:59+00', DAY)", 1),
        ("TIMESTAMP_MICROS(1)", datetime(1970, 1, 1, 0, 0, 0, 1, UTC)),
        ("TIMESTAMP_SECONDS(60)", datetime(1970, 1, 1, 0, 1, tzinfo=UTC)),
        ("UNIX_SECONDS(TIMESTAMP '1970-01-01 00:01:00+00')", 60),
        ("TIMESTAMP '2026-01-01 00:00:00'", datetime(2026, 1, 1, tzinfo=UTC)),
        # parts
        ("EXTRACT(DAYOFWEEK FROM d)", 1),
        ("EXTRACT(DAYOFWEEK FROM DATE '2026-11-28')", 7),
        ("EXTRACT(ISOWEEK FROM d)", 47),
        ("EXTRACT(DAYOFYEAR FROM DATE '2026-02-01')", 32),
        ("EXTRACT(MILLISECOND FROM ts)", 123),
        ("EXTRACT(MICROSECOND FROM ts)", 123456),
        ("EXTRACT(DATE FROM ts)", date(2026, 11, 22)),
        ("EXTRACT(YEAR FROM d)", 2026),
        # texts
        ("CAST(n AS STRING)", "10.5"),
        ("CAST(CAST(100 AS NUMERIC) AS STRING)", "100"),
        ("CAST(b AS STRING)", "ab"),
        ("CAST('a\\\\x' AS BYTES)", b"a\\x"),
        ("CAST(TRUE AS STRING)", "true"),
        ("CAST(d AS STRING)", "2026-11-22"),
        ("CONCAT('a', NULL)", None),
        ("IF(i > 1, 'yes', 'no')", "yes"),
        ("SUBSTR('abc', -2)", "bc"),
        ("REGEXP_EXTRACT('ab-12', r'\\d+')", "12"),
        ("STARTS_WITH(s, 'a')", True),
        ('"double"', "double"),
        ("'it\\'s'", "it's"),
        ("JSON_VALUE(j, '$.a.b')", "1"),
        ("CAST(JSON_VALUE(j, '$.a.b') AS INT64)", 1),
        ("GREATEST(1, NULL)", None),
        # structs, arrays
        ("STRUCT(1 AS a, 'x' AS b).b", "x"),
        ("place.city.zip", "8000"),
        ("people[OFFSET(0)].name", "Ada"),
        ("arr[SAFE_OFFSET(9)]", None),
        ("arr[ORDINAL(2)]", "q"),
        ("ARRAY_LENGTH(arr)", 2),
        ("ARRAY(SELECT UPPER(x) FROM UNNEST(arr) AS x ORDER BY x)", ["P", "Q"]),
        ("(SELECT ARRAY_AGG(x IGNORE NULLS ORDER BY x) FROM UNNEST([3, NULL, 1]) AS x)", [1, 3]),
        ("(SELECT COUNTIF(x > 1) FROM UNNEST([1, 2, NULL]) AS x)", 1),
        ("'p' IN UNNEST(arr)", True),
        ("`i`", 7),
        ("`t`.`i`", 7),
    ],
)
def test_the_answer_is_bigquerys(engine, expression, answer):
    rendered = CATALOGUE.render(f"SELECT {expression} AS answer FROM t")
    params = {"p": Decimal(2)} if rendered.parameters else {}
    [(found,)] = ask(engine, f"SELECT {expression} AS answer FROM t", **params)
    assert found == answer
    assert type(found) is type(answer)


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        ("SELECT x, o FROM UNNEST(['a', 'b']) AS x WITH OFFSET AS o ORDER BY o", [("a", 0), ("b", 1)]),
        ("SELECT offset FROM UNNEST(['a', 'b']) AS x WITH OFFSET ORDER BY offset", [(0,), (1,)]),
        ("SELECT t.i, x, o FROM t, UNNEST(t.arr) AS x WITH OFFSET AS o ORDER BY o", [(7, "p", 0), (7, "q", 1)]),
        ("SELECT t.i, x FROM t LEFT JOIN UNNEST([1]) AS x", [(7, 1)]),
        ("SELECT o FROM t LEFT JOIN UNNEST(arr) AS x WITH OFFSET AS o ORDER BY o DESC LIMIT 1", [(1,)]),
        ("SELECT p.name, p.age FROM t, UNNEST(t.people) AS p ORDER BY p.age", [(None, 1), ("Ada", 36)]),
        ("SELECT p.age FROM t, t.people AS p ORDER BY p.age", [(1,), (36,)]),
        (
            "SELECT d FROM UNNEST(GENERATE_DATE_ARRAY(DATE '2026-01-31', DATE '2026-02-01')) AS d ORDER BY d",
            [(date(2026, 1, 31),), (date(2026, 2, 1),)],
        ),
        ("SELECT x FROM UNNEST([2, NULL, 1]) AS x ORDER BY x", [(None,), (1,), (2,)]),
        ("SELECT x FROM UNNEST([2, NULL, 1]) AS x ORDER BY x DESC", [(2,), (1,), (None,)]),
        ("SELECT SUM(i) AS a, AVG(n) AS b, AVG(i) AS c, SUM(n * n) AS d FROM t", [(7, Decimal("10.5"), 7.0, Decimal("110.25"))]),
        ("SELECT SUM(i) AS a, AVG(n) AS b, COUNT(*) AS c FROM empty", [(None, None, 0)]),
        ("SELECT SUM(DISTINCT i) AS a, SUM(i) OVER (PARTITION BY s) AS b FROM t GROUP BY i, s", [(7, 7)]),
        ("SELECT AVG(x) AS a FROM (SELECT n AS x FROM t UNION ALL SELECT CAST(2 AS NUMERIC)) AS u", [(Decimal("6.25"),)]),
        ("WITH q AS (SELECT * FROM t) SELECT n * n * n / 3 AS a FROM q", [(Decimal("385.875"),)]),
        ("WITH q AS (SELECT f * 1 AS g FROM t) SELECT CAST(g AS INT64) AS a FROM q", [(3,)]),
        ("WITH q AS (SELECT i FROM t), r AS (SELECT i FROM Q) SELECT (SELECT i FROM r) AS a FROM q ORDER BY (SELECT i FROM q)", [(7,)]),
        ("WITH q AS (SELECT i FROM t) SELECT i FROM q UNION ALL SELECT i FROM (WITH r AS (SELECT i FROM q) SELECT i FROM r)", [(7,), (7,)]),
        ("WITH t AS (SELECT i + 1 AS i FROM t) SELECT i FROM t", [(8,)]),
        ("WITH RECURSIVE n AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM n WHERE x < 3) SELECT x FROM n ORDER BY x", [(1,), (2,), (3,)]),
        ("SELECT a.n / b.n AS a FROM t AS a JOIN t AS b ON a.i = b.i", [(Decimal(1),)]),
        ("SELECT n / SUM(n) OVER () AS a FROM t", [(Decimal(1),)]),
        ("SELECT i FROM t QUALIFY ROW_NUMBER() OVER (PARTITION BY s ORDER BY ts DESC) = 1", [(7,)]),
        ("SELECT * EXCEPT (f, n, bn, d, ts, s, b, j, arr, people, bills, place) FROM t", [(7,)]),
        ("SELECT `select` FROM (SELECT 1 AS `select`) AS `from`", [(1,)]),
    ],
)
def test_the_rows_are_bigquerys(engine, sql, answer):
    assert ask(engine, sql) == answer


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        ("SELECT (SELECT SUM(bill.amount) FROM UNNEST(bills) AS bill) AS a FROM t", [(Decimal("0.3"),)]),
        ("SELECT COALESCE((SELECT SUM(bill.amount) FROM UNNEST(bills) AS bill), 0) AS a FROM t", [(Decimal("0.3"),)]),
        ("SELECT SUM(n + COALESCE((SELECT SUM(bill.amount) FROM UNNEST(bills) AS bill), 0)) AS a FROM t", [(Decimal("10.8"),)]),
        ("SELECT (SELECT SUM(bill.weight) FROM UNNEST(bills) AS bill) AS a FROM t", [(0.5,)]),
        ("SELECT (SELECT SUM(bill.units) FROM UNNEST(bills) AS bill) AS a FROM t", [(5,)]),
        ("SELECT (SELECT SUM(bill.amount) FROM UNNEST(bills) AS bill WHERE bill.units > 2) AS a FROM t", [(Decimal("0.2"),)]),
        ("SELECT (SELECT SUM(DISTINCT bill.amount) FROM UNNEST(ARRAY_CONCAT(bills, bills)) AS bill) AS a FROM t", [(Decimal("0.3"),)]),
        ("SELECT (SELECT SUM(bill.amount) FROM UNNEST(IF(i = 0, bills, NULL)) AS bill) AS a FROM t", [(None,)]),
        ("SELECT (SELECT SUM(bill.amount) FROM UNNEST(IF(i = 0, bills, [])) AS bill) AS a FROM t", [(None,)]),
        ("SELECT i FROM t WHERE (SELECT SUM(bill.amount) FROM UNNEST(bills) AS bill) > 0.25", [(7,)]),
        # rows, not values
        ("SELECT u.a FROM t, (SELECT SUM(bill.amount) AS a FROM UNNEST(t.bills) AS bill) AS u", [(Decimal("0.3"),)]),
        ("SELECT COUNT(*) AS a FROM (SELECT SUM(bill.amount) FROM UNNEST([STRUCT(NUMERIC '1' AS amount)]) AS bill) AS u", [(1,)]),
        ("SELECT COUNT(*) AS a FROM t JOIN (SELECT SUM(bill.weight) FROM UNNEST([STRUCT(1.5 AS weight)]) AS bill) AS u ON TRUE", [(1,)]),
        ("SELECT i FROM t WHERE NUMERIC '0.3' IN (SELECT SUM(bill.amount) FROM UNNEST(bills) AS bill)", [(7,)]),
        ("SELECT i FROM t WHERE NUMERIC '0.4' NOT IN (SELECT SUM(bill.amount) FROM UNNEST(bills) AS bill)", [(7,)]),
        ("SELECT EXISTS(SELECT SUM(bill.amount) FROM UNNEST(IF(i = 0, bills, NULL)) AS bill) AS a FROM t", [(True,)]),
        ("SELECT ARRAY(SELECT SUM(bill.weight) FROM UNNEST(bills) AS bill) AS a FROM t", [([0.5],)]),
        ("WITH u AS (SELECT SUM(bill.weight) AS a FROM UNNEST([STRUCT(1.5 AS weight)]) AS bill) SELECT a FROM u", [(1.5,)]),
        (
            "(SELECT SUM(bill.weight) AS a FROM UNNEST([STRUCT(1.5 AS weight)]) AS bill) UNION ALL (SELECT 2.5 AS a) ORDER BY a",
            [(1.5,), (2.5,)],
        ),
    ],
)
def test_a_sum_over_an_array_is_bigquerys_wherever_it_stands(engine, sql, answer):
    assert ask(engine, sql) == answer


@pytest.mark.parametrize("summed", ["{}", "COALESCE({}, 0)", "n + COALESCE({}, 0)", "-{}", "CAST({} AS FLOAT64)"])
def test_a_rows_own_array_is_summed_without_a_join(summed):
    value = summed.format("(SELECT SUM(bill.amount) FROM UNNEST(bills) AS bill)")
    assert "LIST_SUM" in CATALOGUE.render(f"SELECT {value} AS a FROM t").sql


@pytest.mark.parametrize(
    "sql", ["SELECT 1 / 0 AS a", "SELECT i / 0 AS a FROM t", "SELECT n / 0 AS a FROM t", "SELECT f / (f - f) AS a FROM t"]
)
def test_division_by_zero_is_an_error_and_never_infinity(engine, sql):
    with pytest.raises(duckdb.Error, match="division by zero"):
        ask(engine, sql)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT * FROM UNNEST([1, 2])", "alias"),
        ("SELECT * FROM t, UNNEST(arr)", "alias"),
        ("SELECT CAST(f AS STRING) FROM t", "floats differently"),
        ("SELECT FORMAT_DATE('%Q', d) FROM t", "%Q"),
        ("SELECT FORMAT_DATE(s, d) FROM t", "written out"),
        ("SELECT FORMAT('%d', i) FROM t", "CONCAT"),
        ("SELECT EXTRACT(WEEK FROM d) FROM t", "WEEK"),
        ("SELECT EXTRACT(WEEK(MONDAY) FROM d) FROM t", "ISOWEEK"),
        ("SELECT EXTRACT(NANOSECOND FROM ts) FROM t", "NANOSECOND"),
        ("SELECT SAFE.PARSE_DATE('%Y', s) FROM t", "SAFE"),
        ("SELECT IEEE_DIVIDE(i, 0) FROM t", "not known"),
        ("SELECT AVG(n) OVER () FROM t", "SUM by COUNT"),
        ("SELECT bn / 2 FROM t", "BIGNUMERIC"),
        ("SELECT ARRAY_AGG(s LIMIT 1) FROM t", "faithfully"),
        ("SELECT * FROM t TABLESAMPLE SYSTEM (10 PERCENT)", "samples"),
        ("SELECT ?", "@name"),
        ("SELECT @@x", "session"),
        ("SELECT i FROM t FOR SYSTEM_TIME AS OF ts", "time travel"),
        ("SELECT CAST(j.a AS INT64) FROM t", "ROUND"),
        ("SELECT 1; SELECT 2", "2"),
    ],
)
def test_what_would_mean_another_thing_is_refused(sql, said):
    with pytest.raises(Rejected, match=said):
        CATALOGUE.render(sql)


@pytest.mark.parametrize(
    ("sql", "purpose"),
    [("DELETE FROM t WHERE TRUE", "query"), ("DELETE FROM t WHERE TRUE", "view"), ("SELECT 1", "change"), ("SELECT @p", "view")],
)
def test_each_purpose_takes_its_own_statements(sql, purpose: Purpose):
    with pytest.raises(Rejected):
        CATALOGUE.render(sql, purpose)


def test_a_change_says_which_table_it_writes():
    insert = CATALOGUE.render("INSERT INTO t (i, n) SELECT i, n * n / 3 FROM t WHERE d >= @from", "change")
    assert (insert.changed, insert.appends, insert.parameters) == ("t", True, ("from",))
    update = CATALOGUE.render("UPDATE t SET n = n / 3, i = CAST(f AS INT64) WHERE i = 7", "change")
    assert (update.changed, update.appends) == ("t", False)
    assert "x_numeric_divide" in update.sql.lower()
    assert "ROUND" in update.sql
    merge = CATALOGUE.render("MERGE t USING empty AS s ON t.i = s.i WHEN MATCHED THEN UPDATE SET n = t.n / s.i", "change")
    assert "x_numeric_divide" in merge.sql.lower()
    with pytest.raises(Missing):
        CATALOGUE.render("DELETE FROM x_fences WHERE TRUE", "change")


def test_a_line_of_a_syntax_error_is_named():
    with pytest.raises(Rejected) as refused:
        CATALOGUE.render("SELECT i\nFROM t\nWHERE (i = ")
    assert refused.value.flaws[0].line == 3


def fetched(engine: duckdb.DuckDBPyConnection, sql: str, **params: object) -> list[tuple[object, ...]]:
    return engine.execute(CATALOGUE.render(sql).sql, params).fetchall()


numerics = st.decimals(min_value=-(10**10), max_value=10**10, places=9, allow_nan=False)


@settings(deadline=None)
@given(dividend=numerics, divisor=numerics.filter(bool))
def test_numeric_division_is_exact_to_nine_decimals(engine, dividend, divisor):
    with localcontext() as exact:
        exact.prec = 80
        wanted = (dividend / divisor).quantize(Decimal("1E-9"), ROUND_HALF_UP)
    [(found,)] = fetched(engine, "SELECT CAST(@a AS NUMERIC) / CAST(@b AS NUMERIC) AS q", a=dividend, b=divisor)
    assert found == wanted


@settings(deadline=None)
@given(value=st.floats(min_value=-1e15, max_value=1e15))
def test_float_to_int_rounds_halves_away_from_zero(engine, value):
    wanted = int(Decimal(value).quantize(Decimal(1), ROUND_HALF_UP))
    [(found,)] = fetched(engine, "SELECT CAST(CAST(@v AS FLOAT64) AS INT64) AS i", v=value)
    assert found == wanted


@settings(deadline=None)
@given(values=st.lists(st.decimals(min_value=-(10**6), max_value=10**6, places=9, allow_nan=False), min_size=1, max_size=20))
def test_averages_of_numeric_are_exact(engine, values):
    with localcontext() as exact:
        exact.prec = 80
        wanted = (sum(values, Decimal(0)) / len(values)).quantize(Decimal("1E-9"), ROUND_HALF_UP)
    texts = [str(value) for value in values]
    [(found,)] = fetched(engine, "SELECT AVG(CAST(x AS NUMERIC)) AS a FROM UNNEST(@texts) AS x", texts=texts)
    assert found == wanted


INTERNAL = """SELECT view_name FROM duckdb_views() WHERE internal AND schema_name <> 'information_schema'
UNION SELECT table_name FROM duckdb_tables() WHERE internal"""


def test_everything_of_the_engine_that_a_bare_name_reaches_starts_with_a_reserved_word(engine):
    names = [name for (name,) in engine.execute(INTERNAL).fetchall()]
    assert len(names) > 30
    assert [name for name in names if not name.startswith(RESERVED)] == []


@pytest.mark.parametrize("name", ["duckdb_x", "PRAGMA_x", "sqlite_x", "pg_x", "information_schema"])
def test_no_part_of_a_query_takes_a_name_of_the_engine(name):
    with pytest.raises(Rejected, match=f"WITH {name}.*take another"):
        CATALOGUE.render(f"WITH {name} AS (SELECT 1 AS a) SELECT a FROM {name}")


def test_what_was_rendered_for_one_dataset_serves_another_in_which_its_tables_are_the_same():
    sql = "SELECT COUNT(*) AS n FROM t"
    alike, wider = Catalogue({"t": dict(COLUMNS)}), Catalogue({"t": {**COLUMNS, "more": "BIGINT"}})

    held = Catalogue({"t": COLUMNS}).render(sql)

    assert alike.render(sql) is held
    assert alike.extended({"staged": COLUMNS}).render(sql) is held
    assert wider.render(sql) is not held


def test_what_was_rendered_serves_no_dataset_that_lacks_a_table_or_keeps_it_for_itself():
    sql = "DELETE FROM t WHERE TRUE"
    Catalogue({"t": COLUMNS}).render(sql, "change")

    with pytest.raises(Missing, match="no table or view 't'"):
        Catalogue({}).render(sql, "change")
    with pytest.raises(Rejected):
        Catalogue({"t": COLUMNS}, frozenset({"t"})).render(sql, "change")


def test_a_name_that_a_statement_gives_is_told_from_a_table_of_that_name():
    sql = "WITH part AS (SELECT a FROM t) SELECT a FROM part"
    without, beside = Catalogue({"t": COLUMNS}), Catalogue({"t": COLUMNS, "part": {"a": "VARCHAR"}})

    assert without.render(sql) is not beside.render(sql)
