"""The port over obstore.

An object is read a part at a time, each part under the condition that the object is still the one that was looked at. obstore takes up a
part again that breaks off; what it gives up on is taken up here as long as bytes keep coming.
"""

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import obstore
from obstore.store import AzureStore, GCSStore, LocalStore, S3Store

from src.core.base.faults import Rejected, StepFailed, Timeout, Unavailable
from src.core.objects.place import Place, is_within, name_within
from src.core.objects.port import FetchedObject, ObjectChanged, StoredObject
from src.core.objects.refusals import Refused

PAGE = 1000  # the most that any of them tells at once
PART = 16 * 1024 * 1024
PIECE = 256 * 1024


class ObstoreObjects:
    def __init__(
        self,
        place: Place,
        store: S3Store | GCSStore | AzureStore | LocalStore,
        refused: Refused,
        *,
        root: Path | None = None,
        given_up: threading.Event | None = None,
    ) -> None:
        """`root` is the folder, where it is one."""
        self._place = place
        self._store = store
        self._refused = refused
        self._root = root
        self._given_up = given_up

    def pages(self, under: str = "", *, after: str | None = None) -> Iterator[list[StoredObject]]:
        folder = name_within(self._place, under) if under else self._place.prefix
        asked = f"what lies in {folder or 'it'}"
        listing = iter(obstore.list(self._store, folder or None, offset=after, chunk_size=PAGE))
        while True:
            self._go_on(asked)
            with self._refused.told(asked):
                page: Sequence[obstore.ObjectMeta] | None = next(listing, None)
            if page is None:
                return
            yield [_stored(one) for one in page if self._is_ours(one["path"])]

    def look(self, name: str) -> StoredObject:
        self._go_on(name)
        within = self._checked(name)
        with self._refused.told(within):
            return _stored(obstore.head(self._store, within))

    def read(self, found: StoredObject, *, start: int = 0) -> Iterator[bytes]:
        if not found.etag:
            raise StepFailed(f"{self._place.title} names no state (ETag) of {found.name}, so it could change unnoticed while it is read")
        at = start
        while at < found.size:
            before = at
            try:
                for piece in self._part(found, at):
                    at += len(piece)
                    yield piece
            except ObjectChanged:
                raise
            except Unavailable:
                if at == before:
                    raise
        if self._root is not None and self.look(found.name).etag != found.etag:
            # a file may be written to under whoever reads it, which no storage behind HTTP lets happen
            raise ObjectChanged(f"{found.name} was changed while it was read; begin anew")

    def fetch(self, found: StoredObject, path: Path) -> FetchedObject:
        digest = hashlib.sha256()
        part = path.with_name(f"{path.name}.part")
        try:
            with part.open("wb") as file:
                for piece in self.read(found):
                    digest.update(piece)
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as wrong:
            raise Unavailable(f"{found.name} cannot be written beside {path.name}: {wrong.strerror}; free some space") from wrong
        finally:
            part.unlink(missing_ok=True)
        return FetchedObject(found, path, digest.hexdigest())

    def _part(self, found: StoredObject, at: int) -> Iterator[bytes]:
        end = min(at + PART, found.size)
        within = self._checked(found.name)
        with self._refused.told(within):
            answer = obstore.get(self._store, within, options={"range": (at, end), "if_match": found.etag})
        if answer.meta["size"] != found.size or answer.range != (at, end):
            raise ObjectChanged(f"{within} has another size than when it was looked at; begin anew")
        pieces = iter(answer.stream(PIECE))
        left = end - at
        while left:
            self._go_on(within)
            with self._refused.told(within):
                piece = next(pieces, None)
            if piece is None:
                raise Unavailable(f"{self._place.title} ended {within} before its end; nothing was kept")
            if len(piece) > left:
                raise StepFailed(f"{self._place.title} answered more of {within} than was asked for")
            left -= len(piece)
            yield bytes(piece)

    def _checked(self, name: str) -> str:
        within = name_within(self._place, name)
        if not self._is_ours(within):
            raise Rejected(f"{within} leads out of the folder of {self._place.address}")
        return within

    def _is_ours(self, name: str) -> bool:
        """A link in a folder may lead anywhere."""
        if self._root is None:
            return is_within(self._place, name)
        prefix = self._root / self._place.prefix
        return is_within(self._place, name) and (self._root / name).resolve().is_relative_to(prefix)

    def _go_on(self, asked: str) -> None:
        if self._given_up is not None and self._given_up.is_set():
            raise Timeout(f"{asked} was not read to its end: it took longer than the step may")


def _stored(meta: "obstore.ObjectMeta") -> StoredObject:
    return StoredObject(meta["path"], meta["size"], meta["e_tag"] or "", meta["last_modified"])
