"""What every process of a test run may use and one of them makes: the sandbox's keys and the days of its export."""

import fcntl
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from src.core.base.clock import SystemClock
from src.sandbox.gcp.accounts import SERVICE_ACCOUNTS
from src.sandbox.server import Sandbox

FOLDER = "CONVERGENCE_TESTS_FOLDER"
OWNER_ONLY = 0o700
IN_MEMORY = "/dev/shm"
ROOM = 6 * 2**30
SHARED = ("gcp", "exports")
ROWS_PER_HOUR = 3
"""A bill is proved by what is planted in it, and loads sooner without the rest."""


def begin() -> None:
    """In the process that the others are started by, which hands them its environment."""
    if "TMPDIR" not in os.environ and os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > ROOM:
        # tests write and remove files by the ten thousand; how long a disk takes to keep them is not what they prove
        os.environ["TMPDIR"] = tempfile.tempdir = IN_MEMORY
    os.environ[FOLDER] = tempfile.mkdtemp(prefix="convergence-tests-")


def end() -> None:
    shutil.rmtree(os.environ.pop(FOLDER), ignore_errors=True)


@cache
def sandbox() -> Path:
    """The folder of a sandbox: its keys are there, and a day of its export once somebody has asked for it."""
    folder = Path(os.environ[FOLDER]) / "sandbox"
    with (Path(os.environ[FOLDER]) / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = Sandbox(folder, SystemClock())
        for account in SERVICE_ACCOUNTS:
            made.service_account(account)
        for shared in SHARED:
            (folder / shared).mkdir(mode=OWNER_ONLY, exist_ok=True)
    return folder


def lend_sandbox(data: Path) -> None:
    """To a service that has not begun there yet."""
    data.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
    place = data / "sandbox"
    if not place.exists():
        place.mkdir(mode=OWNER_ONLY)
        for shared in SHARED:
            (place / shared).symlink_to(sandbox() / shared)
        # a copy: beside the keys a sandbox writes where it receives messages, which is another place for each
        shutil.copytree(sandbox() / "credentials", place / "credentials")
