from collections.abc import Collection, Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from shutil import copyfile
from typing import Any, Protocol

from src.core.base.faults import Missing
from src.core.providers.export import Place
from src.core.providers.slices import OnBytes, Slice, SourceChanged
from src.sandbox.gcp.books import FIRST_DAY, parts_there
from src.sandbox.gcp.shelf import Kept, Shelf


class Shelves(Protocol):
    def today(self) -> date: ...

    def shelf(self, project: str, dataset: str, table: str) -> Shelf:
        """Missing when there is no such usage export."""
        ...


class FolderExport:
    """The sandbox's billing export, read from files where a real one is read through BigQuery.

    A table is named alone, or with a dataset other than the connection's: `dataset.table`.
    """

    def __init__(self, shelves: Shelves, connection: Mapping[str, Any], tables: Collection[str] | None = None) -> None:
        """`tables`, where given, are the only ones that may be read."""
        self._shelves = shelves
        self._project, self._dataset = str(connection.get("project")), str(connection.get("dataset"))
        self._tables = None if tables is None else frozenset(tables)

    def load_days(self, table: str, since: date, until: date) -> tuple[Slice, ...]:
        shelf, today = self._shelf(table), self._shelves.today()
        first, last = max(since, FIRST_DAY), min(until, today - timedelta(days=1))
        days = (first + timedelta(days=number) for number in range((last - first).days + 1))
        return tuple(shelf.day(day, parts_there(day, today)).told for day in days)

    def fetch(self, table: str, days: Iterable[Slice], into: Path, on_bytes: OnBytes) -> tuple[Path, ...]:
        shelf = self._shelf(table)
        paths = []
        for day in days:
            parts = parts_there(day.day, self._shelves.today())
            if not parts or shelf.day(day.day, parts).told.version != day.version:
                raise SourceChanged(f"what was written to {table} on {day.day} has changed since it was listed; list its load days again")
            path = into / f"{table}-{day.day}-{day.version}.parquet"
            _bring(shelf, shelf.day(day.day, parts), parts, path)
            on_bytes(day.bytes or 0)
            paths.append(path)
        return tuple(paths)

    def place(self, table: str, days: Iterable[Slice]) -> Place | None:  # noqa: ARG002 - the port names them
        return None

    def close(self) -> None:
        """Holds nothing open."""

    def _shelf(self, table: str) -> Shelf:
        if self._tables is not None and table not in self._tables:
            raise Missing(f"{table} is not among the tables of this connection: {', '.join(sorted(self._tables)) or 'none'}")
        dataset, _, name = table.rpartition(".")
        return self._shelves.shelf(self._project, dataset or self._dataset, name)


def _bring(shelf: Shelf, kept: Kept, parts: int, path: Path) -> None:
    path.unlink(missing_ok=True)
    try:
        path.hardlink_to(kept.path)
    except FileNotFoundError:
        shelf.forget(kept.told.day, parts)
        copyfile(shelf.day(kept.told.day, parts).path, path)
    except OSError:
        # another file system, or one without links
        copyfile(kept.path, path)
