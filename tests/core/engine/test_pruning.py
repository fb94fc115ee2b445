"""Files that a question cannot need are left out, and no row of its answer with them."""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import duckdb
import pytest

from src.core.base.schema import SliceColumns
from src.core.engine.dialect import pruning
from src.core.engine.dialect.rendering import Catalogue
from src.core.engine.duckdb.store.listing import FILE, SPAN
from src.core.engine.duckdb.store.views import rows_view

FIRST = date(2026, 1, 1)
COLUMNS = {"day": "DATE", "usage_date": "DATE", "n": "BIGINT", "tags": "VARCHAR[]"}
TABLES = {"raw": COLUMNS, "other": {"usage_date": "DATE", "m": "BIGINT"}, "third": {"m": "BIGINT"}}
SLICED = {"raw": SliceColumns("source", "slice", "day")}
PLAIN, PRUNED = Catalogue(TABLES), Catalogue(TABLES, sliced=SLICED)


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    """Files of one and of several days, days without rows between them, rows without a day, and use before the day of the bill."""
    chance = random.Random(21)
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(
            "CREATE TABLE x_rows_of_raw (day DATE, usage_date DATE, n BIGINT, tags VARCHAR[], " + _spans() + ", x_file VARCHAR)"
        )
        for file in range(12):
            start = FIRST + timedelta(2 * file)
            rows = [(start + timedelta(chance.randrange(1 + file % 3)), start - timedelta(chance.randrange(4))) for _ in range(5)]
            span = [pick(row[place] for row in rows) for place in (0, 1) for pick in (min, max)]
            unknown = [(None, span[2]), (span[0], None)] if file % 4 == 0 else []
            for number, (day, used) in enumerate(rows + unknown):
                connection.execute(
                    "INSERT INTO x_rows_of_raw VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [day, used, file * 10 + number, ["a", "b"], *span, str(file)],
                )
        connection.execute("CREATE VIEW raw AS SELECT day, usage_date, n, tags FROM x_rows_of_raw")
        connection.execute("CREATE TABLE other AS SELECT usage_date, n AS m FROM raw WHERE n % 3 = 0")
        connection.execute("INSERT INTO other VALUES ('2030-01-01', -1), (NULL, -2)")
        connection.execute("CREATE TABLE third AS SELECT n AS m FROM raw WHERE n % 2 = 0")
        yield connection


def _spans() -> str:
    return ", ".join(f"{name} DATE" for name in SPAN)


