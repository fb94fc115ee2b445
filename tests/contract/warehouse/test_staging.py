"""Sources read in place, and rows written by queries over them."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.core.base.faults import Conflict, Missing, Rejected
from src.core.base.schema import Field, TableSchema
from src.core.engine.port import Fence, ParquetFiles, TablePart

CREDIT = (Field("type", "STRING"), Field("amount", "NUMERIC"))
BILL = TableSchema(
    "bill",
    (
        Field("day", "DATE", "REQUIRED"),
        Field("origin", "STRING"),
        Field("cost", "NUMERIC"),
        Field("credits", "STRUCT", "REPEATED", fields=CREDIT),
        Field("model", "STRUCT", fields=(Field("id", "STRING"), Field("text", "STRING"))),
    ),
)
SHAPE = TableSchema("shape", BILL.fields[2:])
NET = "SELECT SUM(cost) AS cost, SUM(COALESCE((SELECT SUM(c.amount) FROM UNNEST(credits) AS c), 0)) AS credits FROM {}"
LOAD = "SELECT credits, cost, @origin AS origin, @day AS day, model FROM incoming"


def rows(**more: list[object]):
    return pa.table(
        {
            "cost": pa.array([0.1, 0.2, 1e-7]),
            "credits": pa.array(
                [[], [{"amount": -0.05, "type": "SUD"}], [{"amount": -1e-9, "type": "A"}, {"amount": -0.1, "type": "B"}]],
                pa.list_(pa.struct([("amount", pa.float64()), ("type", pa.string())])),
            ),
            **more,
        }
    )


@pytest.fixture
def bill(warehouse, acme):
    warehouse.ensure_table(acme, BILL)
    return warehouse


def files(bill, acme, *tables: pa.Table):
    paths = []
    for number, table in enumerate(tables):
        paths.append(bill.io_folder(acme) / f"part_{number}.parquet")
        pq.write_table(table, paths[-1])
    return ParquetFiles(tuple(paths))


def test_a_staged_file_is_read_in_its_shape_and_written_by_a_query(bill, acme):
    source = files(bill, acme, rows(extra=[1, 2, 3]), rows(model=[{"id": "m", "new": 1}] * 3))
    with bill.publication(acme, "run", Fence("s", 1)) as publication:
        staged = publication.stage("incoming", source, SHAPE)
        read = publication.query(NET.format("incoming")).to_pylist()
        written = publication.insert("bill", LOAD, {"origin": "o'neill", "day": date(2026, 11, 1)})

    assert staged.unknown == ("extra",)
    assert staged.absent == ()
    assert written == 6
    assert read == [{"cost": Decimal("0.600000200"), "credits": Decimal("-0.300000002")}]
    assert bill.query(acme, NET.format("bill")).to_pylist() == read
    assert bill.query(acme, "SELECT COUNTIF(model.id = 'm') AS known, COUNT(*) AS n FROM bill").to_pylist() == [{"known": 3, "n": 6}]


FRACTIONS = [71192484.68, 3488347481.25, -99999999.99, 0.1 + 0.2, 1e-9, 2.5e-9, 1 / 1024, 5e-324, 1e17, -0.0, 8166.66]


def test_a_float_is_the_shortest_decimal_that_is_it_wherever_it_stands(bill, acme):
    one = pa.struct([("amount", pa.float64())])
    table = pa.table({"cost": FRACTIONS, "credits": pa.array([[{"amount": cost}, {"amount": None}] for cost in FRACTIONS], pa.list_(one))})
    source = files(bill, acme, table)
    with bill.publication(acme, "run", Fence("s", 1)) as publication:
        publication.stage("incoming", source, SHAPE)
        publication.insert("bill", LOAD, {"origin": "a", "day": date(2026, 11, 1)})
    found = bill.query(acme, "SELECT cost, credits FROM bill").to_pylist()

    right = sorted(Decimal(repr(cost)).quantize(Decimal("1e-9"), ROUND_HALF_UP) for cost in FRACTIONS)
    assert sorted(row["cost"] for row in found) == right
    assert sorted(row["credits"][0]["amount"] for row in found) == right
    assert {row["credits"][1]["amount"] for row in found} == {None}


def test_what_the_source_lacks_is_null_and_named(bill, acme):
    with bill.publication(acme, "run", Fence("s", 1)) as publication:
        staged = publication.stage("incoming", pa.table({"cost": [1.5]}), SHAPE)
        publication.insert("bill", LOAD, {"origin": "x", "day": date(2026, 11, 1)})

    assert staged.absent == ("credits", "model")
    assert bill.query(acme, NET.format("bill")).to_pylist() == [{"cost": Decimal("1.500000000"), "credits": Decimal(0)}]


def test_staging_again_puts_the_new_source_in_its_place(bill, acme):
    with bill.publication(acme, "run", Fence("s", 1)) as publication:
        for cost in (1.0, 2.0):
            publication.stage("incoming", pa.table({"cost": [cost]}), SHAPE)
            publication.insert("bill", LOAD, {"origin": str(cost), "day": date(2026, 11, 1)})

    assert bill.query(acme, "SELECT origin, cost FROM bill ORDER BY origin").to_pylist() == [
        {"origin": "1.0", "cost": Decimal(1)},
        {"origin": "2.0", "cost": Decimal(2)},
    ]


def test_nothing_staged_is_an_empty_relation_of_its_shape(bill, acme):
    with bill.publication(acme, "run", Fence("s", 1)) as publication:
        publication.stage("incoming", ParquetFiles(()), SHAPE)

        assert publication.insert("bill", LOAD, {"origin": "x", "day": date(2026, 11, 1)}) == 0


def test_a_source_without_a_shape_is_read_as_it_is(bill, acme):
    with bill.publication(acme, "run", Fence("s", 1)) as publication:
        publication.stage("anything", pa.table({"a": [1], "b": ["x"]}), None)

        assert publication.query("SELECT b, a FROM anything").to_pylist() == [{"b": "x", "a": 1}]


def test_fields_may_be_called_what_sql_reserves(warehouse, acme):
    span = Field("span", "STRUCT", fields=(Field("from", "DATE"), Field("end", "DATE")))
    warehouse.ensure_table(acme, TableSchema("spans", (Field("id", "INT64"), span)))
    first = {"id": 1, "span": {"from": date(2026, 1, 2), "end": date(2026, 3, 4)}}
    with warehouse.publication(acme, "run", Fence("s", 1)) as publication:
        publication.append("spans", [first])
        publication.insert("spans", "SELECT id + 1 AS id, span FROM spans")
        publication.execute("UPDATE spans SET id = id + 1 WHERE id = 2")

    assert warehouse.query(acme, "SELECT * FROM spans ORDER BY id").to_pylist() == [first, {**first, "id": 3}]


def test_a_staged_source_ends_with_its_publication(bill, acme):
    with bill.publication(acme, "run", Fence("s", 1)) as publication:
        publication.stage("incoming", pa.table({"cost": [1.0]}), SHAPE)

    with pytest.raises(Missing), bill.publication(acme, "run", Fence("s", 2)) as publication:
        publication.query("SELECT cost FROM incoming")


def test_a_staged_source_hides_no_table_and_is_not_changed(bill, acme):
    with pytest.raises(Conflict), bill.publication(acme, "run", Fence("s", 1)) as publication:
        publication.stage("bill", pa.table({"cost": [1.0]}), SHAPE)
    with pytest.raises(Conflict), bill.publication(acme, "run", Fence("s", 2)) as publication:  # noqa: PT012 - what failed ends it all
        publication.stage("incoming", pa.table({"cost": [1.0]}), SHAPE)
        with pytest.raises(Rejected):
            publication.execute("DELETE FROM incoming WHERE cost = 1")


def test_a_query_whose_columns_the_table_lacks_is_refused(bill, acme):
    with pytest.raises(Conflict), bill.publication(acme, "run", Fence("s", 1)) as publication:  # noqa: PT012 - what failed ends it all
        publication.stage("incoming", pa.table({"cost": [1.0]}), SHAPE)
        with pytest.raises(Rejected):
            publication.insert("bill", "SELECT cost AS costs FROM incoming")


def test_removal_takes_several_values_and_nothing_else(bill, acme):
    days = [date(2026, 11, day) for day in range(1, 6)]
    with bill.publication(acme, "run", Fence("s", 1)) as publication:
        publication.append("bill", [{"day": day, "origin": origin} for day in days for origin in ("a", "b")])
    with bill.publication(acme, "run", Fence("s", 2)) as publication:
        removed = publication.remove("bill", TablePart(equal={"day": (days[0], days[2]), "origin": "a"}))

    left = bill.query(acme, "SELECT day FROM bill WHERE origin = 'a' ORDER BY day").to_pylist()
    assert removed == 2
    assert [row["day"] for row in left] == [days[1], days[3], days[4]]
    assert bill.query(acme, "SELECT COUNT(*) AS n FROM bill").to_pylist() == [{"n": 8}]
