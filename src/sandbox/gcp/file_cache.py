"""Load days as Arrow files in a folder: made when first asked for, kept under a name that says what is in them."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast
from uuid import uuid4

from src.core.providers.export import ExportKind
from src.sandbox.gcp.account_rows import AccountRows
from src.sandbox.gcp.accounts import UsageTable
from src.sandbox.gcp.detailed import by_resource
from src.sandbox.gcp.rows import Row

# Loaded by name: a service that never reads the export never imports pyarrow.
PRESS = "src.sandbox.gcp.arrow"
# Names the folder, so that files of another making are never taken for these. Raised with whatever changes a row.
MAKING = 2
OWNER_ONLY = 0o700
DIGEST_BYTES = 12


class Press(Protocol):
    def press(self, rows: Sequence[Row], kind: ExportKind, day: date, path: Path) -> None: ...


@dataclass(frozen=True, slots=True)
class Kept:
    rows: int
    bytes: int
    path: Path


class Shelf:
    """The files of one table."""

    def __init__(self, folder: Path, table: UsageTable, books: AccountRows) -> None:
        self.table = table
        self._books = books
        self._folder = folder / f"making-{MAKING}-{books.rows_per_hour}" / table.project / table.name
        self._kept: dict[tuple[date, int], Kept] = {}
        self._lock = threading.Lock()

    def day(self, day: date, parts: int) -> Kept:
        kept = self._kept.get((day, parts))
        if kept is None:
            # one at a time: the second to ask finds what the first has made
            with self._lock:
                # what earlier processes have made is not made again
                if not self._kept:
                    self._look()
                kept = self._kept.get((day, parts))
                if kept is None or not kept.path.exists():
                    kept = self._kept[day, parts] = self._make(day, parts)
        return kept

    def file(self, day: date, parts: int) -> Path:
        """To be read; made again if it was taken from the folder behind our back."""
        path = self.day(day, parts).path
        if not path.exists():
            self._kept.pop((day, parts), None)
            path = self.day(day, parts).path
        return path

    def _look(self) -> None:
        if self._folder.exists():
            for path in self._folder.glob("*.arrow"):
                day, parts, rows, _ = path.stem.split("_")
                self._kept[date.fromisoformat(day), int(parts)] = Kept(int(rows), path.stat().st_size, path)

    def _make(self, day: date, parts: int) -> Kept:
        self._folder.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
        rows = list(self._rows(day, parts))
        # under another name until it is whole: half a file of a killed process must not be taken for a day
        draft = self._folder / f"{uuid4().hex}.draft"
        try:
            cast("Press", import_module(PRESS)).press(rows, self.table.kind, day, draft)
            digest = blake2b(draft.read_bytes(), digest_size=DIGEST_BYTES).hexdigest()
            path = draft.rename(self._folder / f"{day}_{parts}_{len(rows)}_{digest}.arrow")
        finally:
            draft.unlink(missing_ok=True)
        return Kept(len(rows), path.stat().st_size, path)

    def _rows(self, day: date, parts: int) -> Sequence[Row]:
        rows = self._books.rows(day, parts)
        return list(by_resource(rows) if self.table.kind == "detailed" else rows)
