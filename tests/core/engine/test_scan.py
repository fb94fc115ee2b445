"""The neutral tree as GoogleSQL: names checked and quoted, values always bound, the text the same from window to window."""

from datetime import UTC, date, datetime

import pytest

from src.core.base.faults import Rejected
from src.core.engine.dialect.rendering import Catalogue
from src.core.engine.quality_sql import (
    Absent,
    AddsUp,
    Aggregate,
    Compared,
    Count,
    Different,
    Equal,
    Every,
    Matching,
    Measure,
    Newest,
    Not,
    OneOf,
    Repeated,
    Some,
    question,
)

COST, DAY, ID = ("cost",), ("day",), ("service", "id")
COLUMNS = {"cost": "DECIMAL(38,9)", "net": "DECIMAL(38,9)", "day": "DATE", "month": "VARCHAR", "service": "STRUCT(id VARCHAR)"}
TWICE = "SELECT COUNT(*) AS x_rows FROM `lines` WHERE (`cost` IS NULL) GROUP BY `day`, `service`.`id` HAVING COUNT(*) > 1"
MONDAY, TUESDAY, THURSDAY = date(2026, 11, 16), date(2026, 11, 17), date(2026, 11, 19)


def asked(*measures: Measure, part=None):
    return question("lines", part or {}, measures)


@pytest.mark.parametrize(
    ("measure", "sql"),
    [
        (Count(), "COUNT(*)"),
        (Count(Absent(ID)), "COUNTIF(`service`.`id` IS NULL)"),
        (Count(Not(Compared(COST, "<", 1))), "COUNTIF(NOT (`cost` < @p0))"),
        (Count(OneOf(ID, ("a", "b", "a"))), "COUNTIF(`service`.`id` IN (@p0, @p1, @p0))"),
        (Count(OneOf(ID, ())), "COUNTIF(FALSE)"),
        (Count(Matching(ID, "^a")), "COUNTIF(REGEXP_CONTAINS(`service`.`id`, @p0))"),
        (Count(Every((Equal(COST, ("net",)), Absent(DAY)))), "COUNTIF((`cost` = `net`) AND (`day` IS NULL))"),
        (Count(Some((Different(COST, ("net",)), Absent(DAY)))), "COUNTIF((`cost` IS DISTINCT FROM `net`) OR (`day` IS NULL))"),
        (Count(Some(())), "COUNTIF(FALSE)"),
        (Count(AddsUp(("net",), (COST, COST))), "COUNTIF(`net` = `cost` + `cost`)"),
        (Aggregate("SUM", COST), "SUM(`cost`)"),
        (Aggregate("MIN", DAY, Absent(COST)), "MIN(IF(`cost` IS NULL, `day`, NULL))"),
        (Newest(DAY), "(SELECT MAX(`day`) FROM `lines`)"),
        (
            Repeated((DAY, ID), Absent(COST)),
            f"(SELECT COALESCE(SUM(x_group.x_rows), 0) FROM ({TWICE}) AS x_group)",
        ),
    ],
)
def test_each_measure_has_its_sql(measure, sql):
    found = asked(measure).sql

    assert found == f"SELECT {sql} AS m0 FROM `lines`"
    assert Catalogue({"lines": COLUMNS}).render(found).sql


@pytest.mark.parametrize(
    ("part", "where", "params"),
    [
        ({"month": "202611"}, "(`month` = @p0)", {"p0": "202611"}),
        ({"month": None}, "(`month` IS NULL)", {}),
        ({"day": []}, "(FALSE)", {}),
        ({"day": [TUESDAY, MONDAY]}, "(`day` >= @from_day) AND (`day` <= @to_day)", {"from_day": MONDAY, "to_day": TUESDAY}),
        (
            {"day": [THURSDAY, MONDAY, MONDAY]},
            "(`day` >= @from_day) AND (`day` <= @to_day) AND (`day` IN UNNEST(@in_day))",
            {"from_day": MONDAY, "to_day": THURSDAY, "in_day": [MONDAY, THURSDAY]},
        ),
    ],
)
def test_a_part_limits_the_rows(part, where, params):
    found = asked(Count(), part=part)

    assert found.sql == f"SELECT COUNT(*) AS m0 FROM `lines` WHERE {where}"
    assert found.params == params


def test_rows_that_stand_twice_are_looked_for_in_the_part_alone():
    assert asked(Repeated((DAY,)), part={"day": MONDAY}).sql.count("`day` = @p0") == 2


@pytest.mark.parametrize(
    "days",
    [[MONDAY, "202611"], [1, 2.0], [True], [datetime(2026, 11, 16, tzinfo=UTC)], [None]],
)
def test_a_list_is_of_one_kind(days):
    with pytest.raises(Rejected, match="the list of day is not one"):
        asked(Count(), part={"day": days})


@pytest.mark.parametrize("name", ["a`b", "a b", "", "a;--", "1a"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(Rejected, match="is not a name"):
        asked(Count(Absent((name,))))


def test_like_values_of_unlike_types_are_bound_apart():
    assert asked(Count(OneOf(COST, (1, True, "1")))).params == {"p0": 1, "p1": True, "p2": "1"}
