"""Tables of raw rows, which one engine keeps as files and the other as a table: what is asked of them is answered alike."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.core.base.faults import Conflict, Rejected
from src.core.base.identity import Tenant
from src.core.base.schema import Field, Partition, SliceColumns, TableSchema
from src.core.engine.port import Fence, ParquetFiles, Publication, TablePart, Warehouse
from tests.contract.warehouse.tables import MONDAY, TUESDAY, WEDNESDAY

RAW = TableSchema(
    "raw_rows",
    (
        Field("source", "STRING", "REQUIRED"),
        Field("written", "DATE"),
        Field("usage_date", "DATE"),
        Field("cost", "NUMERIC"),
        Field("credits", "STRUCT", "REPEATED", fields=(Field("id", "STRING"), Field("amount", "NUMERIC"))),
    ),
    partition=Partition("written"),
    slices=SliceColumns("source", "written", "written"),
)
GIVEN = TableSchema("given", (Field("written", "DATE"), Field("used", "DATE"), Field("cost", "NUMERIC"), RAW.fields[4]))
LOAD = "SELECT @source AS source, written, used AS usage_date, cost, credits FROM incoming"
ALL = "SELECT source, written, usage_date, cost FROM raw_rows ORDER BY source, written, usage_date, cost"
VIEW = "SELECT written, SUM(cost) AS cost FROM raw_rows GROUP BY written"
OF_VIEW = "SELECT cost FROM by_day ORDER BY written"

Given = tuple[date | None, date | None, int]


@contextmanager
def publishing(warehouse: Warehouse, tenant: Tenant, generation: int) -> Iterator[Publication]:
    with warehouse.publication(tenant, f"run_{generation}", Fence("raw", generation)) as publication:
        yield publication


def staged(warehouse: Warehouse, tenant: Tenant, publication: Publication, *files: Sequence[Given]) -> None:
    paths = []
    for number, rows in enumerate(files):
        path = warehouse.io_folder(tenant) / f"part_{number}.parquet"
        path.unlink(missing_ok=True)  # an engine may have kept the file itself under another name
        columns = {
            "written": pa.array([written for written, _, _ in rows], pa.date32()),
            "used": pa.array([used for _, used, _ in rows], pa.date32()),
            "cost": pa.array([Decimal(cost) for *_, cost in rows], pa.decimal128(38, 9)),
            "credits": [[{"id": "c", "amount": -0.1}]] * len(rows),
        }
        pq.write_table(pa.table(columns), path)
        paths.append(path)
    publication.stage("incoming", ParquetFiles(tuple(paths)), GIVEN)


@pytest.fixture
def raw(warehouse: Warehouse, acme: Tenant) -> Warehouse:
    """Source a: Monday and Tuesday in one file, Wednesday in another; b: Monday, and a row of no day."""
    change = warehouse.ensure_table(acme, RAW)
    assert (change.created, change.columns_added) == (True, RAW.columns)
    warehouse.ensure_view(acme, "by_day", VIEW)
    with publishing(warehouse, acme, 1) as publication:
        first = [(MONDAY, MONDAY, 1), (MONDAY, None, 2), (TUESDAY, MONDAY, 3)]
        staged(warehouse, acme, publication, first, [(WEDNESDAY, TUESDAY, 4)])
        assert publication.insert("raw_rows", LOAD, {"source": "a"}) == 4
        staged(warehouse, acme, publication, [(MONDAY, MONDAY, 5), (None, MONDAY, 6)])
        assert publication.insert("raw_rows", LOAD, {"source": "b"}) == 2
    return warehouse


def costs(warehouse: Warehouse, tenant: Tenant) -> list[int]:
    return sorted(line["cost"] for line in warehouse.query(tenant, ALL).to_pylist())


def test_files_with_several_slices_are_told_row_by_row(raw, acme):
    assert [tuple(line.values()) for line in raw.query(acme, ALL).to_pylist()] == [
        ("a", MONDAY, None, 2),
        ("a", MONDAY, MONDAY, 1),
        ("a", TUESDAY, MONDAY, 3),
        ("a", WEDNESDAY, TUESDAY, 4),
        ("b", None, MONDAY, 6),
        ("b", MONDAY, MONDAY, 5),
    ]
    assert [line["cost"] for line in raw.query(acme, OF_VIEW).to_pylist()] == [6, 8, 3, 4]
    credits_given = "SELECT SUM((SELECT SUM(c.amount) FROM UNNEST(credits) AS c)) AS credits FROM raw_rows"
    assert raw.query(acme, credits_given).to_pylist() == [{"credits": Decimal("-0.6")}]


def test_it_is_a_table_among_tables(raw, acme):
    assert raw.tables(acme) == ("raw_rows",)
    assert raw.columns(acme, "raw_rows") == RAW.columns
    size = raw.measure(acme, "raw_rows")
    assert size.rows == 6
    assert size.bytes > 0
    assert bool(raw.stored_files(acme, "raw_rows")) == raw.traits.keeps_files
    with pytest.raises(Conflict):
        raw.ensure_view(acme, "raw_rows", "SELECT 1 AS one")
    assert raw.drop_table(acme, "raw_rows")
    assert raw.tables(acme) == ()
    assert not raw.drop_table(acme, "raw_rows")


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("written = @day", [1, 2, 5]),
        ("written >= @day", [1, 2, 3, 4, 5]),
        ("written IS NULL", [6]),
        ("usage_date IS NULL", [2]),
        ("usage_date = @day", [1, 3, 5, 6]),
        ("written > @day AND usage_date = @day", [3]),
        ("NOT COALESCE(written = @day, FALSE)", [3, 4, 6]),
    ],
)
def test_conditions_on_days_leave_out_no_row(raw, acme, condition, found):
    asked = f"SELECT cost FROM raw_rows WHERE {condition} ORDER BY cost"
    assert [line["cost"] for line in raw.query(acme, asked, {"day": MONDAY}).to_pylist()] == found


@pytest.mark.parametrize(
    ("part", "gone", "left"),
    [
        (TablePart(), 6, []),
        (TablePart(equal={"source": "a"}), 4, [5, 6]),
        (TablePart(equal={"source": "a", "written": (MONDAY, TUESDAY)}), 3, [4, 5, 6]),
        (TablePart(equal={"source": "a", "written": MONDAY}), 2, [3, 4, 5, 6]),
        (TablePart(equal={"source": ("a", "b"), "written": (MONDAY,)}), 3, [3, 4, 6]),
        (TablePart("written", MONDAY, TUESDAY), 4, [4, 6]),
        (TablePart("usage_date", MONDAY, MONDAY, {"source": "a"}), 2, [2, 4, 5, 6]),
        (TablePart("written", WEDNESDAY, None, {"source": "b"}), 0, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_a_removal_takes_the_rows_of_its_part_and_no_others(raw, acme, part, gone, left):
    with publishing(raw, acme, 2) as publication:
        assert publication.remove("raw_rows", part) == gone
    assert costs(raw, acme) == left


def test_a_slice_is_replaced_and_a_row_outside_of_the_part_is_refused(raw, acme):
    part = TablePart(equal={"source": "a", "written": (TUESDAY,)})
    with publishing(raw, acme, 2) as publication:
        assert publication.remove("raw_rows", part) == 1
        staged(raw, acme, publication, [(TUESDAY, MONDAY, 7), (TUESDAY, TUESDAY, 8)])
        assert publication.insert("raw_rows", LOAD, {"source": "a"}, part) == 2
        assert publication.query("SELECT COUNT(*) AS n FROM raw_rows").to_pylist() == [{"n": 7}]
    assert costs(raw, acme) == [1, 2, 4, 5, 6, 7, 8]
    with pytest.raises(Rejected), publishing(raw, acme, 3) as publication:  # noqa: PT012 - what failed ends it all
        publication.remove("raw_rows", part)
        staged(raw, acme, publication, [(TUESDAY, MONDAY, 9), (WEDNESDAY, MONDAY, 9)])
        publication.insert("raw_rows", LOAD, {"source": "a"}, part)
    assert costs(raw, acme) == [1, 2, 4, 5, 6, 7, 8]


def test_rows_are_deleted_and_inserted_in_sql(raw, acme):
    with publishing(raw, acme, 2) as publication:
        assert publication.execute("DELETE FROM raw_rows WHERE usage_date = @day AND cost > 1", {"day": MONDAY}) == 3
        assert publication.execute("DELETE FROM raw_rows WHERE cost > 100") == 0
        twice = "INSERT INTO raw_rows (source, written, cost) SELECT source, written, cost * 10 FROM raw_rows WHERE source = 'a'"
        assert publication.execute(twice) == 3
    assert costs(raw, acme) == [1, 2, 4, 10, 20, 40]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE raw_rows SET cost = 9 WHERE cost = 1",
        "MERGE INTO raw_rows AS t USING (SELECT 1 AS cost) AS s ON t.cost = s.cost WHEN MATCHED THEN UPDATE SET cost = 9",
    ],
)
def test_rows_are_changed_in_place_where_they_lie_in_no_files(raw, acme, change):
    if raw.traits.keeps_files:
        with pytest.raises(Rejected, match="UPDATE and MERGE are not served"), publishing(raw, acme, 2) as publication:
            publication.execute(change)
        assert costs(raw, acme) == [1, 2, 3, 4, 5, 6]
    else:
        with publishing(raw, acme, 2) as publication:
            assert publication.execute(change) == 1
        assert costs(raw, acme) == [2, 3, 4, 5, 6, 9]


def test_a_column_added_later_is_null_in_what_stood_and_kept_in_what_comes(raw, acme):
    further = replace(RAW, fields=(*RAW.fields, Field("region", "STRING")))
    change = raw.ensure_table(acme, further)
    assert (change.created, change.columns_added) == (False, ("region",))
    assert raw.ensure_table(acme, further).columns_added == ()
    with publishing(raw, acme, 2) as publication:
        staged(raw, acme, publication, [(TUESDAY, MONDAY, 7)])
        publication.insert("raw_rows", LOAD.replace("credits", "'eu' AS region"), {"source": "b"})
    asked = "SELECT region, COUNT(*) AS n FROM raw_rows GROUP BY region ORDER BY region"
    assert raw.query(acme, asked).to_pylist() == [{"region": None, "n": 6}, {"region": "eu", "n": 1}]
    assert raw.columns(acme, "raw_rows") == further.columns


def test_what_comes_to_nothing_leaves_rows_and_views(raw, acme):
    rows, of_view, size = raw.query(acme, ALL), raw.query(acme, OF_VIEW), raw.measure(acme, "raw_rows")
    with pytest.raises(LookupError), publishing(raw, acme, 2) as publication:  # noqa: PT012 - it is given up once all was done
        publication.remove("raw_rows", TablePart(equal={"source": "a", "written": MONDAY}))
        publication.execute("DELETE FROM raw_rows WHERE source = 'b'")
        staged(raw, acme, publication, [(TUESDAY, MONDAY, 7)])
        publication.insert("raw_rows", LOAD, {"source": "a"})
        assert publication.query(OF_VIEW).num_rows == 2
        raise LookupError("given up")
    assert raw.query(acme, ALL) == rows
    assert raw.query(acme, OF_VIEW) == of_view
    assert raw.measure(acme, "raw_rows") == size


def test_its_rows_are_streamed_and_exported(raw, acme):
    assert pa.Table.from_batches(raw.stream(acme, ALL)).to_pylist() == raw.query(acme, ALL).to_pylist()
    assert pq.read_table(raw.export(acme, ALL, "raw.parquet", "parquet")).to_pylist() == raw.query(acme, ALL).to_pylist()
