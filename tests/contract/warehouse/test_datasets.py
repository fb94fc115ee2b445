import shutil
from contextlib import closing

import pytest

from src.core.base.clock import SystemClock
from src.core.base.faults import Misconfigured, Missing, Unavailable
from src.core.engine import open_warehouse
from src.core.engine.port import DroppedDataset
from tests.contract.warehouse.conftest import settings_for, tenant_named
from tests.contract.warehouse.tables import COSTS, MONDAY, publish, row, stored


def test_a_dataset_is_made_once(warehouse):
    tenant = tenant_named("fresh_org")
    assert warehouse.has_dataset(tenant) is False
    assert warehouse.ensure_dataset(tenant) is True
    assert warehouse.ensure_dataset(tenant) is False
    assert warehouse.has_dataset(tenant) is True
    assert warehouse.tables(tenant) == ()


def test_what_has_no_dataset_yet_says_so(warehouse):
    tenant = tenant_named("fresh_org")
    for call in (
        lambda: warehouse.tables(tenant),
        lambda: warehouse.query(tenant, "SELECT 1 AS a"),
        lambda: warehouse.ensure_table(tenant, COSTS),
        lambda: publish(warehouse, tenant, [row(MONDAY)], 1),
    ):
        with pytest.raises(Misconfigured, match="is lost"):
            call()
    assert warehouse.has_dataset(tenant) is False


def test_of_a_dataset_that_was_taken_away_no_table_is_merely_missing(warehouse, acme, engine, tmp_path):
    """Whoever asks what it holds would take it for one that nothing was loaded into yet."""
    warehouse.ensure_table(acme, COSTS)
    with pytest.raises(Missing):
        warehouse.columns(acme, "usage")
    if engine == "bigquery":
        with closing(open_warehouse(settings_for(engine, tmp_path), SystemClock())) as another:
            assert another.drop_dataset(acme).existed
    else:
        shutil.rmtree(tmp_path / "warehouse" / acme.dataset)
    for _ in range(2):
        with pytest.raises(Misconfigured, match=rf"{acme.dataset} is lost.*restore"):
            warehouse.columns(acme, "usage")
    assert list(warehouse.lost_datasets()) == ([acme.dataset] if engine == "bigquery" else [])
    warehouse.ensure_dataset(acme)
    assert warehouse.lost_datasets() == {}


def test_datasets_do_not_see_each_other(warehouse, acme):
    other = tenant_named("other_org")
    warehouse.ensure_dataset(other)
    for tenant, cost in ((acme, "1"), (other, "2")):
        warehouse.ensure_table(tenant, COSTS)
        publish(warehouse, tenant, [row(MONDAY, cost)], 1)
    assert [stored(warehouse, tenant)[0][2] for tenant in (acme, other)] == [1, 2]
    assert warehouse.io_folder(acme) != warehouse.io_folder(other)


def test_a_dropped_dataset_says_what_it_erased_and_is_gone(warehouse, acme):
    warehouse.ensure_table(acme, COSTS)
    warehouse.ensure_view(acme, "v", "SELECT * FROM costs")
    publish(warehouse, acme, [row(MONDAY)], 1)
    (warehouse.io_folder(acme) / "upload.csv").write_text("x" * 1000)
    erased = warehouse.drop_dataset(acme)
    assert (erased.existed, erased.tables, erased.views) == (True, 1, 1)
    assert erased.bytes > 1000
    assert warehouse.has_dataset(acme) is False
    assert warehouse.drop_dataset(acme) == DroppedDataset(existed=False)
    warehouse.ensure_dataset(acme)
    warehouse.ensure_table(acme, COSTS)
    assert publish(warehouse, acme, [row(MONDAY)], 1) == 1  # the fences went with it


def test_a_working_warehouse_passes_its_check_and_a_closed_one_says_so(warehouse, acme):
    warehouse.check()
    warehouse.close()
    with pytest.raises(Unavailable):
        warehouse.query(acme, "SELECT 1 AS a")


def test_what_was_published_is_there_after_reopening(warehouse, acme, request):
    warehouse.ensure_table(acme, COSTS)
    publish(warehouse, acme, [row(MONDAY)], 1)
    for number in range(4):  # more datasets than stay open
        warehouse.ensure_dataset(tenant_named(f"other_{number}"))
    assert len(stored(warehouse, acme)) == 1
