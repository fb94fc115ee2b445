"""Tables of raw rows through readers that began before, kills, full disks, lost files, moves and folding."""

import errno
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from src.core.base.clock import SystemClock
from src.core.base.faults import Fault, Misconfigured, Superseded, Throttled, Unavailable
from src.core.engine import open_warehouse
from src.core.engine.duckdb.client import DuckDBWarehouse
from src.core.engine.duckdb.store import folding
from src.core.engine.duckdb.store.listing import KeptFile, KeptSlice
from src.core.engine.port import Fence, Warehouse
from tests.contract.warehouse.conftest import settings_for
from tests.core.engine.raw import ACME, DAYS, RAW, ROWS, day, listed, load, standing, stored

ALL = "SELECT load_day, cost FROM raw_rows"


def opened(folder: Path) -> Warehouse:
    return open_warehouse(settings_for("duckdb", folder), SystemClock())


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    """Three days, each of a file of its own."""
    with closing(opened(tmp_path)) as made:
        made.ensure_dataset(ACME)
        made.ensure_table(ACME, RAW)
        load(made, 1, range(DAYS))
        yield made


def only_the_listed_stand(warehouse: Warehouse, folder: Path) -> None:
    assert standing(folder) == listed(warehouse)


def test_a_load_leaves_the_files_it_lists_and_no_others(warehouse, tmp_path):
    load(warehouse, 2, [1])
    assert stored(warehouse) == {day(0): (ROWS, 1, 1), day(1): (ROWS, 2, 2), day(2): (ROWS, 1, 1)}
    assert len(listed(warehouse)) == DAYS
    only_the_listed_stand(warehouse, tmp_path)


def test_a_load_that_fails_leaves_no_file(warehouse, tmp_path):
    def breaks() -> None:
        assert len(standing(tmp_path)) == 2 * DAYS
        raise LookupError("given up")

    before = standing(tmp_path)
    with pytest.raises(LookupError):
        load(warehouse, 2, range(DAYS), before_commit=breaks)
    assert standing(tmp_path) == before
    assert set(stored(warehouse).values()) == {(ROWS, 1, 1)}


def test_a_stream_that_began_before_a_replacement_ends_on_what_it_began_with(warehouse, tmp_path):
    for number in range(DAYS):
        load(warehouse, 2 + number, [number], 1, rows=70_000)
    stream = warehouse.stream(ACME, ALL)
    batches = [next(stream)]
    for generation in range(10, 13):
        load(warehouse, generation, range(DAYS))
    # he might have asked again after each of them: what cursors see later is not known
    assert len(standing(tmp_path)) == 4 * DAYS
    batches += stream
    assert sum(batch.num_rows for batch in batches) == DAYS * 70_000
    assert {cost for batch in batches for cost in batch.column("cost").unique().to_pylist()} == {1}
    only_the_listed_stand(warehouse, tmp_path)


def test_a_stream_that_is_given_up_keeps_nothing(warehouse, tmp_path):
    stream = warehouse.stream(ACME, ALL)
    next(stream)
    load(warehouse, 2, range(DAYS))
    stream.close()
    only_the_listed_stand(warehouse, tmp_path)


def test_the_same_file_loaded_again_and_again_stays(warehouse, tmp_path):
    stream = warehouse.stream(ACME, ALL)
    next(stream)
    for generation, cost in ((2, 7), (3, 1), (4, 7), (5, 1)):
        load(warehouse, generation, range(DAYS), cost)
    stream.close()
    assert set(stored(warehouse).values()) == {(ROWS, 1, 1)}
    only_the_listed_stand(warehouse, tmp_path)


