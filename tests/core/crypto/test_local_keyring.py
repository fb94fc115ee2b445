import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from src.core.base.faults import Conflict, Misconfigured, Missing
from src.core.base.settings import ROOT
from src.core.crypto.local_keyring import LOOK_SECONDS, SETTLE, LocalKeyring

DATA_KEY = b"k" * 32
OPEN_AND_PRINT = (
    "import sys, pathlib; from src.core.crypto.local_keyring import LocalKeyring; "
    "print(LocalKeyring.open(pathlib.Path(sys.argv[1]), create=True).current)"
)


class StoppedClock:
    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 20, tzinfo=UTC) + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "keyring.json"


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_file_and_folder_are_the_owners_alone_under_any_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        LocalKeyring.open(path, create=True)
    finally:
        os.umask(before)
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)


def test_absent_and_not_to_be_made_says_where_it_looked(path: Path) -> None:
    with pytest.raises(Misconfigured, match=str(path)):
        LocalKeyring.open(path, create=False)
    assert not path.exists()


@pytest.mark.parametrize("rights", [0o640, 0o604, 0o660, 0o606, 0o610])
def test_a_file_others_can_reach_is_refused_with_the_mend(path: Path, rights: int) -> None:
    LocalKeyring.open(path, create=True)
    path.chmod(rights)
    with pytest.raises(Misconfigured, match=f"chmod 600 {path}"):
        LocalKeyring.open(path, create=True)


def test_a_folder_anyone_may_write_is_refused(path: Path) -> None:
    LocalKeyring.open(path, create=True)
    path.parent.chmod(0o707)
    with pytest.raises(Misconfigured, match=f"chmod 700 {path.parent}"):
        LocalKeyring.open(path, create=False)


def test_a_symbolic_link_is_refused(path: Path) -> None:
    LocalKeyring.open(path, create=True)
    link = path.with_name("link.json")
    link.symlink_to(path)
    with pytest.raises(Misconfigured, match="symbolic link"):
        LocalKeyring.open(link, create=True)


def test_a_dangling_link_makes_nothing_where_it_points(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(Misconfigured, match="symbolic link"):
        LocalKeyring.open(path, create=True)
    assert not (tmp_path / "elsewhere.json").exists()


@pytest.mark.parametrize("put", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_refused(path: Path, put: Callable[[Path], None]) -> None:
    path.parent.mkdir(mode=0o700)
    put(path)
    with pytest.raises(Misconfigured, match="not a file"):
        LocalKeyring.open(path, create=True)


@pytest.mark.parametrize("damage", [b"", b"{", b"{}", b"null", b"\xff\xfe", b'{"version":2,"ring":"a","current":"b","keys":{}}'])
def test_a_damaged_file_is_refused_and_left_as_it_is(path: Path, damage: bytes) -> None:
    LocalKeyring.open(path, create=True)
    path.write_bytes(damage)
    with pytest.raises(Misconfigured, match="backup"):
        LocalKeyring.open(path, create=True)
    assert path.read_bytes() == damage


def test_a_fault_about_a_damaged_file_quotes_no_key(path: Path) -> None:
    LocalKeyring.open(path, create=True)
    content = json.loads(path.read_text())
    [key] = content["keys"].values()
    content["surprise"] = 1
    path.write_text(json.dumps(content))
    with pytest.raises(Misconfigured) as caught:
        LocalKeyring.open(path, create=True)
    assert key["key"] not in repr(caught.getrepr(style="long", showlocals=False))


def test_a_current_key_that_is_not_there_is_refused(path: Path) -> None:
    LocalKeyring.open(path, create=True)
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "current": "other"}))
    with pytest.raises(Misconfigured, match="current"):
        LocalKeyring.open(path, create=True)


def test_neither_the_keyring_nor_its_parts_print_a_key(path: Path) -> None:
    keyring = LocalKeyring.open(path, create=True)
    [key] = json.loads(path.read_text())["keys"].values()
    assert key["key"] not in f"{keyring!r}{vars(keyring)!r}"


@pytest.mark.process
def test_processes_that_make_it_at_once_agree(path: Path) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", OPEN_AND_PRINT, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    printed = {process.communicate()[0].strip() for process in started}
    assert printed == set(json.loads(path.read_text())["keys"])


