import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest

from src.core.base.faults import Conflict, Missing, Rejected
from src.core.base.identity import Tenant
from src.core.base.schema import Field, TableSchema
from src.core.engine.port import Fence, TableChange, Warehouse
from tests.contract.warehouse.tables import COSTS, MONDAY, publish, row

EVERY_TYPE = TableSchema(
    "everything",
    (
        Field("s", "STRING"),
        Field("i", "INT64"),
        Field("f", "FLOAT64"),
        Field("n", "NUMERIC"),
        Field("bn", "BIGNUMERIC"),
        Field("t", "BOOL"),
        Field("d", "DATE"),
        Field("ti", "TIME"),
        Field("dt", "DATETIME"),
        Field("ts", "TIMESTAMP"),
        Field("j", "JSON"),
        Field("r", "STRING", "REPEATED"),
        Field("st", "STRUCT", fields=(Field("k", "STRING"), Field("v", "NUMERIC"))),
        Field("rs", "STRUCT", "REPEATED", fields=(Field("k", "STRING"), Field("inner", "STRUCT", fields=(Field("x", "INT64"),)))),
    ),
)
FULL = {
    "s": "a'b\"c\0ü",
    "i": -(2**63),
    "f": 0.1,
    "n": Decimal("-12345678901234567890123456789.123456789"),
    "bn": Decimal("12345678901234567890.123456789012345678"),
    "t": False,
    "d": date(1, 1, 1),
    "ti": time(23, 59, 59, 999999),
    "dt": datetime(2026, 3, 29, 2, 30),  # noqa: DTZ001 - a DATETIME has no zone
    "ts": datetime(2026, 11, 20, 23, 59, 59, 999999, UTC),
    "j": {"a": [1, None, "ü"]},
    "r": ["x", "y"],
    "st": {"k": "a", "v": Decimal("1.5")},
    "rs": [{"k": "a", "inner": {"x": 1}}, {"k": None, "inner": None}],
}


def kept(warehouse: Warehouse, tenant: Tenant, table: str, rows: list[dict[str, object]]) -> list[dict[str, Any]]:
    with warehouse.publication(tenant, "r", Fence("types", 1)) as publication:
        publication.append(table, rows)
    found: list[dict[str, Any]] = warehouse.query(tenant, f"SELECT * FROM {table}").to_pylist()
    return found


def test_every_type_comes_back_as_it_went_in(warehouse, acme):
    warehouse.ensure_table(acme, EVERY_TYPE)
    [full] = kept(warehouse, acme, "everything", [FULL])
    assert json.loads(full.pop("j")) == FULL["j"]  # engines write JSON out each in its own way
    assert full == {name: value for name, value in FULL.items() if name != "j"}


def test_bytes_come_back_as_they_went_in(warehouse, acme):
    warehouse.ensure_table(acme, TableSchema("blobs", (Field("b", "BYTES"),)))
    assert kept(warehouse, acme, "blobs", [{"b": b"\x00\xff"}, {"b": None}]) == [{"b": b"\x00\xff"}, {"b": None}]


def test_texts_become_values_strictly(warehouse, acme):
    warehouse.ensure_table(acme, EVERY_TYPE)
    texts: dict[str, object] = {
        "i": "-7",
        "n": "1.000000001",
        "d": "2026-11-16",
        "ts": "2026-11-16T01:02:03+02:00",
        "t": "TRUE",
        "f": "2.5",
    }
    [found] = kept(warehouse, acme, "everything", [texts])
    assert {name: found[name] for name in texts} == {
        "i": -7,
        "n": Decimal("1.000000001"),
        "d": MONDAY,
        "ts": datetime(2026, 11, 15, 23, 2, 3, tzinfo=UTC),
        "t": True,
        "f": 2.5,
    }


NO_VALUES: list[dict[str, object]] = [
    {"i": "2.5"},
    {"i": 2**63},
    {"i": True},
    {"n": "1.0000000001"},
    {"n": "ten"},
    {"ts": "2026-11-16T00:00:00"},
    {"t": "maybe"},
    {"j": "{"},
]