@pytest.mark.parametrize("seconds", [1.0, pytest.param(30.0, marks=pytest.mark.proof)])
def test_readers_meet_whole_slices_while_they_are_replaced_and_folded(warehouse, tmp_path, monkeypatch, seconds):
    monkeypatch.setattr(folding, "FEWEST", 2)
    monkeypatch.setattr(folding, "NEWEST", 0)
    monkeypatch.setattr(folding, "HAS_MANY", "SELECT DISTINCT table_name FROM x_raw_files")
    done, seen = threading.Event(), set[tuple[int, ...]]()

    def read() -> None:
        over = False
        while not over:
            over = done.is_set()  # asked before it reads, so that each reads at least once
            seen.add(tuple(n for n, *_ in stored(warehouse).values()))
            seen.add(tuple(n for n, low, high in stored(warehouse).values() if low == high))
            streamed = sum(batch.num_rows for batch in warehouse.stream(ACME, ALL))
            seen.add((streamed // DAYS,) * DAYS)

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        end, generation, noise = time.monotonic() + seconds, 1, random.Random(21)
        try:
            while time.monotonic() < end:
                generation += 1
                load(warehouse, generation, sorted(noise.sample(range(DAYS), noise.randint(1, DAYS))))
                time.sleep(noise.choice([0, 0, 0.02]))
        finally:
            done.set()
        for reader in readers:
            reader.result()
    assert seen == {(ROWS,) * DAYS}
    idle(warehouse)
    only_the_listed_stand(warehouse, tmp_path)


def test_loads_that_race_leave_one_of_them_and_its_files(warehouse, tmp_path):
    for number in range(8):
        barrier = threading.Barrier(3)

        def one(scope: int, number: int = number, barrier: threading.Barrier = barrier) -> int | Fault:
            barrier.wait()
            try:
                load(warehouse, number + 1, [scope % 2], number * 10 + scope, scope=f"scope{scope}")
            except Fault as fault:
                return fault
            return scope

        with ThreadPoolExecutor(3) as pool:
            outcomes = list(pool.map(one, (0, 1, 3)))
        assert any(isinstance(outcome, int) for outcome in outcomes), outcomes
        assert all(isinstance(outcome, int | Superseded | Throttled) for outcome in outcomes), outcomes
        assert all(n == ROWS and low == high for n, low, high in stored(warehouse).values())
        idle(warehouse)
        only_the_listed_stand(warehouse, tmp_path)


def idle(warehouse: Warehouse) -> None:
    """Until what goes on behind the readers' backs has ended."""
    assert isinstance(warehouse, DuckDBWarehouse)
    instances = warehouse._instances
    with instances._changed:
        assert instances._changed.wait_for(lambda: not any(held.users for held in instances._open.values()), 10)


@pytest.mark.parametrize("kills", [10, pytest.param(100, marks=pytest.mark.proof)])
@pytest.mark.process
def test_a_killed_load_leaves_the_old_slices_or_the_new_and_no_file_beside(tmp_path, kills):
    noise = random.Random(20261130)
    with closing(opened(tmp_path)) as made:
        made.ensure_dataset(ACME)
        made.ensure_table(ACME, RAW)
        load(made, 1, range(DAYS))
    generation, left = 2, 0
    for _ in range(kills):
        argv = [sys.executable, "-m", "tests.core.engine.raw", str(tmp_path), str(generation)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())}) as child:
            assert child.stdout
            said = child.stdout.readline()
            assert said, "it must load once before it is killed"
            time.sleep(noise.uniform(0.0, 0.15))
            child.kill()
            last = int([said, *child.stdout.read().splitlines()][-1])
        left += len(standing(tmp_path)) > DAYS
        with closing(opened(tmp_path)) as warehouse:
            slices = stored(warehouse)
            # what was said to be loaded is there; one more may have been published before it could say so
            assert set(slices) == {day(number) for number in range(DAYS)}
            assert len(set(slices.values())) == 1
            [(rows, low, high)] = set(slices.values())
            assert (rows, low) == (ROWS, high)
            assert low in (last, last + 1)
            only_the_listed_stand(warehouse, tmp_path)
            generation = warehouse.last_generation(ACME, "raw") + 1
    assert left, "no kill came between a file's arrival and its publication"


# Between any two of its writes the kernel lets no file grow any further: as a full disk does, at a moment of our choice.
FULL = """
import pathlib, resource, sys
from tests.core.engine.test_raw_store import *
with closing(opened(pathlib.Path(sys.argv[1]))) as warehouse:
    def fills():
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    before = stored(warehouse)
    try:
        with warehouse.publication(ACME, "full", Fence("raw", 100)) as publication:
            fills()
            publication.execute("DELETE FROM raw_rows WHERE MOD(CAST(cost AS INT64), 2) = 1 AND service LIKE '%3%'")
    except Unavailable as fault:
        print(fault.detail)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert stored(warehouse) == before
"""


@pytest.mark.parametrize("size", [0, 100, 1500])
@pytest.mark.process
def test_a_disk_that_fills_while_slices_are_written_is_told_and_leaves_no_file(tmp_path, warehouse, size):
    warehouse.close()
    argv = [sys.executable, "-c", FULL, str(tmp_path), str(size)]
    done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())}, check=False)
    assert done.returncode == 0, done.stderr
    assert "disk of EMBEDDED_DATA_DIR is full: free some space" in done.stdout
    with closing(opened(tmp_path)) as again:
        assert set(stored(again).values()) == {(ROWS, 1, 1)}
        only_the_listed_stand(again, tmp_path)
        load(again, 101, range(DAYS))
        assert set(stored(again).values()) == {(ROWS, 101, 101)}


