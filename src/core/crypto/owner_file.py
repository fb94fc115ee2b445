"""Files only their owner may read: made whole or not at all, and refused when others could have seen or planted them."""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from src.core.base.faults import Misconfigured, Unavailable

FILE_MODE = 0o600
FOLDER_MODE = 0o700
OTHERS = 0o077
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def make_folder(folder: Path) -> None:
    try:
        # `mkdir(parents=True)` gives its mode to the last folder only
        for missing in reversed([part for part in (folder, *folder.parents) if not part.exists()]):
            missing.mkdir(mode=FOLDER_MODE, exist_ok=True)
    except OSError as wrong:
        raise Misconfigured(f"{folder} cannot be made: {wrong.strerror}") from wrong


def read_owned(path: Path) -> tuple[bytes, os.stat_result]:
    """Raises FileNotFoundError when there is no such file."""
    try:
        # Without O_NONBLOCK a pipe in the file's place would keep the service waiting.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as wrong:
        if wrong.errno == errno.ELOOP:
            raise Misconfigured(f"{path} is a symbolic link; name the file itself") from wrong
        raise Misconfigured(f"{path} cannot be read: {wrong.strerror}") from wrong
    try:
        # of what is open: by now the path may lead to another file
        facts = os.fstat(descriptor)
        _check_rights(path, facts)
        return os.read(descriptor, facts.st_size), facts
    finally:
        os.close(descriptor)


def write_owned(path: Path, data: bytes) -> None:
    """The old content or the new, whatever happens in between. Call it under `locked`."""
    draft = path.with_name(f"{path.name}.new")
    try:
        # one that a crash has left; a new one that somebody plants here meanwhile is refused by O_EXCL
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            # before the renaming: after a crash the name could stand for a file with nothing in it
            os.fsync(stream.fileno())
        draft.replace(path)
        _sync_folder(path.parent)
    except OSError as wrong:
        mend = "free some space on its disk" if wrong.errno in FULL else f"the service needs to write in {path.parent}"
        raise Unavailable(f"{path} cannot be written: {wrong.strerror}; {mend}") from wrong


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process and one thread at a time; the lock goes with the process that held it."""
    # a file of its own: the one it guards is replaced, and a lock on it would stay with the old one
    lock = path.with_name(f"{path.name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    except OSError as wrong:
        if wrong.errno in FULL:
            raise Unavailable(f"{lock} cannot be made: {wrong.strerror}; free some space on its disk") from wrong
        raise Misconfigured(f"{lock} cannot be opened: {wrong.strerror}; the service needs to write in {path.parent}") from wrong
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _check_rights(path: Path, facts: os.stat_result) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise Misconfigured(f"{path} is not a file")
    # Root's own files are accepted: that is how secrets are mounted into a container.
    if facts.st_uid not in (os.geteuid(), 0):
        raise Misconfigured(f"{path} belongs to another user (uid {facts.st_uid}); run `chown $(id -u) {path}` as root, or name another")
    if stat.S_IMODE(facts.st_mode) & OTHERS:
        raise Misconfigured(f"{path} can be read or written by other users; run `chmod 600 {path}`")
    # where the sticky bit is set, as on /tmp, nobody can replace the files of others
    folder = path.parent.stat()
    if folder.st_mode & stat.S_IWOTH and not folder.st_mode & stat.S_ISVTX:
        raise Misconfigured(f"{path.parent} can be written by every user, who could put another file there; run `chmod 700 {path.parent}`")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
