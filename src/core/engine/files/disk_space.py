"""Room on the disk: for files on their way into a warehouse or out of it, and for the embedded warehouse itself."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from src.core.base.faults import Fault, Unavailable

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# as the system's own library says them, whatever the locale of the process
FULL_WORDS: Final = ("No space left on device", "Disk quota exceeded", "File too large")


def full_disk() -> Fault:
    return Unavailable(
        "the disk of EMBEDDED_DATA_DIR is full: free some space, then run this again; what was published is kept. "
        "Beside its file each dataset may have a log of 64 MB and more while a load runs"
    )


@contextmanager
def room_for_files() -> Iterator[None]:
    """A full disk leaves the block as a fault that is tried again: what filled it may be another load's."""
    try:
        yield
    except OSError as refused:
        if refused.errno not in FULL:
            raise
        raise Unavailable(
            "the disk is full of files on their way into the warehouse or out of it; give the folder that SCRATCH_DIR names "
            "(EMBEDDED_DATA_DIR, where DuckDB is the warehouse) more room, or lower WORKER_SLOTS so that fewer loads share it"
        ) from refused
