from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.core.base.faults import Conflict, Missing, Rejected, Superseded
from src.core.base.identity import Tenant
from src.core.base.schema import Field, TableSchema
from src.core.engine.port import Fence, ParquetFiles, Publication, TablePart, Warehouse
from tests.contract.warehouse.conftest import tenant_named
from tests.contract.warehouse.tables import COSTS, MONDAY, TUESDAY, WEDNESDAY, days, publish, row, stored

MERGE = """MERGE costs USING (SELECT @day AS d, CAST(4 AS NUMERIC) AS c) AS s ON costs.day = s.d
WHEN MATCHED THEN UPDATE SET cost = s.c WHEN NOT MATCHED THEN INSERT (day, cost) VALUES (s.d, s.c)"""


@pytest.fixture
def costs(warehouse: Warehouse, acme: Tenant) -> Tenant:
    warehouse.ensure_table(acme, COSTS)
    return acme


def test_what_is_published_is_there_and_counted(warehouse, costs):
    assert publish(warehouse, costs, [row(MONDAY, "1.000000001"), row(TUESDAY)], 1) == 2
    assert stored(warehouse, costs) == [(MONDAY, "compute", Decimal("1.000000001")), (TUESDAY, "compute", Decimal(1))]


def test_a_replacement_takes_only_its_days(warehouse, costs):
    publish(warehouse, costs, [row(MONDAY), row(TUESDAY), row(WEDNESDAY)], 1)
    publish(warehouse, costs, [row(TUESDAY, "7")], 2, days(TUESDAY, TUESDAY))
    assert [line[2] for line in stored(warehouse, costs)] == [1, 7, 1]


def test_a_replacement_by_equal_columns_takes_only_those(warehouse, costs):
    publish(warehouse, costs, [row(MONDAY, "1", "compute"), row(MONDAY, "2", "storage")], 1)
    publish(warehouse, costs, [row(MONDAY, "9", "storage")], 2, TablePart("day", MONDAY, MONDAY, {"service": "storage"}))
    assert [line[1:] for line in stored(warehouse, costs)] == [("compute", 1), ("storage", 9)]


def test_a_replacement_of_the_whole_table_leaves_nothing_else(warehouse, costs):
    publish(warehouse, costs, [row(MONDAY), row(WEDNESDAY)], 1)
    publish(warehouse, costs, [row(TUESDAY, "7")], 2, TablePart())
    assert stored(warehouse, costs) == [(TUESDAY, "compute", Decimal(7))]


@pytest.mark.parametrize("outside", [row(WEDNESDAY), row(date(2026, 11, 15))])
def test_rows_outside_the_replaced_part_are_refused(warehouse, costs, outside):
    publish(warehouse, costs, [row(MONDAY)], 1)
    with pytest.raises(Rejected, match="outside the part"):
        publish(warehouse, costs, [row(MONDAY, "2"), outside], 2, days(MONDAY, TUESDAY))
    assert stored(warehouse, costs) == [(MONDAY, "compute", Decimal(1))]


def test_the_last_moment_of_the_last_day_belongs_to_it(warehouse, acme):
    warehouse.ensure_table(acme, TableSchema("events", (Field("at", "TIMESTAMP"),)))
    late, after = datetime(2026, 11, 17, 23, 59, 59, 999999, UTC), datetime(2026, 11, 18, tzinfo=UTC)
    with warehouse.publication(acme, "r1", Fence("events", 1)) as publication:
        publication.append("events", [{"at": late}, {"at": after}])
    with warehouse.publication(acme, "r2", Fence("events", 2)) as publication:
        publication.replace("events", [], TablePart("at", MONDAY, TUESDAY))
    assert warehouse.query(acme, "SELECT at FROM events").to_pylist() == [{"at": after}]


def test_an_exception_inside_leaves_all_as_it_was(warehouse, costs):
    publish(warehouse, costs, [row(MONDAY)], 1)
    with pytest.raises(ZeroDivisionError), warehouse.publication(costs, "r2", Fence("costs", 2)) as publication:
        assert publication.replace("costs", [row(MONDAY, "5")], days(MONDAY, MONDAY)) / 0
    assert stored(warehouse, costs) == [(MONDAY, "compute", Decimal(1))]
    assert publish(warehouse, costs, [row(MONDAY, "6")], 2, days(MONDAY, MONDAY)) == 1


