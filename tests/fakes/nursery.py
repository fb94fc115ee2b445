"""Processes of the service without the second that Python takes to import it.

`python -m tests.fakes.nursery` imports what the service's programs import and waits. For each program that it is asked for it forks, and
the child runs that module as `python -m` does: it has its own process id, environment, folder and output, takes signals and ends by itself.
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
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

ROOT = Path(__file__).resolve().parents[2]
# What the service and its worker import when they start, and what they load by name when a run comes; of no module that reads settings.
IMPORTED = (
    "uvicorn.main", "uvicorn.loops.auto", "uvicorn.protocols.http.auto", "uvicorn.protocols.websockets.auto", "uvicorn.lifespan.on",
    "src.app.service", "src.app.starting", "src.core.engine.duckdb_client", "src.core.engine.files", "src.core.ledger.sqlite",
    "src.core.providers.gcp", "src.sandbox.gcp.press", "src.sandbox.server",
)  # fmt: skip


class Asked(NamedTuple):
    module: str
    arguments: list[str]
    environment: dict[str, str]
    output: str


class Child(Protocol):
    """A process that is started, and of `subprocess.Popen` what our tests use."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...
    def terminate(self) -> None: ...


class Forked:
    """One that the nursery forked, so that the nursery alone may ask how it ended."""

    def __init__(self, nursery: "Nursery", pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._nursery, self._descriptor = nursery, os.pidfd_open(pid)

    def __del__(self) -> None:
        os.close(self._descriptor)

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


class Nursery:
    """The one of this process, started when it is first asked for something."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._line: Any = None

    def start(self, asked: Asked) -> Forked:
        return Forked(self, self.ask(["start", *asked]))

    def ask(self, words: list[Any]) -> int:
        with self._lock:
            if self._line is None:
                self._line = self._begin()
            self._line.write(json.dumps(words) + "\n")
            self._line.flush()
            return int(self._line.readline())

    def _begin(self) -> Any:
        ours, theirs = socket.socketpair()
        with theirs:
            environment = {
                name: os.environ[name] for name in ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "PYENV_VERSION") if name in os.environ
            }
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.fakes.nursery", str(theirs.fileno())],
                cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()],
            )  # fmt: skip
        with ours:
            line = ours.makefile("rw")
        atexit.register(process.wait)
        atexit.register(line.close)  # before that: it ends when nobody can ask any more, and what it forked with it
        return line


_nursery = Nursery()


def started(asked: Asked) -> Child:
    if hasattr(os, "pidfd_open"):
        return _nursery.start(asked)
    with Path(asked.output).open("ab") as out:
        command = [sys.executable, "-m", asked.module, *asked.arguments]
        return subprocess.Popen(command, cwd=ROOT, env=asked.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out)


def serve(line: Any) -> Asked | None:
    """In the parent until nobody asks any more; in a child what it is to run."""
    living: set[int] = set()
    for words in map(json.loads, line):
        if words[0] == "reap":
            living.discard(words[1])
            answer = os.waitstatus_to_exitcode(os.waitpid(words[1], 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                return Asked(*words[1:])
            living.add(answer)
        line.write(f"{answer}\n")
        line.flush()
    for left in living:
        os.kill(left, signal.SIGKILL)
    return None


def become(asked: Asked) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(asked.environment)
    output = os.open(asked.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    sys.argv = [asked.module, *asked.arguments]
    runpy.run_module(asked.module, run_name="__main__", alter_sys=True)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asked ends the processes, in its own order
    for name in IMPORTED:
        import_module(name)
    with socket.socket(fileno=int(sys.argv[1])) as end, end.makefile("rw") as line:
        asked = serve(line)
    if asked:
        become(asked)


if __name__ == "__main__":
    main()
