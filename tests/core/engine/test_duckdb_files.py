"""A dataset's files through kills, damage and a disk that refuses."""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.core.base.clock import SystemClock
from src.core.base.faults import Misconfigured, Unavailable
from src.core.engine import check_embedded, open_warehouse
from src.core.engine.duckdb.client import DuckDBWarehouse
from src.core.engine.duckdb.instance import LONGEST_LOG
from src.core.engine.port import DroppedDataset, Warehouse
from tests.contract.warehouse.conftest import settings_for, tenant_named
from tests.contract.warehouse.tables import COSTS, MONDAY, publish, row

ACME = tenant_named("acme_corp")
KILLS, LONGEST_LIFE = 4, 0.2


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "warehouse"


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    opened = open_warehouse(settings_for("duckdb", tmp_path), SystemClock())
    yield opened
    opened.close()


@pytest.mark.parametrize("written", [0, 4096, 8192])
def test_a_draft_that_a_dead_process_left_does_not_matter(warehouse, home, written):
    folder = home / ACME.dataset
    folder.mkdir()
    for left in ("", ".wal"):
        (folder / f"{ACME.dataset}.duckdb.new{left}").write_bytes(b"\0" * written)
    assert warehouse.has_dataset(ACME) is False
    assert warehouse.ensure_dataset(ACME) is True
    assert warehouse.tables(ACME) == ()
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == [f"{ACME.dataset}.duckdb"]


def test_no_commit_checkpoints_what_it_has_logged(warehouse, home):
    """Past DuckDB's own threshold of 16 MB and short of ours; fewer rows than a row group, for whole ones are written beside the log."""
    warehouse.ensure_dataset(ACME)
    warehouse.ensure_table(ACME, COSTS)
    noise = random.Random(7)
    rows = [row(MONDAY, service=noise.randbytes(120).hex()) for _ in range(100_000)]

    publish(warehouse, ACME, rows, 1)

    log = home / ACME.dataset / f"{ACME.dataset}.duckdb.wal"
    assert 16_000_000 < log.stat().st_size < LONGEST_LOG


# The kernel kills it at the write that passes the limit: between DuckDB's first writes, at a moment of our choice.
DIES_WRITING = """
import pathlib, resource, signal, sys
from tests.core.engine.test_duckdb_files import *
warehouse = open_warehouse(settings_for("duckdb", pathlib.Path(sys.argv[1])), SystemClock())
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
warehouse.ensure_dataset(ACME)
"""


@pytest.mark.parametrize("written", [0, 4096, 8192, 12288])
@pytest.mark.process
def test_a_process_killed_between_the_first_writes_leaves_a_dataset_or_none(tmp_path, written):
    with run(DIES_WRITING, str(tmp_path), str(written)) as child:
        assert child.wait() == -signal.SIGXFSZ
    warehouse = open_warehouse(settings_for("duckdb", tmp_path), SystemClock())
    assert warehouse.ensure_dataset(ACME) is True
    warehouse.ensure_table(ACME, COSTS)
    assert publish(warehouse, ACME, [row(MONDAY)], 1) == 1
    warehouse.close()


CREATES = """
import pathlib, sys
from tests.core.engine.test_duckdb_files import *
warehouse = open_warehouse(settings_for("duckdb", pathlib.Path(sys.argv[1])), SystemClock())
warehouse.ensure_dataset(tenant_named(f"org_{sys.argv[2]}_warm"))
print("creating", flush=True)
for number in range(10_000):
    warehouse.ensure_dataset(tenant_named(f"org_{sys.argv[2]}_{number}"))
"""


def run(code: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True, env=environment)


