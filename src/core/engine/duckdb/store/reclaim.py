"""Files that have left the list of raw rows, until nobody reads them any more.

A file is opened when a question comes to it, not when the question begins. So one that has left the list goes when each cursor that was
open at that moment is closed: those opened later see the list without it.
"""

import os
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path


class Reclaim:
    def __init__(self, raw: Path, forgotten: Callable[[Iterable[str]], None]) -> None:
        self._raw, self._forgotten = raw, forgotten
        self._lock = threading.Lock()
        self._moment = 0
        self._readers: dict[int, None] = {}  # the oldest first
        self._left: dict[str, int] = {}
        self._claimed: Counter[str] = Counter()
        self._new: set[str] = set()

    def opened(self) -> int:
        """A cursor's ticket, to be given back when it is closed."""
        with self._lock:
            self._moment += 1
            self._readers[self._moment] = None
            return self._moment

    def closed(self, reader: int) -> None:
        with self._lock:
            del self._readers[reader]
            self._unlink_unread()

    def claim(self, file: str) -> None:
        """Before its folder is made and it is put there: one of the same bytes may stand in this place, and be about to go."""
        with self._lock:
            if file not in self._claimed and not (self._raw / file).exists():
                self._new.add(file)
            self._claimed[file] += 1

    def settle(self, claimed: Iterable[str], left: Collection[str], *, committed: bool | None) -> None:
        """A publication has ended; `left` is what it took from the list and did not put there again.

        Where nobody knows whether it has committed, everything stays: the next opening asks the list.
        """
        with self._lock:
            for file in claimed:
                self._claimed[file] -= 1
                if not self._claimed[file]:
                    del self._claimed[file]
                if committed is False and file in self._new and file not in self._claimed:
                    self._unlink(file)
                if committed is not False or file not in self._claimed:
                    self._new.discard(file)
                if committed:
                    self._left.pop(file, None)
            if committed:
                self._left.update(dict.fromkeys(left, self._moment))
                self._forgotten(left)
            self._unlink_unread()

    def _unlink_unread(self) -> None:
        if not self._left:
            return
        oldest = next(iter(self._readers), self._moment + 1)
        for file in [file for file, moment in self._left.items() if moment < oldest and file not in self._claimed]:
            del self._left[file]
            self._unlink(file)

    def _unlink(self, file: str) -> None:
        # what the disk keeps is swept at the next opening
        with suppress(OSError):
            (self._raw / file).unlink(missing_ok=True)
            folder = Path(file).parent
            while folder.name and not any(claimed.startswith(f"{folder}/") for claimed in self._claimed):
                # the last one that is not empty ends it
                (self._raw / folder).rmdir()
                folder = folder.parent


def swept(raw: Path, listed: Collection[str]) -> list[str]:
    """Removes what no list names, for a process that was killed leaves what it had not published. Returns the files that are gone."""
    found = set(_kept_below(str(raw), "", listed))
    return sorted(set(listed) - found)


def _kept_below(folder: str, below: str, listed: Collection[str]) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in list(entries):
            name = below + entry.name
            kept = False
            if entry.is_dir(follow_symlinks=False):
                for one in _kept_below(entry.path, f"{name}/", listed):
                    kept = True
                    yield one
            elif name in listed:
                kept = True
                yield name
            if not kept:
                # what the disk does not give up does no harm but by its size
                with suppress(OSError):
                    Path(entry.path).rmdir() if entry.is_dir(follow_symlinks=False) else Path(entry.path).unlink()
