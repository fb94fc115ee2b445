import fcntl
import os
from contextlib import suppress
from pathlib import Path

from src.core.base.faults import Misconfigured

PID_BYTES = 32


class ProcessLock:
    """One process at a time: DuckDB files cannot be shared. The kernel frees it when its holder dies, however it dies."""

    def __init__(self, path: Path) -> None:
        # not for children: one that outlived this process would go on holding the lock
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as held:
            pid = os.read(descriptor, PID_BYTES).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise Misconfigured(
                f"the DuckDB warehouse in {path.parent} is open in process {pid}, and one process at a time may use it: "
                "stop that process, start a single one (no --workers), or name another EMBEDDED_DATA_DIR"
            ) from held
        # under the lock alone: until then the number in it is its holder's
        # a disk that is full takes no number, and what lies on it can be read all the same
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            # the file stays: removing it would let a waiter lock a name that nobody else sees
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None