@pytest.mark.parametrize("refusal", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_refuses_a_file_on_its_way_is_told_and_leaves_none(warehouse, tmp_path, monkeypatch, refusal):
    def fsync(descriptor: int) -> None:
        raise OSError(refusal, os.strerror(refusal))

    before = standing(tmp_path)
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(Unavailable, match="EMBEDDED_DATA_DIR is full" if refusal == errno.ENOSPC else "look at its disk"):
        load(warehouse, 2, range(DAYS))
    monkeypatch.undo()
    assert standing(tmp_path) == before
    load(warehouse, 2, range(DAYS))
    assert set(stored(warehouse).values()) == {(ROWS, 2, 2)}
    only_the_listed_stand(warehouse, tmp_path)


def harmed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 3
    content[middle : middle + 64] = bytes(64)
    path.write_bytes(content)


def footless(path: Path) -> None:
    content = bytearray(path.read_bytes())
    begins = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    content[begins : begins + 32] = bytes(32)
    path.write_bytes(content)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "gone": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "harmed": harmed,
    "another footer": footless,
    "a folder": folder,
}


def rows_beside(warehouse: Warehouse, number: int) -> int:
    """By the days of the files alone, as a question for other days is asked."""
    assert isinstance(warehouse, DuckDBWarehouse)
    [instance] = warehouse._instances._open.values()
    asked = f"SELECT COUNT(*) FROM x_rows_of_raw_rows WHERE x_day_to < DATE '{day(number)}' OR x_day_from > DATE '{day(number)}'"
    with instance.cursor() as cursor:
        [(rows,)] = cursor.execute(asked).fetchall()
    return int(rows)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("open_meanwhile", [True, False])
def test_a_lost_file_is_named_by_the_rows_it_held_until_it_is_restored(warehouse, tmp_path, number, damage, open_meanwhile):
    [lost] = [file for file in listed(warehouse) if f"x_day_from={day(number)}" in file]
    path = tmp_path / "warehouse" / ACME.dataset / "raw" / lost
    kept = shutil.copy(path, tmp_path / "kept")
    if not open_meanwhile:
        warehouse.close()
    DAMAGES[damage](path)
    with closing(warehouse if open_meanwhile else opened(tmp_path)) as again:
        for _ in range(2):
            with pytest.raises(
                Misconfigured, match=rf"{ROWS} rows of raw_rows are lost \(export {day(number)}\): warehouse/.*{lost}"
            ) as told:
                again.query(ACME, "SELECT SUM(cost) AS c, COUNT(DISTINCT service) AS s FROM raw_rows WHERE source = 'export'")
            assert str(tmp_path) not in told.value.detail
        assert list(again.lost_datasets()) == [ACME.dataset]
        # what needs none of its days goes on
        assert rows_beside(again, number) == (DAYS - 1) * ROWS
        if path.is_dir():
            path.rmdir()
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(kept, path)
        assert again.lost_datasets() == {}
        try:
            assert set(stored(again).values()) == {(ROWS, 1, 1)}
        except Throttled:
            assert set(stored(again).values()) == {(ROWS, 1, 1)}


@pytest.mark.parametrize("damage", ["gone", "emptied"])
def test_lost_slices_are_healed_one_by_one_by_publications_that_replace_them(warehouse, tmp_path, damage):
    for file in listed(warehouse):
        DAMAGES[damage](tmp_path / "warehouse" / ACME.dataset / "raw" / file)
    for number in range(DAYS):
        with pytest.raises(Misconfigured, match="rows of raw_rows are lost"):
            stored(warehouse)
        load(warehouse, 2 + number, [number], 9)
    assert set(stored(warehouse).values()) == {(ROWS, 9, 9)}
    assert warehouse.lost_datasets() == {}
    only_the_listed_stand(warehouse, tmp_path)


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_folder_at_rest_opens_elsewhere(warehouse, tmp_path, how):
    warehouse.close()
    here, there = tmp_path / "warehouse", tmp_path / "else where's" / "warehouse"
    if how == "moved":
        there.parent.mkdir()
        here.rename(there)
    else:
        shutil.copytree(here, there)
        shutil.rmtree(here / ACME.dataset / "raw")
    with closing(opened(there.parent)) as elsewhere:
        assert set(stored(elsewhere).values()) == {(ROWS, 1, 1)}
        load(elsewhere, 2, [0])
        assert stored(elsewhere)[day(0)] == (ROWS, 2, 2)
        only_the_listed_stand(elsewhere, there.parent)


def test_erasure_takes_the_files_too(warehouse, tmp_path):
    size = sum(path.stat().st_size for path in (tmp_path / "warehouse" / ACME.dataset / "raw").rglob("*.parquet"))
    dropped = warehouse.drop_dataset(ACME)
    assert dropped.bytes > size > 0
    assert not (tmp_path / "warehouse" / ACME.dataset).exists()


MANY = folding.FEWEST + folding.NEWEST


def loaded_day_by_day(warehouse: Warehouse, days: int) -> None:
    for number in range(days):
        load(warehouse, 100 + number, [number], number)
    idle(warehouse)


