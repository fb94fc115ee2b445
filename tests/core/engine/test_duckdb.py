"""What holds for DuckDB alone: files, locks, limits and the lock-down of an instance."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from src.core.base.clock import SystemClock
from src.core.base.faults import Misconfigured, Throttled, Unavailable
from src.core.base.identity import Tenant
from src.core.base.schema import Field, TableSchema
from src.core.base.settings import Settings
from src.core.engine import claim_warehouse, open_warehouse
from src.core.engine.duckdb.client import DuckDBWarehouse
from src.core.engine.duckdb.instance import Instance
from src.core.engine.duckdb.opening import open_instance
from src.core.engine.files.datasets import Damage
from src.core.engine.port import Fence
from tests.contract.warehouse.conftest import settings_for, tenant_named
from tests.contract.warehouse.tables import COSTS, MONDAY, publish, row

ACME = tenant_named("acme_corp")


def settings(folder: Path, **more: object) -> Settings:
    return settings_for("duckdb", folder, **more)


def impatient(chosen: Settings, wait_seconds: float) -> DuckDBWarehouse:
    claim = claim_warehouse(chosen)
    assert claim is not None
    return DuckDBWarehouse(chosen, SystemClock(), chosen.data_dir / "warehouse", claim, wait_seconds=wait_seconds)


@pytest.fixture
def instance(tmp_path):
    opened = open_instance(tmp_path / "acme_corp_dev", settings(tmp_path), Damage(), create=True)
    yield opened
    opened.root.close()


@pytest.mark.parametrize(
    "sql",
    [
        "ATTACH '/tmp/other.duckdb' AS other",
        "COPY (SELECT 1) TO '/tmp/out.csv'",
        "COPY (SELECT 1) TO '{io}/../out.csv'",
        "COPY (SELECT 1) TO '{io}/link/out.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('{io}/link/hostname')",
        "SELECT * FROM read_text('{io}/../acme_corp_dev.duckdb')",
        "SELECT * FROM read_text('{io}/../*')",
        "COPY (SELECT 1) TO '{raw}/../out.csv'",
        "COPY (SELECT 1) TO '{raw}/link/out.csv'",
        "SELECT * FROM read_text('{raw}/link/hostname')",
        "SELECT * FROM read_text('{raw}/../acme_corp_dev.duckdb')",
        "SELECT * FROM read_blob('{raw}/../../*')",
        "SELECT * FROM read_parquet('{raw}/../../other_corp_dev/raw/**/*.parquet')",
        "SELECT * FROM read_blob('/proc/self/environ')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "EXPORT DATABASE '/tmp/out'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "LOAD '{io}/x.duckdb_extension'",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET GLOBAL allowed_directories = ['/']",
        "SET TimeZone = 'Asia/Tokyo'",
        "SET file_search_path = '/etc'",
        "SET memory_limit = '1TB'",
        "RESET threads",
        "PRAGMA threads = 9",
        "PRAGMA enable_profiling = 'json'",
        "SET profiling_output = '/tmp/out'",
        "SELECT getenv('HOME')",
        "SELECT * FROM instance",
        "SELECT * FROM planted",
    ],
)
def test_an_instance_is_locked_down_under_any_sql(instance, sql):
    planted = pa.table({"a": [1]})
    for folder in (instance.io, instance.raw):
        (folder / "link").symlink_to("/etc")
    with instance.root.cursor() as cursor, pytest.raises(duckdb.Error):
        cursor.execute(sql.format(io=instance.io, raw=instance.raw)).fetchall()
    assert planted.num_rows == 1
    assert {path.name for folder in (instance.io, instance.raw) for path in folder.iterdir()} == {"link"}


def test_the_bundled_extensions_work_under_the_lock_down(instance):
    hour = "hour(TIMESTAMPTZ '2026-07-01 00:00:00+00' AT TIME ZONE 'Asia/Tokyo')"
    sql = f"SELECT json_extract_string('{{\"a\": \"x\"}}', '$.a') AS a, {hour} AS h"
    with instance.root.cursor() as cursor:
        cursor.execute(f"COPY ({sql}) TO '{instance.io}/x.parquet' (FORMAT parquet)").fetchall()
        assert cursor.execute("SELECT * FROM read_parquet($file)", {"file": f"{instance.io}/x.parquet"}).fetchall() == [("x", 9)]


def test_files_and_folders_are_for_their_owner_alone(tmp_path):
    warehouse = open_warehouse(settings(tmp_path), SystemClock())
    warehouse.ensure_dataset(ACME)
    exported = warehouse.export(ACME, "SELECT 1 AS a", "x.csv", "csv")
    home = tmp_path / "warehouse"
    folders = [home, home / "acme_corp_dev", warehouse.io_folder(ACME)]
    files = [home / ".lock", home / "acme_corp_dev" / "acme_corp_dev.duckdb", exported]
    warehouse.close()
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


HOLDER = """
import sys, pathlib, time
from tests.core.engine.test_duckdb import *
warehouse = open_warehouse(settings(pathlib.Path(sys.argv[1])), SystemClock())
print("held", flush=True)
time.sleep(60)
"""


@pytest.mark.process
def test_a_second_process_is_told_who_holds_the_warehouse_and_a_killed_one_frees_it(tmp_path):
    argv = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())}) as child:
        try:
            assert child.stdout
            assert child.stdout.readline() == "held\n"
            with pytest.raises(Misconfigured, match=rf"process {child.pid}\b.*no --workers"):
                open_warehouse(settings(tmp_path), SystemClock())
        finally:
            child.send_signal(signal.SIGKILL)
    open_warehouse(settings(tmp_path), SystemClock()).close()


def test_a_closed_warehouse_may_be_opened_again_in_the_same_process(tmp_path):
    first = open_warehouse(settings(tmp_path), SystemClock())
    with pytest.raises(Misconfigured, match=f"process {os.getpid()}"):
        open_warehouse(settings(tmp_path), SystemClock())
    first.close()
    first.close()
    open_warehouse(settings(tmp_path), SystemClock()).close()


def test_a_folder_that_cannot_be_used_names_its_setting(tmp_path):
    (tmp_path / "warehouse").write_text("in the way")
    with pytest.raises(Misconfigured, match="EMBEDDED_DATA_DIR"):
        open_warehouse(settings(tmp_path), SystemClock())


@pytest.mark.process
def test_drivers_are_imported_only_when_a_warehouse_is_opened():
    code = "import sys, src.core.engine, src.core.engine.port; print(sorted({'duckdb', 'pyarrow', 'sqlglot'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.fixture
def two_open(tmp_path):
    opened = impatient(settings(tmp_path, duckdb_max_open=2), 0.1)
    yield opened
    opened.close()


def tenants(warehouse: DuckDBWarehouse, count: int) -> list[Tenant]:
    found = [tenant_named(f"org_{number}") for number in range(count)]
    for tenant in found:
        warehouse.ensure_dataset(tenant)
    return found


def test_the_least_used_instance_is_closed(two_open):
    first, second, third = tenants(two_open, 3)
    assert two_open.opened == (second.dataset, third.dataset)
    two_open.tables(second)
    two_open.tables(first)
    assert two_open.opened == (second.dataset, first.dataset)


def test_one_in_use_is_never_closed_and_when_all_are_the_next_waits_then_is_throttled(two_open):
    first, second, third = tenants(two_open, 3)
    for tenant in (first, second):
        two_open.ensure_table(tenant, COSTS)
    streaming = two_open.stream(second, "SELECT 1 AS a")
    with two_open.publication(first, "r", Fence("s", 1)) as publication:
        next(streaming)
        with pytest.raises(Throttled, match="DUCKDB_MAX_OPEN"):
            two_open.tables(third)
        publication.append("costs", [row(MONDAY)])
    assert two_open.tables(third) == ()
    assert two_open.opened == (second.dataset, third.dataset)
    streaming.close()
    assert two_open.measure(first, "costs").rows == 1


def test_a_dataset_in_use_is_not_dropped_under_its_user(two_open):
    [tenant] = tenants(two_open, 1)
    two_open.ensure_table(tenant, COSTS)
    with two_open.publication(tenant, "r", Fence("s", 1)) as publication:
        with pytest.raises(Throttled, match="in use"):
            two_open.drop_dataset(tenant)
        publication.append("costs", [row(MONDAY)])
    assert two_open.drop_dataset(tenant).tables == 1


def test_many_threads_over_more_datasets_than_stay_open_all_succeed(tmp_path):
    warehouse = impatient(settings(tmp_path, duckdb_max_open=2), 120)
    orgs = tenants(warehouse, 4)
    for tenant in orgs:
        warehouse.ensure_table(tenant, COSTS)
    failed: list[BaseException] = []

    def work(tenant: Tenant, scope: str) -> None:
        try:
            for generation in range(1, 6):
                publish(warehouse, tenant, [row(MONDAY)], generation, scope=scope)
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=work, args=(tenant, f"scope{number}")) for tenant in orgs for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [warehouse.measure(tenant, "costs").rows for tenant in orgs] == [10, 10, 10, 10]
    warehouse.close()


def test_running_out_of_memory_names_the_setting_and_the_dataset_goes_on(tmp_path):
    warehouse = open_warehouse(settings(tmp_path, duckdb_memory_limit="40MB"), SystemClock())
    warehouse.ensure_dataset(ACME)
    many = "SELECT a + 1000000 * b AS n FROM UNNEST(GENERATE_ARRAY(1, 3000)) AS a CROSS JOIN UNNEST(GENERATE_ARRAY(1, 1000)) AS b"
    with pytest.raises(Unavailable, match="DUCKDB_MEMORY_LIMIT"):
        warehouse.query(ACME, f"SELECT ARRAY_AGG(n) AS all_of_them FROM ({many})")
    assert warehouse.query(ACME, "SELECT 1 AS a").to_pylist() == [{"a": 1}]
    warehouse.close()


def test_a_broken_instance_is_opened_anew(two_open):
    [tenant] = tenants(two_open, 1)
    held: list[Instance] = []
    with two_open._instances.lease(tenant.dataset) as instance:
        held.append(instance)
        instance.broken = True
    assert two_open.tables(tenant) == ()
    with two_open._instances.lease(tenant.dataset) as instance:
        assert instance is not held[0]


def test_what_a_dying_process_left_half_erased_is_erased_at_the_next_start(tmp_path):
    left = tmp_path / "warehouse" / ".erased-acme_corp_dev"
    left.mkdir(parents=True)
    (left / "acme_corp_dev.duckdb").write_text("")
    open_warehouse(settings(tmp_path), SystemClock()).close()
    assert not left.exists()


def test_partition_and_cluster_are_kept_as_facts(tmp_path):
    warehouse = open_warehouse(settings(tmp_path), SystemClock())
    warehouse.ensure_dataset(ACME)
    warehouse.ensure_table(ACME, COSTS)
    warehouse.ensure_table(ACME, TableSchema("plain", (Field("a", "INT64"),)))
    facts = warehouse.query(
        ACME, "SELECT table_name, partition_field, partition_granularity, cluster_fields FROM x_table_facts ORDER BY table_name"
    )
    assert [tuple(line.values()) for line in facts.to_pylist()] == [("costs", "day", "day", ["service"]), ("plain", None, None, [])]
    warehouse.close()


STREAMER = """
import resource, sys, pathlib
from tests.core.engine.test_duckdb import *
warehouse = open_warehouse(settings(pathlib.Path(sys.argv[1]), duckdb_memory_limit="200MB"), SystemClock())
warehouse.ensure_dataset(ACME)
many = "SELECT a + b AS n, CAST(a AS STRING) AS t FROM UNNEST(GENERATE_ARRAY(1, 3000)) AS a CROSS JOIN UNNEST(GENERATE_ARRAY(1, 2000)) AS b"
stream = warehouse.stream(ACME, many)
rows = next(stream).num_rows
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows += sum(batch.num_rows for batch in stream)
print(rows, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.process
def test_a_stream_takes_bounded_memory(tmp_path):
    argv = [sys.executable, "-c", STREAMER, str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())})
    rows, grown_mb = done.stdout.split()
    assert rows == "6000000"
    assert int(grown_mb) < 60  # the rows are 150 MB in Arrow