@pytest.mark.process
def test_whenever_a_process_is_killed_every_dataset_that_is_there_opens(tmp_path, home):
    for kill in range(KILLS):
        with run(CREATES, str(tmp_path), str(kill)) as child:
            assert child.stdout
            assert child.stdout.readline() == "creating\n"
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(random.uniform(0, LONGEST_LIFE))
            child.kill()
    warehouse = open_warehouse(settings_for("duckdb", tmp_path), SystemClock())
    tenants = [tenant_named(folder.name.removesuffix("_dev")) for folder in home.iterdir() if folder.is_dir()]
    made = [warehouse.ensure_dataset(tenant) for tenant in tenants]
    assert [warehouse.tables(tenant) for tenant in tenants] == [()] * len(tenants)
    assert len(tenants) >= KILLS
    assert sum(made) <= KILLS
    warehouse.close()


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A disk that fails while it erases, until undone."""

    def rmtree(path: object, *, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    return monkeypatch


def test_an_erasure_that_the_disk_refuses_is_a_fault_and_its_retry_erases(warehouse, home, refusing):
    warehouse.ensure_dataset(ACME)
    (warehouse.io_folder(ACME) / "upload.csv").write_text("x" * 1000)
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"Input/output error.*EMBEDDED_DATA_DIR.*again"):
            warehouse.drop_dataset(ACME)
    refusing.undo()
    erased = warehouse.drop_dataset(ACME)
    assert erased.existed
    assert erased.bytes > 1000
    assert [path.name for path in home.iterdir()] == [".lock"]
    assert warehouse.drop_dataset(ACME) == DroppedDataset(existed=False)


def test_a_dataset_made_again_after_a_refused_erasure_can_be_erased_with_what_was_left(warehouse, home, refusing):
    warehouse.ensure_dataset(ACME)
    with pytest.raises(Unavailable):
        warehouse.drop_dataset(ACME)
    refusing.undo()
    (home / f".erased-{ACME.dataset}").mkdir()
    (home / f".erased-{ACME.dataset}2-left").mkdir()
    warehouse.ensure_dataset(ACME)
    assert warehouse.drop_dataset(ACME).existed
    assert {path.name for path in home.iterdir()} == {".lock", f".erased-{ACME.dataset}2-left"}


def test_leftovers_that_the_disk_keeps_do_not_stop_the_start(tmp_path, home, refusing):
    left = home / f".erased-{ACME.dataset}-0"
    left.mkdir(parents=True)
    warehouse = open_warehouse(settings_for("duckdb", tmp_path), SystemClock())
    refusing.undo()
    assert left.exists()
    assert warehouse.drop_dataset(ACME).existed
    assert not left.exists()
    warehouse.close()


@pytest.mark.parametrize("content", [b"", b"x" * 12288, b"\0" * 4096])
@pytest.mark.parametrize("open_meanwhile", [True, False])
def test_a_damaged_dataset_can_be_erased(tmp_path, home, content, open_meanwhile):
    warehouse = open_warehouse(settings_for("duckdb", tmp_path), SystemClock())
    warehouse.ensure_dataset(ACME)
    warehouse.ensure_table(ACME, COSTS)
    if not open_meanwhile:
        warehouse.close()
        warehouse = open_warehouse(settings_for("duckdb", tmp_path), SystemClock())
    (home / ACME.dataset / f"{ACME.dataset}.duckdb").write_bytes(content)
    erased = warehouse.drop_dataset(ACME)
    assert (erased.existed, erased.tables) == (True, 1 if open_meanwhile else 0)
    assert [path.name for path in home.iterdir()] == [".lock"]
    assert warehouse.ensure_dataset(ACME) is True
    warehouse.close()


def test_what_a_killed_creation_left_can_be_erased(warehouse, home):
    folder = home / ACME.dataset
    folder.mkdir()
    (folder / f"{ACME.dataset}.duckdb.new").write_bytes(b"")
    warehouse.drop_dataset(ACME)
    assert not folder.exists()


@pytest.mark.parametrize("place", ["", "io", "raw", "spill"])
def test_a_file_where_a_folder_belongs_is_named(warehouse, home, place):
    in_the_way = home / ACME.dataset / place
    in_the_way.parent.mkdir(exist_ok=True)
    in_the_way.write_text("in the way")
    with pytest.raises(Misconfigured, match=r"warehouse/acme_corp_dev in EMBEDDED_DATA_DIR.*move away") as refused:
        warehouse.ensure_dataset(ACME)
    assert str(home) not in refused.value.detail
    in_the_way.unlink()
    assert warehouse.ensure_dataset(ACME) is True


def test_a_disk_that_fails_while_a_dataset_is_made_is_asked_again(warehouse, monkeypatch):
    def fsync(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(Unavailable, match=r"disk of EMBEDDED_DATA_DIR is full: free some space.*again"):
        warehouse.ensure_dataset(ACME)
    monkeypatch.undo()
    assert warehouse.ensure_dataset(ACME) is True


@pytest.mark.process
def test_a_warehouse_is_checked_without_its_driver_and_nothing_is_left(tmp_path):
    code = """
import pathlib, sys
from tests.contract.warehouse.conftest import settings_for
from src.core.engine import check_embedded
check_embedded(settings_for("duckdb", pathlib.Path(sys.argv[1])))
print(sorted({"duckdb", "pyarrow", "sqlglot"} & set(sys.modules)))
"""
    with run(code, str(tmp_path / "not" / "there")) as child:
        assert child.communicate()[0] == "[]\n"
    with run(code, str(tmp_path)) as child:
        assert child.communicate()[0] == "[]\n"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "warehouse").mkdir()
    check_embedded(settings_for("duckdb", tmp_path))
    assert list((tmp_path / "warehouse").iterdir()) == []


@pytest.mark.parametrize("place", ["data", "data/warehouse"])
@pytest.mark.parametrize("by_whom", ["settings", "warehouse"])
def test_a_file_in_the_place_of_the_warehouse_fails_its_check(tmp_path, place, by_whom):
    chosen = settings_for("duckdb", tmp_path / "data")
    warehouse = open_warehouse(chosen, SystemClock())
    assert isinstance(warehouse, DuckDBWarehouse)
    warehouse.check()
    warehouse.close()
    shutil.rmtree(tmp_path / place)
    (tmp_path / place).write_text("in the way")
    with pytest.raises(Misconfigured, match="EMBEDDED_DATA_DIR"):
        warehouse.check() if by_whom == "warehouse" else check_embedded(chosen)


@pytest.mark.process
def test_a_disk_that_takes_no_bytes_fails_the_check(tmp_path):
    (tmp_path / "warehouse").mkdir()
    code = """
import pathlib, resource, sys
from tests.core.engine.test_duckdb_files import *
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
with pytest.raises(Unavailable, match=r"disk of EMBEDDED_DATA_DIR is full: free some space"):
    check_embedded(settings_for("duckdb", pathlib.Path(sys.argv[1])))
print("said")
"""
    # in a process of its own: nothing of this one may be writing meanwhile
    with run(code, str(tmp_path)) as child:
        assert child.communicate()[0] == "said\n"
