"""A dataset whose file is gone, empty, cut, harmed or barred is told as that, and never opened as one that has no costs."""

import ctypes
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from src.core.base.clock import SystemClock
from src.core.base.faults import Misconfigured
from src.core.base.names import org_slug
from src.core.engine import absent_datasets, open_warehouse, standing_datasets
from src.core.engine.duckdb.faults import fault_of
from src.core.engine.port import Warehouse
from tests.contract.warehouse.conftest import settings_for, tenant_named
from tests.contract.warehouse.tables import COSTS, MONDAY, publish, row, stored
from tests.core.engine.test_duckdb_files import run

ACME, OTHER = tenant_named("acme_corp"), tenant_named("other_corp")
PLACE = "warehouse/acme_corp_dev/acme_corp_dev.duckdb"
HEADERS = 12_288  # of DuckDB's file; blocks follow
CAPABILITIES = 0x20080522  # linux/capability.h: the version of the structure


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / PLACE


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    """Another process's, as it were: what the first one wrote is closed."""
    first = open_warehouse(settings_for("duckdb", tmp_path), SystemClock())
    for tenant in (ACME, OTHER):
        first.ensure_dataset(tenant)
        first.ensure_table(tenant, COSTS)
        publish(first, tenant, [row(MONDAY)], 1)
    first.close()
    opened = open_warehouse(settings_for("duckdb", tmp_path), SystemClock())
    yield opened
    opened.close()


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: HEADERS + 100])


def garbage(file: Path) -> None:
    file.write_bytes(b"something else entirely" * 1000)


def harmed(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:HEADERS] + b"\xa5" * (len(whole) - HEADERS))


def folder_in_its_place(file: Path) -> None:
    file.unlink()
    file.mkdir()


def another_database(file: Path) -> None:
    file.unlink()
    duckdb.connect(file).close()


def harmed_log(file: Path) -> None:
    """The log of a process that was killed, of which a byte in the middle is another."""
    log = file.with_name(f"{file.name}.wal")
    crashed = duckdb.connect(file, config={"storage_compatibility_version": "v1.5.0"})
    crashed.execute("CREATE TABLE more AS SELECT range AS number FROM range(1000)")
    content = bytearray(log.read_bytes())
    kept = file.read_bytes()
    crashed.close()
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(kept)
    log.write_bytes(content)


DAMAGES = [emptied, cut, garbage, harmed, folder_in_its_place, another_database, harmed_log]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_dataset_is_named_and_to_be_restored(warehouse, file, damage):
    damage(file)
    for _ in range(2):
        with pytest.raises(Misconfigured, match=rf"acme_corp_dev is damaged: {PLACE} .*restore that file from its backup") as told:
            stored(warehouse, ACME)
        assert str(file.parents[2]) not in told.value.detail
    assert stored(warehouse, OTHER) == [(MONDAY, "compute", 1)]
    assert list(warehouse.lost_datasets()) == [ACME.dataset]


@pytest.mark.parametrize("damage", [emptied, harmed])
def test_a_damaged_dataset_is_remembered_until_its_file_is_restored(warehouse, file, tmp_path, damage):
    kept = shutil.copy(file, tmp_path / "kept")
    damage(file)
    with pytest.raises(Misconfigured):
        stored(warehouse, ACME)
    shutil.copy(kept, file)
    assert warehouse.lost_datasets() == {}
    assert stored(warehouse, ACME) == [(MONDAY, "compute", 1)]


def without_file(file: Path) -> None:
    file.unlink()


def without_folder(file: Path) -> None:
    shutil.rmtree(file.parent)


def without_warehouse(file: Path) -> None:
    shutil.rmtree(file.parents[1])


def with_its_log_alone(file: Path) -> None:
    file.rename(file.with_name(f"{file.name}.wal"))


@pytest.mark.parametrize("loss", [without_file, without_folder, without_warehouse, with_its_log_alone])
@pytest.mark.parametrize("open_meanwhile", [True, False])
def test_a_dataset_whose_file_is_gone_is_lost_and_not_made_anew(warehouse, file, loss, open_meanwhile):
    if open_meanwhile:
        stored(warehouse, ACME)
    loss(file)
    for ask in (
        lambda: stored(warehouse, ACME),
        lambda: warehouse.columns(ACME, "costs"),
        lambda: warehouse.ensure_table(ACME, COSTS),
        lambda: publish(warehouse, ACME, [row(MONDAY)], 2),
    ):
        with pytest.raises(Misconfigured, match=rf"acme_corp_dev is lost: {PLACE} is not in EMBEDDED_DATA_DIR.*restore that file"):
            ask()
    assert not file.exists()


def test_a_file_that_is_restored_beside_an_open_one_is_the_one_that_is_read(warehouse, file, tmp_path):
    kept = shutil.copy(file, tmp_path / "kept")
    publish(warehouse, ACME, [row(MONDAY, "7")], 2)
    file.unlink()
    with pytest.raises(Misconfigured):
        stored(warehouse, ACME)
    shutil.copy(kept, file)
    assert stored(warehouse, ACME) == [(MONDAY, "compute", 1)]
    publish(warehouse, ACME, [row(MONDAY, "3")], 2)
    warehouse.close()
    again = open_warehouse(settings_for("duckdb", tmp_path), SystemClock())
    assert stored(again, ACME) == [(MONDAY, "compute", 1), (MONDAY, "compute", 3)]
    again.close()


