"""A PostgreSQL server of our own: its own folder, its own socket and port, gone when the test run is."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from tests.engines.places import MEND, postgres_bin
from tests.fakes.running import free_port

ACCOUNT = "postgres"  # the server refuses to run as root
START_SECONDS = 120.0
# a machine that is short of memory kills what has just begun, and a test of ours has not failed by that
STARTS = 3
LEAN = ("-c", "huge_pages=off", "-c", "shared_buffers=32MB")
UNSAFE_AND_FAST = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


@dataclass
class PostgresServer:
    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    def __post_init__(self) -> None:
        self._numbers = count(1)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{ACCOUNT}@127.0.0.1:{self.port}/{database}"

    def dsn(self, database: str = "postgres") -> str:
        return f"postgresql://{ACCOUNT}@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """The name of a new, empty one."""
        name = f"ledger_{next(self._numbers)}"
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0'.encode())
        return name

    def drop_database(self, name: str) -> None:
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


@contextlib.contextmanager
def running_postgres(*, durable: bool = False, folder: Path | None = None) -> Iterator[PostgresServer]:
    """`durable` waits for the disk at each commit, as a real one does. A folder that is named is kept."""
    programs = postgres_bin()
    if programs is None:
        raise RuntimeError(f"PostgreSQL is not there; {MEND}")
    home = folder or Path(tempfile.mkdtemp(prefix="convergence-pg-"))
    try:
        with _serving(programs, home, durable=durable) as server:
            yield server
    finally:
        if folder is None:
            shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def _serving(programs: Path, home: Path, *, durable: bool) -> Iterator[PostgresServer]:
    data = home / "data"
    home.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(home, ACCOUNT, ACCOUNT)
    if not (data / "PG_VERSION").exists():
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", ACCOUNT, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"],
            check=True, stdout=subprocess.DEVNULL, **_account(home),
        )  # fmt: skip
    server = _started(programs, home, durable=durable)
    try:
        yield server
    finally:
        _stop(server)


def _started(programs: Path, home: Path, *, durable: bool) -> PostgresServer:
    for left in reversed(range(STARTS)):
        port = free_port()
        command: list[str | Path] = [
            programs / "postgres", "-D", home / "data", "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200",
            "-c", f"unix_socket_directories={home}", "-c", "timezone=UTC", *LEAN, *([] if durable else UNSAFE_AND_FAST),
        ]  # fmt: skip
        with (home / "log").open("ab") as log:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, **_account(home))
        server = PostgresServer(home, port, process)
        try:
            _wait(server)
        except RuntimeError:
            killed = (process.poll() or 0) < 0
            _stop(server)
            if not (killed and left):
                raise
        else:
            return server
    raise AssertionError("the last start returns or raises")


def _stop(server: PostgresServer) -> None:
    server.process.send_signal(2)  # a fast shutdown: sessions are ended, data is kept
    server.process.wait(START_SECONDS)


def _account(home: Path) -> dict[str, Any]:
    return {"user": ACCOUNT, "group": ACCOUNT, "extra_groups": [], "cwd": home} if os.geteuid() == 0 else {"cwd": home}


def _wait(server: PostgresServer) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(server.dsn(), connect_timeout=20).close()
        except psycopg.OperationalError:
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start ({server.process.poll()}): {_last_words(server)}") from None
            time.sleep(0.05)
        else:
            return


def _last_words(server: PostgresServer) -> str:
    """The folder may be gone by the time that somebody reads of it."""
    return " / ".join((server.folder / "log").read_text(errors="replace").splitlines()[-5:])
