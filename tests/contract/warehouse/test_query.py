import csv
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from src.core.base.faults import Missing, Rejected
from src.core.base.identity import Tenant
from src.core.engine.port import Warehouse
from tests.contract.warehouse.tables import COSTS, MONDAY, TUESDAY, publish, row


@pytest.fixture
def costs(warehouse: Warehouse, acme: Tenant) -> Tenant:
    warehouse.ensure_table(acme, COSTS)
    publish(warehouse, acme, [row(MONDAY, "1.5"), row(TUESDAY, "2.25", "storage")], 1)
    return acme


def lines(file: Path) -> list[list[str]]:
    """Engines differ in what they put into quotes."""
    with file.open(newline="") as text:
        return list(csv.reader(text))


@pytest.mark.parametrize(
    "value",
    [
        "'; DROP TABLE costs; --",
        "ü\0",
        2**63 - 1,
        0.1,
        True,
        Decimal("-1.123456789"),
        MONDAY,
        datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
        b"\x00'",
        None,
    ],
    ids=repr,
)
def test_a_parameter_comes_back_as_it_went_in(shared, shared_costs, value):
    assert shared.query(shared_costs, "SELECT @value AS value", {"value": value}).to_pylist() == [{"value": value}]


@pytest.mark.parametrize(("column", "some", "none"), [("service", ["storage", "x"], []), ("day", [TUESDAY], [date(2020, 1, 1)])])
def test_a_list_parameter_selects_its_members(shared, shared_costs, column, some, none):
    sql = f"SELECT cost FROM costs WHERE {column} IN UNNEST(@members)"
    assert shared.query(shared_costs, sql, {"members": some}).to_pylist() == [{"cost": Decimal("2.25")}]
    assert shared.query(shared_costs, sql, {"members": none}).num_rows == 0


def test_a_parameter_that_is_not_named_is_ignored_and_a_missing_one_is_named(shared, shared_costs):
    assert shared.query(shared_costs, "SELECT @a AS a", {"a": 1, "b": 2}).to_pylist() == [{"a": 1}]
    with pytest.raises(Rejected, match="@from has no value; did you mean 'form'"):
        shared.query(shared_costs, "SELECT * FROM costs WHERE day >= @from", {"form": MONDAY})


@pytest.mark.parametrize("value", [2**63, Decimal("1" * 39), Decimal("NaN"), {"a": 1}, {1, 2}])
def test_a_value_that_would_change_on_its_way_is_refused(shared, shared_costs, value):
    with pytest.raises(Rejected, match="@value"):
        shared.query(shared_costs, "SELECT @value AS value", {"value": value})


def test_sums_and_counts_are_int64_even_where_types_are_unknown(shared, shared_costs):
    found = shared.query(shared_costs, "SELECT SUM(x) AS s, COUNTIF(x > 1) AS c FROM UNNEST([1, 2, @three]) AS x", {"three": 3})
    assert found.schema.types == [pa.int64(), pa.int64()]
    assert found.to_pylist() == [{"s": 6, "c": 2}]


@pytest.mark.parametrize(
    ("sql", "fault", "said"),
    [
        ("SELECT * FROM cost", Missing, "did you mean 'costs'"),
        ("SELECT price FROM costs", Rejected, "price"),
        ("SELECT CAST('x' AS INT64) AS a", Rejected, "'x'"),
        ("SELEC 1", Rejected, "GoogleSQL"),
        ("", Rejected, "one statement"),
        ("SELECT cost/0 FROM costs", Rejected, "division by zero"),
        ("SELECT NOPE(cost) FROM costs", Rejected, "not known"),
    ],
)
def test_what_is_wrong_with_a_query_is_said(shared, shared_costs, sql, fault, said):
    with pytest.raises(fault, match=said):
        shared.query(shared_costs, sql)
    assert shared.query(shared_costs, "SELECT COUNT(*) AS n FROM costs").to_pylist() == [{"n": 2}]


def test_a_view_is_googlesql_and_may_be_replaced(warehouse, costs):
    warehouse.ensure_view(costs, "by_day", "SELECT day, SUM(cost) AS cost FROM costs GROUP BY day")
    assert warehouse.query(costs, "SELECT cost / 3 AS third FROM by_day WHERE day = @day", {"day": MONDAY}).to_pylist() == [
        {"third": Decimal("0.5")}
    ]
    warehouse.ensure_view(costs, "by_day", "SELECT DATE_TRUNC(day, MONTH) AS month FROM costs")
    assert warehouse.query(costs, "SELECT DISTINCT month FROM by_day").to_pylist() == [{"month": date(2026, 11, 1)}]
    with pytest.raises(Rejected, match="no parameters"):
        warehouse.ensure_view(costs, "by_day", "SELECT @day AS day")


def test_a_stream_holds_one_snapshot_and_may_be_left_early(warehouse, costs):
    publish(warehouse, costs, [row(MONDAY, str(n)) for n in range(200_000)], 2)
    stream = warehouse.stream(costs, "SELECT cost FROM costs")
    first = next(stream)
    publish(warehouse, costs, [row(MONDAY)], 3)
    assert 0 < first.num_rows < 200_000
    assert first.num_rows + sum(batch.num_rows for batch in stream) == 200_002
    left = warehouse.stream(costs, "SELECT cost FROM costs WHERE cost >= @least", {"least": Decimal(5)})
    next(left)
    left.close()
    assert warehouse.drop_table(costs, "costs") is True


def test_an_export_is_a_file_in_the_io_folder(warehouse, costs):
    sql = "SELECT day, service, cost FROM costs WHERE day >= @from ORDER BY day"
    parquet = warehouse.export(costs, sql, "costs.parquet", "parquet", {"from": MONDAY})
    assert parquet == warehouse.io_folder(costs) / "costs.parquet"
    assert pq.read_table(parquet).to_pylist() == [row(MONDAY, "1.5"), row(TUESDAY, "2.25", "storage")]
    text = warehouse.export(costs, sql, "costs.csv", "csv", {"from": TUESDAY})
    names, (day, service, cost) = lines(text)
    assert (names, day, service, Decimal(cost)) == (["day", "service", "cost"], "2026-11-17", "storage", Decimal("2.25"))
    assert lines(warehouse.export(costs, "SELECT 1 AS a", "costs.csv", "csv")) == [["a"], ["1"]]


@pytest.mark.parametrize("name", ["../out.csv", "/etc/out.csv", "a/b.csv", "", ".hidden", "a\0b", "x" * 200, "o'ut.csv", "~x", "a b"])
def test_an_export_stays_in_the_io_folder(shared, shared_costs, name):
    with pytest.raises(Rejected, match="file name"):
        shared.export(shared_costs, "SELECT 1 AS a", name, "csv")
    assert list(shared.io_folder(shared_costs).iterdir()) == []


def test_a_failed_export_leaves_the_old_file(warehouse, costs):
    old = warehouse.export(costs, "SELECT 1 AS a", "x.csv", "csv")
    with pytest.raises(Rejected):
        warehouse.export(costs, "SELECT CAST(service AS INT64) AS a FROM costs", "x.csv", "csv")
    assert lines(old) == [["a"], ["1"]]
    assert [path.name for path in old.parent.iterdir()] == ["x.csv"]
