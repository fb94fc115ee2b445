"""A result that DuckDB keeps is given again only while nothing was written to its dataset: an old one would pass for what is there."""

from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from src.core.base.clock import SystemClock
from src.core.base.faults import Missing
from src.core.base.schema import Field, TableSchema
from src.core.engine import claim_warehouse
from src.core.engine.duckdb.client import DuckDBWarehouse
from src.core.engine.duckdb.kept import LARGEST_BYTES, MOST_BYTES, KeptResults
from src.core.engine.port import Fence
from tests.contract.warehouse.conftest import settings_for, tenant_named
from tests.contract.warehouse.tables import COSTS, MONDAY, publish, row

ACME, OTHER = tenant_named("acme_corp"), tenant_named("other_corp")
COUNTED = f"SELECT count(*) AS rows FROM {COSTS.name}"


@pytest.fixture
def warehouse(tmp_path) -> Iterator[DuckDBWarehouse]:
    chosen = settings_for("duckdb", tmp_path)
    claim = claim_warehouse(chosen)
    assert claim is not None
    made = DuckDBWarehouse(chosen, SystemClock(), chosen.data_dir / "warehouse", claim)
    for tenant in (ACME, OTHER):
        made.ensure_dataset(tenant)
        made.ensure_table(tenant, COSTS)
    yield made
    made.close()


def counted(warehouse: DuckDBWarehouse, sql: str = COUNTED) -> int:
    [found] = warehouse.query_again(ACME, sql).to_pylist()
    return int(found["rows"])


def test_while_nothing_is_written_the_same_is_given_again(warehouse: DuckDBWarehouse):
    first = warehouse.query_again(ACME, COUNTED)

    assert warehouse.query_again(ACME, COUNTED) is first
    assert warehouse.query(ACME, COUNTED) is not first
    assert warehouse.query_again(OTHER, COUNTED) is not first


def test_other_parameters_ask_another_question(warehouse: DuckDBWarehouse):
    found = [warehouse.query_again(ACME, "SELECT @what AS what", {"what": what}).to_pylist() for what in (1, "1", None, True)]

    assert found == [[{"what": 1}], [{"what": "1"}], [{"what": None}], [{"what": True}]]


def test_a_publication_is_seen_at_once(warehouse: DuckDBWarehouse):
    for generation in (1, 2, 3):
        publish(warehouse, ACME, [row(MONDAY)], generation)
        assert counted(warehouse) == warehouse.query(ACME, COUNTED).to_pylist()[0]["rows"] == generation


def test_what_is_asked_while_a_publication_is_under_way_is_not_kept(warehouse: DuckDBWarehouse):
    with warehouse.publication(ACME, "run", Fence("tests", 1)) as publication:
        publication.append(COSTS.name, [row(MONDAY)])
        assert counted(warehouse) == 0
    assert counted(warehouse) == 1


def test_one_that_is_taken_back_leaves_what_was(warehouse: DuckDBWarehouse):
    with pytest.raises(RuntimeError), warehouse.publication(ACME, "run", Fence("tests", 1)) as publication:  # noqa: PT012
        publication.append(COSTS.name, [row(MONDAY)])
        raise RuntimeError("broke off")

    assert counted(warehouse) == 0


def test_another_view_of_the_same_name_is_another_answer(warehouse: DuckDBWarehouse):
    found = []
    for number in (1, 2):
        warehouse.ensure_view(ACME, "seen", f"SELECT {number} AS rows")
        found.append(counted(warehouse, "SELECT rows FROM seen"))

    assert found == [1, 2]


def test_another_column_is_in_the_answer(warehouse: DuckDBWarehouse):
    everything = f"SELECT * FROM {COSTS.name}"
    before = warehouse.query_again(ACME, everything).column_names
    warehouse.ensure_table(ACME, TableSchema(name=COSTS.name, fields=(*COSTS.fields, Field(name="added", type="STRING"))))

    assert warehouse.query_again(ACME, everything).column_names == [*before, "added"]


def test_a_table_or_a_dataset_that_is_gone_is_told_of_no_more(warehouse: DuckDBWarehouse):
    assert counted(warehouse) == 0
    warehouse.drop_table(ACME, COSTS.name)
    with pytest.raises(Missing):
        counted(warehouse)

    warehouse.ensure_table(ACME, COSTS)
    publish(warehouse, ACME, [row(MONDAY)], 1)
    assert counted(warehouse) == 1
    warehouse.drop_dataset(ACME)
    warehouse.ensure_dataset(ACME)
    warehouse.ensure_table(ACME, COSTS)
    assert counted(warehouse) == 0


def asked(kept: KeptResults, meanwhile: Callable[[], None] = lambda: None, size: int = 1) -> pa.Table:
    def ask() -> pa.Table:
        meanwhile()
        return pa.table({"bytes": [b"x" * size]})

    return kept.of("question", ask)


def test_what_was_found_while_somebody_wrote_is_not_kept():
    kept = KeptResults()

    def write() -> None:
        with kept.writing():
            pass

    found = [asked(kept, write), asked(kept, write)]
    writing = kept.writing()
    found.append(asked(kept, writing.__enter__))
    # two write, and one has ended
    write()
    found.append(asked(kept))
    writing.__exit__(None, None, None)
    found.append(asked(kept))

    assert len({id(one) for one in found}) == len(found)
    assert asked(kept) is found[-1]


def test_it_keeps_so_much_and_no_more():
    kept = KeptResults()
    assert asked(kept, size=LARGEST_BYTES + 1) is not asked(kept, size=LARGEST_BYTES + 1)

    half = LARGEST_BYTES // 2
    tables = [kept.of(str(number), lambda: pa.table({"bytes": [b"x" * half]})) for number in range(2 * MOST_BYTES // half)]
    again = [kept.of(str(number), lambda: pa.table({"bytes": [b"y"]})) is tables[number] for number in reversed(range(len(tables)))]

    assert 0 < sum(again) <= MOST_BYTES // half
    assert again[0]