def append_twice_and_swallow(publication: Publication) -> None:
    publication.append("costs", [row(MONDAY)])
    with pytest.raises(Rejected):
        publication.append("costs", [{"day": MONDAY, "colour": "red"}])


def test_a_swallowed_fault_still_publishes_nothing(warehouse, costs):
    with pytest.raises(Conflict, match="failed"), warehouse.publication(costs, "r1", Fence("costs", 1)) as publication:
        append_twice_and_swallow(publication)
    assert stored(warehouse, costs) == []


@pytest.mark.parametrize("generation", [3, 2, -1])
def test_an_older_or_equal_generation_is_superseded(warehouse, costs, generation):
    publish(warehouse, costs, [row(MONDAY)], 3)
    with pytest.raises(Superseded):
        publish(warehouse, costs, [row(MONDAY, "5")], generation, days(MONDAY, MONDAY))
    assert stored(warehouse, costs) == [(MONDAY, "compute", Decimal(1))]


def test_the_last_generation_of_a_scope_is_told_so_that_a_clock_gone_back_can_be_outrun(warehouse, costs):
    assert warehouse.last_generation(tenant_named("fresh_org"), "costs") == 0
    assert warehouse.last_generation(costs, "costs") == 0
    publish(warehouse, costs, [row(MONDAY)], 1_700_000_000_000_000)
    with pytest.raises(ZeroDivisionError), warehouse.publication(costs, "r", Fence("costs", 1_800_000_000_000_000)):
        raise ZeroDivisionError
    assert warehouse.last_generation(costs, "costs") == 1_700_000_000_000_000
    assert warehouse.last_generation(costs, "other") == 0
    publish(warehouse, costs, [row(TUESDAY)], warehouse.last_generation(costs, "costs") + 1)
    assert len(stored(warehouse, costs)) == 2


def test_scopes_have_generations_of_their_own(warehouse, costs):
    publish(warehouse, costs, [row(MONDAY)], 9, scope="one")
    publish(warehouse, costs, [row(TUESDAY)], 1, scope="two")
    assert len(stored(warehouse, costs)) == 2


def test_a_publication_sees_what_it_wrote_and_nobody_else_does(warehouse, costs):
    with warehouse.publication(costs, "r1", Fence("costs", 1)) as publication:
        publication.append("costs", [row(MONDAY)])
        assert publication.query("SELECT COUNT(*) AS n FROM costs").to_pylist() == [{"n": 1}]
        assert stored(warehouse, costs) == []
    assert len(stored(warehouse, costs)) == 1


def test_several_tables_appear_at_once(warehouse, costs):
    warehouse.ensure_table(costs, TableSchema("days", (Field("day", "DATE"), Field("total", "NUMERIC"))))
    with warehouse.publication(costs, "r1", Fence("costs", 1)) as publication:
        publication.append("costs", [row(MONDAY, "2"), row(MONDAY, "3")])
        made = publication.execute(
            "INSERT INTO days (day, total) SELECT day, SUM(cost) FROM costs WHERE day >= @from GROUP BY day", {"from": MONDAY}
        )
    assert made == 1
    assert warehouse.query(costs, "SELECT * FROM days").to_pylist() == [{"day": MONDAY, "total": Decimal(5)}]


@pytest.mark.parametrize(
    ("sql", "touched", "left"),
    [
        ("UPDATE costs SET cost = cost * 2 WHERE day = @day", 1, [2, 1]),
        ("DELETE FROM costs WHERE day = @day", 1, [1]),
        (
            MERGE,
            1,
            [4, 1],
        ),
    ],
)
def test_changes_say_how_many_rows_they_touched(warehouse, costs, sql, touched, left):
    publish(warehouse, costs, [row(MONDAY), row(TUESDAY)], 1)
    with warehouse.publication(costs, "r2", Fence("costs", 2)) as publication:
        assert publication.execute(sql, {"day": MONDAY}) == touched
    assert [line[2] for line in stored(warehouse, costs)] == left


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "DROP TABLE costs",
        "CREATE TABLE x AS SELECT 1 AS a",
        "TRUNCATE TABLE costs",
        "DELETE FROM costs WHERE TRUE; DELETE FROM costs WHERE TRUE",
    ],
)
def test_only_one_change_of_rows_is_executed(warehouse, costs, sql):
    with pytest.raises(Rejected), warehouse.publication(costs, "r1", Fence("costs", 1)) as publication:
        publication.execute(sql)