@pytest.mark.parametrize("loss", [without_file, without_folder, without_warehouse, emptied, folder_in_its_place])
def test_what_is_absent_shows_without_opening_anything(warehouse, file, tmp_path, loss):
    settings = settings_for("duckdb", tmp_path)
    slugs = [org_slug("acme_corp"), org_slug("other_corp")]
    assert standing_datasets(settings) == (ACME.dataset, OTHER.dataset)
    assert absent_datasets(settings, slugs) == {}
    loss(file)
    told = absent_datasets(settings, slugs)
    assert list(told) == [ACME.dataset, *([OTHER.dataset] if loss is without_warehouse else [])]
    assert PLACE in told[ACME.dataset].detail


class Capabilities(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Root may open whatever it likes, until this thread of its lays that down."""
    if os.geteuid() != 0:
        yield
        return
    system = ctypes.CDLL(None, use_errno=True)
    this_thread, before, without = (ctypes.c_uint32 * 2)(CAPABILITIES, 0), (Capabilities * 2)(), (Capabilities * 2)()
    assert system.capget(this_thread, before) == 0
    for kept, had in zip(without, before, strict=True):
        kept.permitted, kept.inheritable = had.permitted, had.inheritable
    assert system.capset(this_thread, without) == 0
    yield
    assert system.capset(this_thread, before) == 0


@pytest.mark.parametrize("rights", [0o000, 0o400])
def test_a_file_that_may_not_be_used_wants_rights_and_no_backup(warehouse, file, rights, unprivileged):
    file.chmod(rights)
    with pytest.raises(Misconfigured, match=rf"{PLACE} in EMBEDDED_DATA_DIR.*give it that right") as told:
        stored(warehouse, ACME)
    assert "restore" not in told.value.detail
    assert warehouse.lost_datasets() == {}
    file.chmod(0o600)
    assert stored(warehouse, ACME) == [(MONDAY, "compute", 1)]


def test_a_folder_that_may_not_be_entered_wants_rights_and_no_backup(warehouse, file, tmp_path, unprivileged):
    file.parent.chmod(0o000)
    with pytest.raises(Misconfigured, match=r"give this user the right"):
        stored(warehouse, ACME)
    assert absent_datasets(settings_for("duckdb", tmp_path), [org_slug("acme_corp")]) == {}
    file.parent.chmod(0o700)
    assert stored(warehouse, ACME) == [(MONDAY, "compute", 1)]


# No file of this process may grow past so many bytes, first those of DuckDB's own, then its log.
FILLS = """
import pathlib, random, resource, sys
from src.core.base.faults import Unavailable
from tests.core.engine.test_duckdb_lost import *
warehouse = open_warehouse(settings_for("duckdb", pathlib.Path(sys.argv[1])), SystemClock())
assert stored(warehouse, ACME) == [(MONDAY, "compute", 1)]
rows = [row(MONDAY, service=f"service {number} {random.random()}") for number in range(20_000)]
for room in (300_000, 2_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    with pytest.raises(Unavailable, match="disk of EMBEDDED_DATA_DIR is full: free some space.*run this again.*kept"):
        publish(warehouse, ACME, rows, 2)
    assert stored(warehouse, ACME) == [(MONDAY, "compute", 1)]
with pytest.raises(Unavailable, match="free some space"):
    warehouse.ensure_dataset(tenant_named("third_corp"))
assert warehouse.lost_datasets() == {}
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print("said")
"""


@pytest.mark.process
def test_a_full_disk_wants_space_and_keeps_what_was_published(tmp_path, warehouse):
    warehouse.close()
    with run(FILLS, str(tmp_path)) as child:
        assert child.communicate()[0] == "said\n"


@pytest.mark.process
def test_a_start_on_a_full_disk_goes_on_and_readiness_wants_space(tmp_path):
    code = """
import pathlib, resource, sys
from src.core.base.faults import Unavailable
from src.core.engine import check_embedded, claim_warehouse
from tests.core.engine.test_duckdb_lost import *
settings = settings_for("duckdb", pathlib.Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
assert claim_warehouse(settings)
with pytest.raises(Unavailable, match="free some space"):
    check_embedded(settings)
with pytest.raises(Misconfigured, match="open in process unknown"):
    claim_warehouse(settings)
print("said")
"""
    with run(code, str(tmp_path)) as child:
        assert child.communicate()[0] == "said\n"


def test_words_of_the_disk_are_believed_of_no_value_of_a_row(tmp_path):
    folder = tmp_path / "warehouse" / "acme_corp_dev"
    words = "Conversion Error: Could not convert string 'No space left on device, Corrupt database file' to INT32"
    assert "disk" not in fault_of(duckdb.ConversionException(words), folder).detail