def test_texts_that_are_no_such_value_are_refused(warehouse, acme):
    warehouse.ensure_table(acme, EVERY_TYPE)
    for bad in NO_VALUES:
        with pytest.raises(Rejected):
            kept(warehouse, acme, "everything", [bad])
    assert warehouse.query(acme, "SELECT COUNT(*) AS n FROM everything").to_pylist() == [{"n": 0}]


def test_a_table_is_made_once(warehouse, acme):
    assert warehouse.ensure_table(acme, COSTS) == TableChange(created=True, columns_added=("day", "service", "cost"))
    assert warehouse.ensure_table(acme, COSTS) == TableChange(created=False)
    assert warehouse.tables(acme) == ("costs",)
    assert warehouse.columns(acme, "costs") == ("day", "service", "cost")


def test_missing_columns_are_added_and_rows_stay(warehouse, acme):
    warehouse.ensure_table(acme, TableSchema("t", (Field("a", "INT64"),)))
    kept(warehouse, acme, "t", [{"a": 1}])
    after = TableSchema("t", (Field("fresh", "NUMERIC", "REQUIRED"), Field("tags", "STRING", "REPEATED"), Field("a", "INT64")))
    assert warehouse.ensure_table(acme, after) == TableChange(created=False, columns_added=("fresh", "tags"))
    assert warehouse.ensure_table(acme, after) == TableChange(created=False)
    assert warehouse.query(acme, "SELECT a, fresh, ARRAY_LENGTH(tags) AS tags FROM t").to_pylist() in (
        [{"a": 1, "fresh": None, "tags": None}],
        [{"a": 1, "fresh": None, "tags": 0}],  # in BigQuery a column of arrays holds no NULL
    )


def test_missing_fields_of_structs_are_added_and_rows_stay(warehouse, acme):
    deep = Field("deep", "STRUCT", fields=(Field("p", "STRING"),))
    before = TableSchema(
        "t",
        (
            Field("one", "STRUCT", fields=(Field("x", "INT64"),)),
            Field("many", "STRUCT", "REPEATED", fields=(Field("x", "INT64"), deep)),
        ),
    )
    deeper = Field("deep", "STRUCT", fields=(Field("q", "DATE"), Field("p", "STRING")))
    after = TableSchema(
        "t",
        (
            Field("one", "STRUCT", fields=(Field("y", "STRING"), Field("x", "INT64"))),
            Field("many", "STRUCT", "REPEATED", fields=(deeper, Field("x", "INT64"))),
        ),
    )
    warehouse.ensure_table(acme, before)
    kept(warehouse, acme, "t", [{"one": {"x": 2}, "many": [{"x": 3, "deep": {"p": "old"}}]}])
    assert warehouse.ensure_table(acme, after) == TableChange(created=False, columns_added=("one.y", "many.deep.q"))
    assert warehouse.ensure_table(acme, after) == TableChange(created=False)
    assert warehouse.query(acme, "SELECT * FROM t").to_pylist() == [
        {"one": {"x": 2, "y": None}, "many": [{"x": 3, "deep": {"p": "old", "q": None}}]}
    ]


def test_a_view_shows_the_columns_its_table_gained(warehouse, acme):
    warehouse.ensure_table(acme, COSTS)
    warehouse.ensure_view(acme, "all_costs", "SELECT * FROM costs")
    warehouse.ensure_table(acme, TableSchema("costs", (*COSTS.fields, Field("region", "STRING"))))
    assert warehouse.columns(acme, "all_costs") == ("day", "service", "cost", "region")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (Field("cost", "FLOAT64"), r"costs\.cost: is (DECIMAL\(38,9\)|NUMERIC) and would become (DOUBLE|FLOAT64)"),
        (Field("cost", "NUMERIC", "REPEATED"), r"costs\.cost"),
        (Field("COST", "STRING"), r"costs\.cost"),
    ],
)
def test_a_type_is_never_changed_in_place(shared, shared_costs, changed, said):
    with pytest.raises(Rejected, match=said):
        shared.ensure_table(shared_costs, TableSchema("costs", (Field("late", "STRING"), changed)))
    assert shared.columns(shared_costs, "costs") == ("day", "service", "cost")


