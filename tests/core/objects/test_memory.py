"""An object that is larger than the memory there is."""

import hashlib
import subprocess
import sys

import pytest

from tests.fakes.broken_storage import Trouble, broken_storage

MB = 2**20
READS = """
import hashlib, pathlib, resource, sys
from tests.core.objects.opened import NAME, opened

def held():
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmData:")[1].split()[0]) * 1024

objects = opened(sys.argv[1])
found = objects.look(NAME)
next(objects.read(found))
limit = int(sys.argv[2]) or held() + int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
"""
FETCHES = f"{READS}print(objects.fetch(found, pathlib.Path(sys.argv[4])).sha256)"
GATHERS = f"{READS}print(hashlib.sha256(b''.join(objects.read(found))).hexdigest())"


def child(code: str, *given: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, given)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def digest(storage) -> str:
    whole = hashlib.sha256()
    for piece in storage.pieces(0, storage.size):
        whole.update(piece)
    return whole.hexdigest()


@pytest.mark.process
def test_an_object_larger_than_memory_is_fetched_whole_over_a_bad_connection(tmp_path):
    with broken_storage(160 * MB) as storage:
        storage.ahead.extend([Trouble(after=MB)] * 5)
        fetched = child(FETCHES, storage.address, 0, 48 * MB, tmp_path / "bill")
        assert (fetched.stdout.strip(), fetched.stderr) == (digest(storage), "")
        assert (tmp_path / "bill").stat().st_size == storage.size
        # the limit is one: who gathers the pieces does not get them all
        gathered = child(GATHERS, storage.address, 0, 48 * MB)
        assert gathered.returncode != 0
        assert gathered.stdout == ""


@pytest.mark.proof
@pytest.mark.process
def test_an_object_of_two_gigabytes_is_fetched_through_a_limit_of_one(tmp_path):
    with broken_storage(2048 * MB) as storage:
        fetched = child(FETCHES, storage.address, 1024 * MB, 0, tmp_path / "bill")
        assert (fetched.stdout.strip(), fetched.stderr) == (digest(storage), "")
