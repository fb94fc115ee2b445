"""A billing export as its owner's credential opens it: tables of rows that are only ever appended, kept by the day they were written."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal, Protocol

from src.core.base.faults import Conflict
from src.core.base.window import Window

ExportKind = Literal["standard", "detailed"]
OnBytes = Callable[[int], None]
SHOWN_DAYS = 3


class SourceChanged(Conflict):
    """What was listed is not what is there: the listing is asked again."""


@dataclass(frozen=True, slots=True)
class LoadDay:
    """What was written on one day (UTC). `version` differs whenever the content does."""

    day: date
    rows: int
    bytes: int
    version: str


@dataclass(frozen=True, slots=True)
class Listing:
    slices: tuple[LoadDay, ...]
    looked: Window
    """Of any other slice nothing is said."""


@dataclass(frozen=True, slots=True)
class Place:
    """A table of BigQuery."""

    project: str
    dataset: str
    table: str


class BillingExport(Protocol):
    """Opened for one run and one organisation; shares nothing with another."""

    def load_days(self, table: str, since: date, until: date) -> tuple[LoadDay, ...]:
        """The days in this range, both ends included, on which something was written; the oldest first."""
        ...

    def fetch(self, table: str, days: Iterable[LoadDay], into: Path, on_bytes: OnBytes) -> tuple[Path, ...]:
        """Puts these days into `into` as Parquet files, whole and as they are, and tells how many bytes each took.

        A file says of each row on which day it was written, in the column LOAD_DAY, where that is not the day of its `export_time`.
        A day whose content is no longer of the named version is a SourceChanged.
        """
        ...

    def place(self, table: str, days: Iterable[LoadDay]) -> Place | None:
        """Where an engine may find these days itself; None where it cannot.

        A place is named only when these rows were proven readable with the export's own credential: what an engine reads, it reads
        with the platform's, which may see more.
        """
        ...

    def close(self) -> None: ...


def require_listed(listing: Callable[[date, date], Iterable[LoadDay]], name: str, days: Sequence[LoadDay]) -> None:
    """Asked after days were read: what is still of the version it had before was of that version in between."""
    if days:
        listed = {one.day: one.version for one in listing(min(day.day for day in days), max(day.day for day in days))}
        other = [day for day in days if listed.get(day.day) != day.version]
        if other:
            raise changed(name, other)


def changed(table: str, days: Sequence[LoadDay]) -> SourceChanged:
    told = ", ".join(str(day.day) for day in days[:SHOWN_DAYS]) + (", ..." if len(days) > SHOWN_DAYS else "")
    return SourceChanged(f"what was written to {table} on {told} has changed since it was listed; list its load days again")
