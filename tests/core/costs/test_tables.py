import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow.parquet as pq
import pytest

from src.core.base.faults import Missing, Rejected
from src.core.base.schema import Field, TableSchema
from src.core.costs.tables import table_file
from src.core.engine.port import Fence
from tests.core.costs.bills import cost, manifest, publish, reader
from tests.core.costs.test_summary import change

DAYS = [date(2026, 10, 30) + timedelta(days=number) for number in range(4)]


def lines(pieces):
    return list(csv.DictReader(io.StringIO(b"".join(pieces).decode())))


def test_a_window_is_told_by_the_tables_own_column_of_days(warehouse, acme):
    read = [manifest(datetime(2026, 11, number, 12, tzinfo=UTC)) for number in range(4, 9)]
    changes = [change("202610", 1), change("202611", 2), change("2026-11-06", 3), change("2026-11-09", 4)]
    publish(warehouse, acme, gcp_cost_daily=[cost(day) for day in DAYS], x_load_manifests=read, x_cost_history=changes)
    asked = reader(warehouse, acme)

    days = lines(table_file(asked, "gcp_cost_daily", DAYS[1], DAYS[2], "csv"))
    since = lines(table_file(asked, "billing_cost_daily", DAYS[2], None, "csv"))
    moments = lines(table_file(asked, "x_load_manifests", date(2026, 11, 6), date(2026, 11, 7), "csv"))
    periods = lines(table_file(asked, "x_cost_history", date(2026, 11, 6), date(2026, 11, 7), "csv"))

    assert sorted(row["usage_date"] for row in days) == ["2026-10-31", "2026-11-01"]
    assert sorted(row["usage_date"] for row in since) == ["2026-11-01", "2026-11-02"]
    assert sorted(row["published_at"][:10] for row in moments) == ["2026-11-06", "2026-11-07"]
    assert sorted(row["period"] for row in periods) == ["2026-11-06", "202611"]


def test_an_empty_table_is_a_file_with_its_columns(warehouse, acme):
    asked = reader(warehouse, acme)

    text = b"".join(table_file(asked, "x_cost_history", None, None, "csv")).decode()
    parquet = pq.read_table(io.BytesIO(b"".join(table_file(asked, "x_cost_history", None, None, "parquet"))))

    assert text.splitlines() == [",".join(f'"{name}"' for name in warehouse.columns(acme, "x_cost_history"))]
    assert parquet.num_rows == 0
    assert tuple(parquet.column_names) == warehouse.columns(acme, "x_cost_history")


def test_parquet_holds_what_the_table_holds(warehouse, acme):
    publish(warehouse, acme, gcp_cost_daily=[cost(day, "0.000000001", service="=a") for day in DAYS])

    found = pq.read_table(io.BytesIO(b"".join(table_file(reader(warehouse, acme), "gcp_cost_daily", None, None, "parquet"))))

    assert found.sort_by("usage_date").to_pylist() == warehouse.query(acme, "SELECT * FROM gcp_cost_daily ORDER BY usage_date").to_pylist()


def test_a_misspelt_table_is_corrected_and_the_warehouses_own_are_not_served(warehouse, acme):
    asked = reader(warehouse, acme)

    with pytest.raises(Missing, match="did you mean 'gcp_cost_daily'"):
        table_file(asked, "gcp_cost_dayli", None, None, "csv")
    for name in ("x_fences", "x_table_facts"):
        with pytest.raises(Missing):
            table_file(asked, name, None, None, "csv")
    for name in ("gcp_cost_daily; DROP", "`", "a.b", "../x", "X_FENCES"):
        with pytest.raises((Missing, Rejected)):
            next(table_file(asked, name, None, None, "csv"))


def test_a_table_without_days_is_served_whole_only(warehouse, acme):
    warehouse.ensure_table(acme, TableSchema("prices", (Field("model", "STRING"),)))
    asked = reader(warehouse, acme)

    with pytest.raises(Rejected, match="no column of days"):
        table_file(asked, "prices", DAYS[0], None, "csv")
    assert lines(table_file(asked, "prices", None, None, "csv")) == []


@pytest.fixture
def numbers(warehouse, acme):
    """Rows of more than one batch of a stream."""
    warehouse.ensure_table(acme, TableSchema("numbers", (Field("number", "INT64"),)))
    with warehouse.publication(acme, "run", Fence("numbers", 1)) as publication:
        return publication.execute("INSERT INTO numbers (number) SELECT n FROM UNNEST(GENERATE_ARRAY(1, 150000)) AS n")


def test_a_download_given_up_lets_go_of_the_dataset(warehouse, acme, numbers):
    pieces = table_file(reader(warehouse, acme), "numbers", None, None, "csv")
    next(pieces)
    next(pieces)

    pieces.close()

    assert warehouse.drop_dataset(acme).existed


def test_a_download_is_of_one_moment(warehouse, acme, numbers):
    pieces = table_file(reader(warehouse, acme), "numbers", None, None, "csv")
    start = next(pieces) + next(pieces)

    publish(warehouse, acme, numbers=[{"number": -1}] * 10)
    found = lines([start, *pieces])

    assert sorted(int(row["number"]) for row in found) == list(range(1, numbers + 1))


def test_nested_values_stay_in_parquet_and_are_json_in_csv(warehouse, acme):
    label = Field("labels", "STRUCT", "REPEATED", fields=(Field("key", "STRING"), Field("amount", "NUMERIC"), Field("at", "TIMESTAMP")))
    warehouse.ensure_table(acme, TableSchema("nested", (label, Field("record", "JSON"), Field("raw", "BYTES"))))
    at = datetime(2026, 11, 1, tzinfo=UTC)
    row: dict[str, object] = {"labels": [{"key": "é", "amount": Decimal("0.000000001"), "at": at}], "record": {"a": 1}, "raw": b"\x00\xff"}
    publish(warehouse, acme, nested=[row, {"labels": []}])
    asked = reader(warehouse, acme)

    shown = lines(table_file(asked, "nested", None, None, "csv"))
    kept = pq.read_table(io.BytesIO(b"".join(table_file(asked, "nested", None, None, "parquet")))).to_pylist()

    assert shown[0]["labels"] == '[{"key": "é", "amount": "0.000000001", "at": "2026-11-01T00:00:00+00:00"}]'
    assert shown[0]["raw"] == "AP8="
    assert shown[1]["labels"] == "[]"
    assert kept[0]["labels"][0]["key"] == "é"
