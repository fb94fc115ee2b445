"""Tables that are read where they are, with a credential that is not the platform's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RemoteTable:
    project: str
    dataset: str
    table: str

    def __str__(self) -> str:
        return f"{self.project}.{self.dataset}.{self.table}"


@dataclass(frozen=True, slots=True)
class RemoteDay:
    """The partition of one day of loading (UTC). `version` differs whenever the content does."""

    day: date
    rows: int
    bytes: int
    version: str


class RemoteTables(Protocol):
    """Opened for one run and one organisation; shares nothing with another. Tables must be partitioned by the day of loading."""

    def days(self, table: RemoteTable, since: date, until: date) -> tuple[RemoteDay, ...]:
        """The partitions in this range, both ends included, that have rows; the oldest first."""
        ...

    def read(self, table: RemoteTable, day: date, path: Path, told: Callable[[int], None]) -> int:
        """Writes a partition's rows to a Parquet file, with LOAD_DAY, and how many there are; `told` hears of each piece's rows."""
        ...

    def prove(self, table: RemoteTable, days: Sequence[date]) -> None:
        """Raises the fault that keeps this credential from reading these partitions; reads nothing."""
        ...

    def close(self) -> None: ...
