"""The folder an embedded warehouse lives in, and what the operator is told when the disk refuses it."""

import os
import tempfile
from pathlib import Path

from src.core.base.faults import Fault, Misconfigured, Unavailable
from src.core.engine.files.disk_space import FULL, full_disk

# Waiting does not mend these: something is in the way, or this user may not go there.
STANDING = (FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError)


def check_folder(home: Path) -> None:
    """Raises the fault that keeps the folder from being used: it is there and takes a file, or it can be made."""
    try:
        if home.is_dir():
            # without a name of its own, so a process that dies here leaves nothing
            with tempfile.TemporaryFile(dir=home) as probe:
                # a full disk still makes a file; it refuses the bytes
                probe.write(b"written")
            return
    except OSError as refused:
        if refused.errno in FULL:
            raise full_disk() from refused
        raise Misconfigured(
            f"the warehouse folder cannot be written ({refused.strerror}); look at EMBEDDED_DATA_DIR, its rights and its disk"
        ) from refused
    # a link that leads nowhere is in the way as well
    above = next(part for part in (home, *home.parents) if os.path.lexists(part))
    if not above.is_dir():
        raise Misconfigured(
            "the warehouse folder cannot be used, because a file stands where a folder of its path belongs; "
            "move that file away, or let EMBEDDED_DATA_DIR name another folder"
        )
    if not os.access(above, os.W_OK | os.X_OK):
        raise Misconfigured(
            "the warehouse folder is not there and may not be made; let EMBEDDED_DATA_DIR name a folder this user may write to"
        )


def refused_folder(folder: Path, refused: OSError) -> Fault:
    if refused.errno in FULL:
        return full_disk()
    # not the whole path: what leads there is this machine's own affair
    named = f"{folder.parent.name}/{folder.name}"
    if isinstance(refused, STANDING):
        return Misconfigured(
            f"{named} in EMBEDDED_DATA_DIR cannot be used as a dataset's folder ({refused.strerror}); "
            "move away what stands there, or give this user the right to write it"
        )
    return Unavailable(
        f"{named} in EMBEDDED_DATA_DIR could not be read or written ({refused.strerror}); look at its disk, then run this again"
    )