def test_required_holds_from_creation_and_may_be_relaxed(warehouse, acme):
    warehouse.ensure_table(acme, COSTS)
    with pytest.raises(Rejected, match="day"):
        publish(warehouse, acme, [{"cost": Decimal(1)}], 1)
    warehouse.ensure_table(acme, TableSchema("costs", (Field("day", "DATE"),)))
    assert publish(warehouse, acme, [{"cost": Decimal(1)}], 1) == 1


@pytest.mark.parametrize(
    "fields", [(Field("a", "INT64"), Field("A", "INT64")), (Field("s", "STRUCT", fields=(Field("x", "INT64"), Field("X", "INT64"))),)]
)
def test_names_that_differ_by_case_alone_are_refused(warehouse, acme, fields):
    with pytest.raises(Rejected, match="twice"):
        warehouse.ensure_table(acme, TableSchema("t", fields))
    warehouse.ensure_table(acme, COSTS)
    with pytest.raises(Conflict, match="case"):
        warehouse.ensure_table(acme, TableSchema("Costs", COSTS.fields))
    with pytest.raises(Conflict, match="case"):
        warehouse.ensure_view(acme, "COSTS", "SELECT 1 AS a")


def test_a_view_and_a_table_do_not_share_a_name(warehouse, acme):
    warehouse.ensure_table(acme, COSTS)
    warehouse.ensure_view(acme, "v", "SELECT 1 AS a")
    with pytest.raises(Conflict, match="table already"):
        warehouse.ensure_view(acme, "costs", "SELECT 1 AS a")
    with pytest.raises(Conflict, match="view already"):
        warehouse.ensure_table(acme, TableSchema("v", COSTS.fields))


def test_words_of_sql_are_names_like_others(warehouse, acme):
    names = ("select", "table", "order", "group", "from", "where", "user", "default", "offset", "date")
    warehouse.ensure_table(acme, TableSchema("group", tuple(Field(name, "INT64") for name in names)))
    with warehouse.publication(acme, "r", Fence("words", 1)) as publication:
        publication.append("group", [dict.fromkeys(names, 3)])
        publication.execute("UPDATE `group` SET `order` = `select` + 1 WHERE `from` = 3")
    found = warehouse.query(acme, "SELECT `order`, g.`where` FROM `group` AS g").to_pylist()
    assert found == [{"order": 4, "where": 3}]


@pytest.mark.parametrize("name", ['a"; DROP TABLE costs; --', "a b", "Ünï", "x" * 200, "", "1a", "../x", "a;b", "a\0b"])
def test_names_that_are_none_are_refused(shared, shared_costs, name):
    with pytest.raises(Rejected):
        shared.ensure_table(shared_costs, TableSchema(name, COSTS.fields))
    with pytest.raises(Rejected):
        shared.ensure_view(shared_costs, name, "SELECT 1 AS a")
    with pytest.raises(Missing):
        shared.columns(shared_costs, name)
    with pytest.raises(Missing):
        shared.measure(shared_costs, name)
    assert shared.drop_table(shared_costs, name) is False
    with pytest.raises(Missing), shared.publication(shared_costs, "r", Fence("s", 1)) as publication:
        publication.append(name, [row(MONDAY)])
    assert shared.tables(shared_costs) == ("costs",)


def test_a_dropped_table_is_gone_and_may_come_back_otherwise(warehouse, acme):
    warehouse.ensure_table(acme, COSTS)
    publish(warehouse, acme, [row(MONDAY)], 1)
    assert warehouse.drop_table(acme, "costs") is True
    assert warehouse.drop_table(acme, "costs") is False
    with pytest.raises(Missing):
        warehouse.query(acme, "SELECT * FROM costs")
    warehouse.ensure_table(acme, TableSchema("costs", (Field("other", "STRING"),)))
    assert warehouse.measure(acme, "costs").rows == 0


def test_size_counts_rows_and_grows(warehouse, acme):
    warehouse.ensure_table(acme, COSTS)
    publish(warehouse, acme, [row(MONDAY, str(n)) for n in range(20_000)], 1)
    size = warehouse.measure(acme, "costs")
    assert size.rows == 20_000
    assert 0 < size.bytes < 5_000_000
