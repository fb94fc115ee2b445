"""A billing export as its owner's credential opens it: tables of rows that are only ever appended, kept by the day they were written."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal, Protocol

ExportKind = Literal["standard", "detailed"]
Told = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class LoadDay:
    """What was written on one day (UTC, the day of `export_time`). `version` differs whenever the content does."""

    day: date
    rows: int
    bytes: int
    version: str


class BillingExport(Protocol):
    """Opened for one run and one organisation; shares nothing with another."""

    def load_days(self, table: str, since: date, until: date) -> tuple[LoadDay, ...]:
        """The days in this range, both ends included, on which something was written; the oldest first."""
        ...

    def fetch(self, table: str, days: Iterable[LoadDay], into: Path, told: Told) -> tuple[Path, ...]:
        """Puts these days into `into` as Parquet files, whole and as they are, and tells how many bytes each took.

        A day whose content is no longer of the named version is a Conflict: the listing is asked again.
        """
        ...

    def close(self) -> None: ...
