"""Processes of the service without the second that Python takes to import it.

`python -m tests.fakes.nursery` imports what the service's programs import and waits. For each program that it is asked for it forks, and
the child runs that module as `python -m` does: it has its own process id, environment, folder and files, takes signals and ends by itself.
What `python -m` does more, the tests of starting show, which start their programs themselves.
"""

import atexit
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Protocol, Self

from src.core.base.settings import Settings, use_settings
from src.core.pipeline.catalog import Catalog
from tests.fakes import rendered
from tests.fakes.made_once import FOLDER

ROOT = Path(__file__).resolve().parents[2]
# What the service and its worker import when they start, and what they load by name when a run comes; of no module that reads settings.
IMPORTED = (
    "uvicorn.main",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
    "uvicorn.lifespan.on",
    "src.app.service",
    "src.app.process.starting",
    "src.core.engine.reader.tables",
    "src.core.engine.duckdb.client",
    "src.core.engine.files.writers",
    "src.core.ledger.sqlite.engine",
    "src.core.providers.gcp.account",
    "src.sandbox.gcp.arrow",
    "src.sandbox.gcp.sessions",
    "src.sandbox.gcp.storage",
    "src.sandbox.server",
)
LONGEST_WORDS = 1 << 17


class Child(Protocol):
    """Of `subprocess.Popen` what our tests use."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...
    def terminate(self) -> None: ...


class Forked:
    """One that the nursery forked, so that the nursery alone may ask how it ended."""

    stdin: IO[str]
    stdout: IO[str]

    def __init__(self, nursery: "Nursery", pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._nursery, self._descriptor = nursery, os.pidfd_open(pid)

    def __del__(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stdin.close()
        self.stdout.close()
        self.wait()

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        ended = self._ended(timeout)
        if ended is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return ended

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def _ended(self, seconds: float | None) -> int | None:
        if self.returncode is None:
            ready = select.poll()
            ready.register(self._descriptor, select.POLLIN)
            if ready.poll(None if seconds is None else seconds * 1000):
                self.returncode = self._nursery.ask(["reap", self.pid])
        return self.returncode


@dataclass(frozen=True)
class Program:
    module: str
    arguments: Sequence[str]
    environment: dict[str, str]


class Nursery:
    """The one of this process, started when it is first asked for something."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._line: socket.socket | None = None

    def start(self, program: Program, files: Sequence[int]) -> Forked:
        """With these files as its input, its output and what it complains into."""
        return Forked(self, self.ask(["start", program.module, program.arguments, program.environment], files))

    def ask(self, words: list[Any], files: Sequence[int] = ()) -> int:
        with self._lock:
            if self._line is None:
                self._line = self._begin()
            socket.send_fds(self._line, [json.dumps(words).encode()], files)
            return int(self._line.recv(64))

    def _begin(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "PYENV_VERSION") if name in os.environ}
            folder = [os.environ[FOLDER]] if FOLDER in os.environ else []
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.fakes.nursery", str(theirs.fileno()), *folder],
                cwd=ROOT, env=kept, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()],
            )  # fmt: skip
        atexit.register(process.wait)
        atexit.register(ours.close)  # before that: it ends when nobody can ask any more, and what it forked with it
        return ours


_nursery = Nursery()
FORKS = hasattr(os, "pidfd_open")


def started(program: Program, output: Path) -> Child:
    """What it says and complains goes to the end of that file."""
    with output.open("ab") as out, Path(os.devnull).open("rb") as nothing:
        if FORKS:
            return _nursery.start(program, [nothing.fileno(), out.fileno(), out.fileno()])
        command = [sys.executable, "-m", program.module, *program.arguments]
        return subprocess.Popen(command, cwd=ROOT, env=program.environment, stdin=nothing, stdout=out, stderr=out)


def spoken_with(program: Program) -> "Forked | subprocess.Popen[str]":
    """One that is written to and read from line by line."""
    if not FORKS:
        command = [sys.executable, "-m", program.module, *program.arguments]
        return subprocess.Popen(command, cwd=ROOT, env=program.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    (its_input, to_it), (from_it, its_output) = os.pipe(), os.pipe()
    with ExitStack() as stack:
        stack.callback(os.close, its_input)
        stack.callback(os.close, its_output)
        child = _nursery.start(program, [its_input, its_output, sys.__stderr__.fileno() if sys.__stderr__ else its_output])
    child.stdin, child.stdout = os.fdopen(to_it, "w"), os.fdopen(from_it)
    return child


def serve(line: socket.socket) -> tuple[Program, list[int]] | None:
    """In the parent until nobody asks any more; in a child what it is to run, and its files."""
    living: set[int] = set()
    while True:
        text, files, _, _ = socket.recv_fds(line, LONGEST_WORDS, 3)
        if not text:
            break
        word, *given = json.loads(text)
        if word == "reap":
            answer = os.waitstatus_to_exitcode(os.waitpid(given[0], 0)[1])
            living.discard(given[0])
        else:
            answer = os.fork()
            if answer == 0:
                return Program(*given), files
            living.add(answer)
            for file in files:
                os.close(file)
        line.send(str(answer).encode())
    for left in living:
        os.kill(left, signal.SIGKILL)
    return None


def become(program: Program, files: Sequence[int]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(program.environment)
    for standard, file in enumerate(files):
        os.dup2(file, standard)
        os.close(file)
    sys.argv = [program.module, *program.arguments]
    runpy.run_module(program.module, run_name="__main__", alter_sys=True)


def _read_configs() -> None:
    """What a service finds in them it finds again, without the processors' import and the parsing of all that is SQL."""
    use_settings(Settings(_env_file=None))
    Catalog.load(ROOT / "configs")
    use_settings(None)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asked ends the processes, in its own order
    for name in IMPORTED:
        import_module(name)
    _read_configs()
    given, *folder = sys.argv[1:]
    if folder:
        rendered.share(Path(folder[0]) / "rendered")
    with socket.socket(fileno=int(given)) as line:
        asked = serve(line)
    if asked:
        become(*asked)


if __name__ == "__main__":
    main()
