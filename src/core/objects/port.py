"""Reads exports that are files, wherever they lie: names, and bytes in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from src.core.base.faults import Unavailable


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One state of an object. What is read of it is of this state, or is refused."""

    name: str
    """In full, as manifests have it: the place's prefix is its beginning."""
    size: int
    etag: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class FetchedObject:
    source: StoredObject
    path: Path
    sha256: str


class ObjectChanged(Unavailable):
    """It is another than when it was looked at: whoever begins anew reads the new one."""


class Objects(Protocol):
    """What lies under one prefix of one bucket, container or folder. Every call may raise `Missing`, `CredentialRefused`,
    `Throttled` or `Unavailable`, and `Rejected` for a name outside of the prefix."""

    def pages(self, under: str = "", *, after: str | None = None) -> Iterator[list[StoredObject]]:
        """All names below a folder of the prefix, a page at a time and in no order; `after` leaves out names up to that one."""
        ...

    def look(self, name: str) -> StoredObject: ...

    def read(self, found: StoredObject, *, start: int = 0) -> Iterator[bytes]:
        """Its bytes from `start` on, in pieces. Goes on where it was when the connection breaks.
        `ObjectChanged` when it is another by now."""
        ...

    def fetch(self, found: StoredObject, path: Path) -> FetchedObject:
        """Puts it in a file that is whole or not there."""
        ...
