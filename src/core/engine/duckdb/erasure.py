"""Erasing a dataset's files, so that a crash or a disk that refuses leaves nothing a later try would miss."""

import secrets
import shutil
from pathlib import Path

from src.core.base.faults import Unavailable

# No dataset's name has a hyphen, so one behind the name ends it.
ERASED = ".erased-"


def erase(folder: Path) -> tuple[bool, int]:
    """Whether there was anything to erase, earlier tries' leftovers included, and its bytes. The caller has the folder alone."""
    name = f"{ERASED}{folder.name}"
    try:
        gone = [*folder.parent.glob(name), *folder.parent.glob(f"{name}-*")]
        if folder.is_dir():
            # renamed first: a crash leaves a dataset or none, never half of one
            gone.append(folder.rename(folder.parent / f"{name}-{secrets.token_hex(8)}"))
        size = sum(_size(left) for left in gone)
        for left in gone:
            shutil.rmtree(left)
    except OSError as refused:
        raise Unavailable(
            f"the files of {folder.name} could not all be erased ({refused.strerror}); "
            "look at the rights and the disk of EMBEDDED_DATA_DIR, then erase it again"
        ) from refused
    return bool(gone), size


def _size(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file())
