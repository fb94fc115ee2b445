"""A billing export as its owner's credential opens it: tables of rows that are only ever appended, kept by the day they were written."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal, Protocol

from src.core.providers.slices import OnBytes, Slice, SliceDays

ExportKind = Literal["standard", "detailed"]


@dataclass(frozen=True, slots=True)
class TablePlace:
    """A table of BigQuery."""

    project: str
    dataset: str
    table: str

    @property
    def source(self) -> str:
        """What it is known as in the organisation's dataset."""
        return f"{self.project}.{self.dataset}.{self.table}"


class BillingExport(Protocol):
    """Opened for one run and one organisation; shares nothing with another."""

    def load_days(self, table: str, since: date, until: date) -> tuple[Slice, ...]:
        """The days in this range, both ends included, on which something was written; the oldest first."""
        ...

    def made(self, table: str) -> datetime | None:
        """When it was made: a table that is deleted and made anew has the name of the old one, and rows of its own."""
        ...

    def holds(self, table: str, days: Iterable[Slice]) -> Mapping[str, SliceDays]:
        """Of which days of use and invoice months these days have rows, by key; nothing of those of which it cannot be told for little."""
        ...

    def fetch(self, table: str, days: Iterable[Slice], into: Path, on_bytes: OnBytes) -> tuple[Path, ...]:
        """Puts these days into `into` as Parquet files, whole and as they are, and tells how many bytes each took.

        A file says of each row on which day it was written, in the column LOAD_DAY, where that is not the day of its `export_time`.
        A day whose content is no longer of the named version is a SourceChanged.
        """
        ...

    def place(self, table: str, days: Iterable[Slice]) -> TablePlace | None:
        """Where an engine may find these days itself; None where it cannot.

        A place is named only when these rows were proven readable with the export's own credential: what an engine reads, it reads
        with the platform's, which may see more.
        """
        ...

    def close(self) -> None: ...