def answer(engine: duckdb.DuckDBPyConnection, sql: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
    used = {name: value for name, value in params.items() if f"${name}" in sql}
    return sorted(engine.execute(sql, used).fetchall(), key=repr)


class Conditions:
    """Random ones, of what questions write and of what is not understood."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.params: dict[str, Any] = {"a": self.day(), "b": self.day(), "none": None, "flag": self.chance.random() < 0.5}
        self.params["days"] = [*(self.day() for _ in range(self.chance.randrange(3))), *([None] if self.chance.random() < 0.2 else [])]

    def day(self) -> date:
        return FIRST + timedelta(self.chance.randrange(-5, 32))

    def value(self) -> str:
        literal = f"'{self.day()}'"
        choices = ["@a", "@b", "@none", f"DATE {literal}", f"CAST({literal} AS DATE)", "DATE_ADD(@a, INTERVAL 3 DAY)", "DATE(2026, 1, 9)"]
        return self.chance.choice([*choices, "DATE_SUB(@b, INTERVAL 2 DAY)", "(@a)"])

    def leaf(self, columns: list[str]) -> str:
        column, how, value = self.chance.choice(columns), self.chance.choice(["=", "<", "<=", ">", ">=", "!="]), self.value()
        listed = ", ".join(self.value() for _ in range(self.chance.randrange(1, 4)))
        choices = [f"{column} {how} {value}", f"{value} {how} {column}", f"{column} BETWEEN {value} AND {self.value()}"]
        choices += [
            f"{column} IN ({listed})",
            f"{column} IN UNNEST(@days)",
            f"{column} NOT IN UNNEST(@days)",
            f"{column} NOT IN ({listed})",
        ]
        choices += ["@none IS NULL", "@flag", "NOT @flag", f"(@none IS NULL OR {column} < @none)", f"(@flag OR {column} {how} @a)"]
        rare = [f"{column} IS NULL", f"DATE_TRUNC({column}, MONTH) = @a", f"{column} NOT BETWEEN {value} AND {self.value()}"]
        rare += [f"{column} < DATE_ADD({self.chance.choice(columns)}, INTERVAL 1 DAY)", f"COALESCE({column}, @a) = @b", "@a < @b", "NULL"]
        return self.chance.choice(choices * 3 + rare)

    def any(self, columns: list[str], deep: int = 2) -> str:
        if not deep or self.chance.random() < 0.3:
            return self.leaf(columns)
        how = self.chance.choice(["AND", "AND", "OR"])
        both = f"({self.any(columns, deep - 1)} {how} {self.any(columns, deep - 1)})"
        return f"NOT {both}" if self.chance.random() < 0.1 else both

    def statement(self) -> str:
        bare = self.any(["day", "usage_date"])
        t = self.any(["t.day", "T.usage_date"])
        both = self.any(["t.day", "t.usage_date", "o.usage_date"])
        join = self.chance.choice(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        on, more = self.chance.choice(["t.usage_date = o.usage_date", f"o.m = t.n AND {both}"]), self.any(["t.day", "o.usage_date"])
        sides = self.chance.choice([f"raw AS t {join} other AS o ON {on}", f"other AS o {join} raw AS t ON {on}"])
        return self.chance.choice([
            f"SELECT n, day FROM raw WHERE {bare}",
            f"SELECT * FROM raw AS t WHERE {t}",
            f"SELECT COUNT(*) AS c, SUM(n) AS s FROM raw WHERE {bare}",
            f"SELECT t.n, tag FROM raw AS t, UNNEST(t.tags) AS tag WHERE {t}",
            f"WITH part AS (SELECT n, usage_date FROM raw WHERE {bare}) SELECT * FROM part UNION ALL SELECT n, day FROM raw AS t WHERE {t}",
            f"SELECT m FROM other AS o WHERE EXISTS (SELECT 1 FROM raw AS t WHERE t.n = o.m AND {both})",
            f"SELECT m FROM other WHERE m IN (SELECT n FROM raw WHERE {bare})",
            f"SELECT n, third.m FROM raw JOIN third ON third.m = raw.n WHERE {bare}",
            f"SELECT t.n, o.m FROM {sides} WHERE {both}",
            f"SELECT t.n, o.m FROM {sides}",
            f"SELECT t.n, o.m, x.m AS xm FROM {sides} {join} third AS x ON x.m = t.n AND {more} WHERE {t}",
            f"SELECT t.n, u.n AS other_n FROM raw AS t {join} raw AS u ON t.n = u.n AND {self.any(['u.day', 't.usage_date'])} WHERE {t}",
            f"SELECT n, m FROM raw FULL JOIN other USING (usage_date) WHERE {self.any(['raw.usage_date', 'usage_date'])}",
        ])  # fmt: skip


@pytest.mark.parametrize("conditions", [400, pytest.param(8000, marks=pytest.mark.proof)])
def test_no_row_is_lost(engine, conditions):
    pruned = 0
    for seed in range(conditions):
        made = Conditions(seed)
        sql = made.statement()
        less = PRUNED.render(sql).sql
        pruned += "x_rows_of_raw" in less
        assert answer(engine, less, made.params) == answer(engine, PLAIN.render(sql).sql, made.params), (sql, made.params, less)
    assert pruned > conditions / 3


SEVENTH, ELEVENTH = date(2026, 1, 7), date(2026, 1, 11)


@pytest.mark.parametrize(
    ("condition", "read"),
    [
        ("day = @a", "x_day_from <= $a AND x_day_to >= $a"),
        ("@a >= usage_date", "x_used_from <= $a"),
        ("day BETWEEN @a AND @b", "x_day_from <= $b AND x_day_to >= $a"),
        ("day IN (@a, @b)", "$a BETWEEN x_day_from AND x_day_to OR $b BETWEEN x_day_from AND x_day_to"),
        ("day IN UNNEST(@days)", "x_day_from <= $b AND x_day_to >= $a"),
        ("day >= @a AND (@none IS NULL OR day < @none) AND day <= @b AND n > 1", "x_day_from <= $b AND x_day_to >= $a"),
        ("(day = @a AND n = 3) OR day = @b", "$a BETWEEN x_day_from AND x_day_to OR $b BETWEEN x_day_from AND x_day_to"),
        ("day = @a OR n = 1", "true"),
        ("NOT (day != @a)", "true"),
    ],
)
def test_files_that_cannot_matter_are_not_read(engine, condition, read):
    params = {"a": SEVENTH, "b": ELEVENTH, "none": None, "days": [ELEVENTH, SEVENTH]}
    sql = PRUNED.render(f"SELECT n FROM raw WHERE {condition}").sql
    where = sql.partition(' FROM "x_rows_of_raw" WHERE ')[2].rpartition(') AS "raw"')[0] or "true"
    found, wanted = (answer(engine, f"SELECT DISTINCT x_file FROM x_rows_of_raw WHERE {part}", params) for part in (where, read))
    assert found == wanted
    assert (len(found) < 12) == (read != "true")


def test_a_name_of_the_questions_own_hides_no_table_and_is_hidden_by_none(engine):
    for sql in (
        "WITH raw AS (SELECT DATE '2026-01-07' AS day) SELECT * FROM raw WHERE day = @a",
        "WITH x_rows_of_raw AS (SELECT 1 AS n) SELECT n FROM raw WHERE day = @a",
        "SELECT t.n FROM raw AS t JOIN third AS u ON u.m = t.n, other WHERE other.usage_date = @a",
    ):
        assert "x_day_from" not in PRUNED.render(sql).sql
        assert "x_used_from" not in PRUNED.render(sql).sql


def test_what_was_rendered_for_a_table_serves_no_list_of_files():
    sql = "SELECT SUM(n) AS total FROM raw WHERE day = @only_here"
    assert "x_rows_of_raw" not in PLAIN.render(sql).sql
    assert "x_rows_of_raw" in PRUNED.render(sql).sql
    assert "x_rows_of_raw" in PRUNED.extended({"incoming": {"n": "BIGINT"}}).render(sql).sql


def test_the_names_are_those_that_the_views_have():
    assert (*SPAN, FILE) == pruning.BESIDE
    assert rows_view("raw") == f"{pruning.ROWS_OF}raw"