@pytest.mark.parametrize("attempt", range(5))
def test_threads_that_make_and_rotate_it_at_once_lose_no_key(path: Path, attempt: int) -> None:
    ready = threading.Barrier(8)

    def work(_: int) -> tuple[str, str]:
        ready.wait()
        keyring = LocalKeyring.open(path, create=True)
        return keyring.ring, keyring.rotate()

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(work, range(8)))
    assert len({ring for ring, _ in made}) == 1
    assert {key_id for _, key_id in made} <= set(LocalKeyring.open(path, create=False).key_ids())


def test_after_a_rotation_old_and_new_open(path: Path) -> None:
    keyring = LocalKeyring.open(path, create=True)
    old = keyring.wrap(DATA_KEY, b"")
    rotated = keyring.rotate()
    new = keyring.wrap(DATA_KEY, b"")
    assert (rotated, new.key_id) == (keyring.current, rotated) != (old.key_id, old.key_id)
    assert keyring.unwrap(old, b"") == keyring.unwrap(new, b"") == DATA_KEY


def test_a_rotation_by_another_is_seen_when_its_key_is_met(path: Path) -> None:
    mine, theirs = (LocalKeyring.open(path, create=True, clock=StoppedClock()) for _ in range(2))
    theirs.rotate()
    assert mine.unwrap(theirs.wrap(DATA_KEY, b""), b"") == DATA_KEY


def test_a_rotation_by_another_is_followed_soon(path: Path) -> None:
    clock = StoppedClock()
    mine, theirs = (LocalKeyring.open(path, create=True, clock=clock) for _ in range(2))
    rotated = theirs.rotate()
    assert mine.current != rotated
    clock.passed += LOOK_SECONDS
    assert mine.current == rotated


def test_two_rotations_at_once_lose_neither_key(path: Path) -> None:
    mine, theirs = (LocalKeyring.open(path, create=True, clock=StoppedClock()) for _ in range(2))
    made = {mine.rotate(), theirs.rotate()}
    assert made <= set(LocalKeyring.open(path, create=False).key_ids())


def test_a_retired_key_is_forgotten_everywhere(path: Path) -> None:
    clock = StoppedClock()
    mine, theirs = (LocalKeyring.open(path, create=True, clock=clock) for _ in range(2))
    old = mine.wrap(DATA_KEY, b"")
    mine.rotate()
    clock.passed += SETTLE.total_seconds()
    mine.retire(old.key_id)
    assert old.key_id not in path.read_text()
    assert old.key_id not in theirs.key_ids()
    with pytest.raises(Misconfigured, match=old.key_id):
        theirs.unwrap(old, b"")


def test_the_current_key_does_not_retire(path: Path) -> None:
    keyring = LocalKeyring.open(path, create=True)
    with pytest.raises(Conflict, match="rotate first"):
        keyring.retire(keyring.current)
    assert keyring.key_ids() == (keyring.current,)


def test_nothing_retires_while_others_may_still_seal_with_it(path: Path) -> None:
    keyring = LocalKeyring.open(path, create=True, clock=StoppedClock())
    old = keyring.current
    keyring.rotate()
    with pytest.raises(Conflict, match="seconds old"):
        keyring.retire(old)
    assert old in keyring.key_ids()


def test_nor_does_a_key_of_any_age(path: Path) -> None:
    clock = StoppedClock()
    keyring = LocalKeyring.open(path, create=True, clock=clock)
    old = keyring.current
    clock.passed += 3600
    keyring.rotate()
    with pytest.raises(Conflict, match="seconds old"):
        keyring.retire(old)


def test_an_unknown_key_does_not_retire(path: Path) -> None:
    with pytest.raises(Missing, match="nobody"):
        LocalKeyring.open(path, create=True).retire("nobody")


def test_the_check_notices_a_file_that_went_away(path: Path) -> None:
    keyring = LocalKeyring.open(path, create=True)
    path.unlink()
    with pytest.raises(Misconfigured, match="restore"):
        keyring.check()


def test_the_check_notices_rights_that_were_opened(path: Path) -> None:
    keyring = LocalKeyring.open(path, create=True)
    path.chmod(0o644)
    with pytest.raises(Misconfigured, match="chmod 600"):
        keyring.check()
