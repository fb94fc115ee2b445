"""What a publication reads in place of the tables it has touched."""

from datetime import date

import pytest
import sqlglot
from google.cloud.bigquery import SchemaField
from sqlglot import exp

from src.core.base.faults import Missing
from src.core.engine.bigquery.catalogue import Relation
from src.core.engine.bigquery.conditions import condition
from src.core.engine.bigquery.pending import Pending, Sight, parsed_columns, steady_condition
from src.core.engine.port import TablePart

FIELDS = (SchemaField("day", "DATE"), SchemaField("cost", "NUMERIC"))
DAY = TablePart("day", date(2026, 11, 1), date(2026, 11, 2))
RELATIONS = {
    "costs": Relation("costs", FIELDS),
    "other": Relation("other", FIELDS),
    "total": Relation("total", FIELDS, view="SELECT SUM(cost) AS cost FROM costs AS c -- all of it"),
    "twice": Relation("twice", FIELDS, view="SELECT cost FROM total"),
    "apart": Relation("apart", FIELDS, view="SELECT cost FROM other"),
}


def need(name: str) -> Relation:
    if name not in RELATIONS:
        raise Missing(name)
    return RELATIONS[name]


def touched(**more: object) -> Pending:
    pending = Pending(RELATIONS["costs"], written="x_stage_1")
    for name, value in more.items():
        setattr(pending, name, value)
    return pending


def seen(sql: str, pending: Pending, staged: dict[str, str] | None = None, target: str | None = None) -> str:
    return Sight({"costs": pending}, staged or {}, need).text(sql, sqlglot.parse_one(sql, read="bigquery"), target)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT day FROM other",
        "SELECT * FROM apart",
        "WITH costs AS (SELECT 1 AS a) SELECT a FROM costs",
        "SELECT o.cost AS costs FROM other AS o WHERE o.cost > 1 -- costs",
    ],
)
def test_what_is_not_touched_goes_out_as_it_was_written(sql):
    assert seen(sql, touched()) == sql


def test_an_untouched_table_stands_for_itself():
    assert seen("SELECT day FROM costs", Pending(RELATIONS["costs"])) == "SELECT day FROM costs"


def test_a_touched_table_keeps_the_name_it_is_spoken_of_by():
    both = "(SELECT `day`, `cost` FROM `costs` UNION ALL SELECT `day`, `cost` FROM `x_stage_1`)"
    assert seen("SELECT costs.day FROM costs", touched()) == f"SELECT costs.day FROM {both} AS `costs`"
    assert seen("SELECT c.day FROM `costs` c, other", touched()) == f"SELECT c.day FROM {both} c, other"


def test_what_is_removed_is_left_out_and_null_removes_nothing():
    pending = touched()
    pending.remove(condition(DAY, FIELDS, "p"))
    assert "WHERE NOT IFNULL((`day` >= @p_0 AND `day` < @p_1), FALSE) UNION ALL" in seen("SELECT day FROM costs", pending)
    assert pending.values == {"p_0": date(2026, 11, 1), "p_1": date(2026, 11, 3)}


def test_of_a_table_taken_whole_only_what_is_staged_is_read():
    assert seen("SELECT day FROM costs", touched(whole=True)) == "SELECT day FROM (SELECT `day`, `cost` FROM `x_stage_1`) AS `costs`"


def test_views_over_touched_tables_are_expanded_and_others_are_not():
    text = seen("SELECT twice.cost FROM twice, apart", touched(whole=True))
    inner = "SELECT SUM(cost) AS cost FROM (SELECT `day`, `cost` FROM `x_stage_1`) AS c -- all of it\n"
    assert text == f"SELECT twice.cost FROM (SELECT cost FROM ({inner}) AS `total`\n) AS `twice`, apart"


def test_a_common_table_hides_a_touched_one_only_where_it_reaches():
    text = seen("WITH costs AS (SELECT cost FROM costs) SELECT cost FROM costs", touched(whole=True))
    assert text == "WITH costs AS (SELECT cost FROM (SELECT `day`, `cost` FROM `x_stage_1`) AS `costs`) SELECT cost FROM costs"


def test_staged_sources_stand_under_their_names():
    assert seen("SELECT cost FROM incoming", touched(), {"incoming": "`x_stage_9`"}) == "SELECT cost FROM `x_stage_9` AS `incoming`"


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("UPDATE costs SET cost = 1 WHERE day = @d", "UPDATE `x_stage_1` AS `costs` SET cost = 1 WHERE day = @d"),
        ("DELETE FROM costs c WHERE c.cost = 1", "DELETE FROM `x_stage_1` c WHERE c.cost = 1"),
        ("INSERT INTO costs (day) SELECT day FROM other", "INSERT INTO `x_stage_1` (day) SELECT day FROM other"),
        ("INSERT costs VALUES (NULL, 1)", "INSERT `x_stage_1` VALUES (NULL, 1)"),
    ],
)
def test_a_change_is_made_to_the_staging_table(sql, text):
    assert seen(sql, touched(whole=True), target="x_stage_1") == text


def steady(sql: str, **params: object):
    return steady_condition(sqlglot.parse_one(sql, read="bigquery"), "p", params)


def test_a_delete_by_plain_conditions_is_a_removal_with_parameters_of_its_own():
    found = steady("DELETE FROM costs WHERE day BETWEEN @first AND @last AND day IN UNNEST(@days)", first=1, last=2, days=[3])
    assert found is not None
    assert found.sql == "day BETWEEN @p_first AND @p_last AND day IN UNNEST(@p_days)"
    assert found.values == {"p_first": 1, "p_last": 2, "p_days": [3]}


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM costs WHERE costs.day = @d",
        "DELETE FROM costs WHERE day = CURRENT_DATE()",
        "DELETE FROM costs WHERE day IN (SELECT day FROM other)",
        "DELETE FROM costs WHERE RAND() < 0.5",
        "UPDATE costs SET cost = 1 WHERE day = @d",
    ],
)
def test_other_changes_are_made_on_a_copy(sql):
    assert steady(sql, d=1) is None


def test_json_that_was_loaded_as_text_is_parsed_wherever_it_stands():
    inner = SchemaField("items", "RECORD", "REPEATED", fields=(SchemaField("id", "STRING"), SchemaField("raw", "JSON")))
    text = parsed_columns((SchemaField("a", "STRING"), SchemaField("j", "JSON"), inner))
    select = sqlglot.parse_one(f"SELECT {text} FROM t", read="bigquery")
    assert isinstance(select, exp.Select)
    assert select.named_selects == ["a", "j", "items"]
    assert text.startswith("`a`, PARSE_JSON(`j`, wide_number_mode => 'round') AS `j`, ARRAY(SELECT IF(x_item_0 IS NULL, NULL, STRUCT(")
    assert "PARSE_JSON(x_item_0.`raw`, wide_number_mode => 'round') AS `raw`" in text
