"""Room on the disk for files on their way into a warehouse or out of it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from src.core.base.faults import Unavailable

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


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