def test_many_small_files_become_one_and_the_newest_stay(warehouse, tmp_path):
    loaded_day_by_day(warehouse, MANY - 1)
    assert len(listed(warehouse)) == MANY - 1
    load(warehouse, 200, [MANY - 1], MANY - 1)
    idle(warehouse)
    assert len(listed(warehouse)) == 1 + folding.NEWEST
    assert stored(warehouse) == {day(number): (ROWS, number, number) for number in range(MANY)}
    assert {line["run_id"] for line in warehouse.query(ACME, "SELECT run_id FROM x_raw_files WHERE row_count > 200").to_pylist()} == {
        "folded"
    }
    only_the_listed_stand(warehouse, tmp_path)


def test_a_slice_of_a_folded_file_is_replaced_alone(warehouse, tmp_path):
    loaded_day_by_day(warehouse, MANY)
    load(warehouse, 300, [3], 99)
    idle(warehouse)
    assert stored(warehouse) == {day(number): (ROWS, *(2 * (99 if number == 3 else number,))) for number in range(MANY)}
    only_the_listed_stand(warehouse, tmp_path)


def test_a_reader_who_began_before_a_fold_ends_on_what_he_began_with(warehouse, tmp_path):
    loaded_day_by_day(warehouse, MANY - 1)
    [instance] = warehouse._instances._open.values()
    stream = warehouse.stream(ACME, ALL)
    first = next(stream)
    load(warehouse, 200, [MANY - 1], MANY - 1)
    instance.may_fold = True
    folding.fold(instance)
    assert len(listed(warehouse)) == 1 + folding.NEWEST
    assert first.num_rows + sum(batch.num_rows for batch in stream) == (MANY - 1) * ROWS
    idle(warehouse)
    only_the_listed_stand(warehouse, tmp_path)


def test_a_fold_gives_way_to_a_publication_and_is_done_later(warehouse, tmp_path):
    loaded_day_by_day(warehouse, MANY - 1)
    [instance] = warehouse._instances._open.values()
    with warehouse.publication(ACME, "more", Fence("more", 1)):
        before = standing(tmp_path)
        load(warehouse, 500, [MANY - 1], MANY - 1)
        instance.may_fold = True
        folding.fold(instance)
        assert len(listed(warehouse)) == MANY
        assert instance.may_fold
        assert len(standing(tmp_path)) == len(before) + 1
    idle(warehouse)
    assert len(listed(warehouse)) == 1 + folding.NEWEST
    only_the_listed_stand(warehouse, tmp_path)


def test_a_harmed_file_is_told_and_never_folded(warehouse, tmp_path):
    loaded_day_by_day(warehouse, MANY - 1)
    lost = next(file for file in listed(warehouse) if f"x_day_from={day(2)}" in file)
    path = tmp_path / "warehouse" / ACME.dataset / "raw" / lost
    path.write_bytes(path.read_bytes().replace(b"service 1", b"service 9"))
    load(warehouse, 200, [MANY - 1], MANY - 1)
    idle(warehouse)
    assert len(listed(warehouse)) == MANY
    assert lost in str(warehouse.lost_datasets()[ACME.dataset].detail)


def test_rows_of_a_harmed_file_are_never_written_anew(warehouse, tmp_path):
    [lost] = [file for file in listed(warehouse) if f"x_day_from={day(1)}" in file]
    path = tmp_path / "warehouse" / ACME.dataset / "raw" / lost
    path.write_bytes(path.read_bytes().replace(b"service 1", b"service 9"))
    with pytest.raises(Misconfigured, match="rows of raw_rows are lost"), warehouse.publication(ACME, "r", Fence("r", 1)) as publication:
        publication.execute("DELETE FROM raw_rows WHERE service LIKE 'service 2%'")
    only_the_listed_stand(warehouse, tmp_path)


def test_large_files_and_those_of_other_sources_are_left_alone():
    def kept(source: str, number: int, rows: int = 10) -> KeptFile:
        span = (day(number), day(number))
        return KeptFile(f"{source}{number}", "own", (KeptSlice(source, str(number), rows),), rows, rows * 10, span, span)

    files = [kept(source, number) for source in ("a", "b") for number in range(40)]
    large = [kept("a", 100 + number, folding.SMALL_ROWS + 1) for number in range(40)]
    few = [kept("c", number) for number in range(folding.FEWEST + folding.NEWEST - 1)]
    packs = list(folding.packs([*large, *few, *files]))
    assert [{one.sources for one in pack} for pack in packs] == [{frozenset({"a"})}, {frozenset({"b"})}]
    assert all(one not in large for pack in packs for one in pack)
    # eight of these are full, and to write so few anew gains nothing
    assert list(folding.packs([kept("d", number, folding.SMALL_ROWS // 2) for number in range(60)])) == []