def test_every_kind_of_source_is_loaded_by_column_name(warehouse, costs):
    table = pa.table({"cost": pa.array([Decimal("1.5")], pa.decimal128(38, 9)), "day": [MONDAY]})
    file = warehouse.io_folder(costs) / "part'1.parquet"
    pq.write_table(table, file)
    with warehouse.publication(costs, "r1", Fence("costs", 1)) as publication:
        assert publication.append("costs", table) == 1
        assert publication.append("costs", pa.RecordBatchReader.from_batches(table.schema, table.to_batches())) == 1
        assert publication.append("costs", ParquetFiles((file,))) == 1
        assert publication.append("costs", ParquetFiles((file, file))) == 2
        assert publication.append("costs", ({"COST": Decimal("1.5"), "Day": MONDAY} for _ in range(1))) == 1
        assert publication.append("costs", []) == 0
        assert publication.append("costs", ParquetFiles(())) == 0
    assert stored(warehouse, costs) == [(MONDAY, None, Decimal("1.5"))] * 6


def test_unknown_columns_of_any_source_are_refused_by_name(warehouse, costs):
    for source in ([{"day": MONDAY, "cots": 1}], pa.table({"day": [MONDAY], "cots": [1]})):
        with pytest.raises(Rejected, match="did you mean 'cost'"), warehouse.publication(costs, "r1", Fence("costs", 1)) as publication:
            publication.append("costs", source)


def test_a_source_that_fails_midway_fails_with_its_own_fault(warehouse, costs):
    def broken():
        yield row(MONDAY)
        raise Missing("page 2 is gone")

    for source in (
        broken(),
        pa.RecordBatchReader.from_batches(
            pa.schema([("day", pa.date32())]), (pa.record_batch({"day": [line["day"]]}) for line in broken())
        ),
    ):
        with pytest.raises(Missing, match="page 2"), warehouse.publication(costs, "r1", Fence("costs", 1)) as publication:
            publication.append("costs", source)
    assert stored(warehouse, costs) == []


def test_files_outside_the_io_folder_are_refused(warehouse, costs, tmp_path: Path):
    outside = tmp_path / "outside.parquet"
    pq.write_table(pa.table({"day": [MONDAY]}), outside)
    link = warehouse.io_folder(costs) / "link.parquet"
    link.symlink_to(outside)
    for path in (outside, link, Path("../../../outside.parquet")):
        with pytest.raises(Rejected, match="io folder"), warehouse.publication(costs, "r1", Fence("costs", 1)) as publication:
            publication.append("costs", ParquetFiles((path,)))
    assert stored(warehouse, costs) == []


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"day": MONDAY, "cost": 1.5}, "never float"),
        ({"day": MONDAY, "cost": Decimal("0.0000000001")}, "row 2"),
        ({"day": "yesterday"}, "row 2"),
        ({"day": datetime(2026, 11, 16, 5, tzinfo=UTC)}, "row 2"),
        ({"day": MONDAY, "service": 5}, "row 2"),
        ({"service": "compute"}, "does not fit"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_exactly(warehouse, costs, bad, said):
    with pytest.raises(Rejected, match=said):
        publish(warehouse, costs, [row(MONDAY), bad], 1)
    assert stored(warehouse, costs) == []


def test_publishing_into_what_is_not_there_says_so(warehouse, costs):
    with pytest.raises(Missing, match="did you mean 'costs'"), warehouse.publication(costs, "r1", Fence("costs", 1)) as publication:
        publication.append("cost", [row(MONDAY)])
