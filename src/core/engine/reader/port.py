"""Tables that are read where they are, with a credential that is not the platform's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from src.core.engine.port import Params, Scalar

if TYPE_CHECKING:
    import pyarrow as pa


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


@dataclass(frozen=True, slots=True)
class DayFile:
    """What was written to a file, by what came: counted before it was written."""

    rows: int
    sha256: str


class RemoteTables(Protocol):
    """Opened for one run and one organisation; shares nothing with another. Tables must be partitioned by the day of loading."""

    def days(self, table: RemoteTable, since: date, until: date) -> tuple[RemoteDay, ...]:
        """The partitions in this range, both ends included, that have rows; the oldest first."""
        ...

    def made(self, table: RemoteTable) -> datetime | None:
        """When it was made, where that is told."""
        ...

    def held(self, table: RemoteTable, days: Sequence[date], values: Mapping[str, str]) -> list[Mapping[str, Any]]:
        """The different values that rows of these partitions have, each under its name, and `load_day`, the partition's day.

        Only the columns that the values are made of are scanned.
        """
        ...

    def read(self, table: RemoteTable, day: date, path: Path, told: Callable[["pa.Table"], None]) -> DayFile:
        """Writes a partition's rows to a Parquet file, with LOAD_DAY; `told` hears of each piece before it is written."""
        ...

    def prove(self, table: RemoteTable, days: Sequence[date]) -> None:
        """Raises the fault that keeps this credential from reading these partitions; reads nothing."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class RemoteQuery:
    """A SELECT in the source's own language. It names each table with its dataset, for there is none to look in otherwise."""

    sql: str
    params: Params = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RemoteColumn:
    """A column of a result; `type` is the source's own word."""

    name: str
    type: str
    repeated: bool = False
    fields: tuple["RemoteColumn", ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """What is brought of each row of a result."""

    columns: tuple[str, ...]
    record: str | None = None
    """The name under which the whole row is brought as JSON."""
    given: Mapping[str, Scalar] = field(default_factory=dict)
    """Columns that the result lacks, with the value that every row has in them."""


@dataclass(frozen=True, slots=True)
class RemoteAnswer:
    """What a query gave, and what the source says about it."""

    paths: tuple[Path, ...]
    rows: int
    bytes: int
    job_id: str = ""
    tables: tuple[str, ...] = ()
    bytes_processed: int = 0


class RemoteQueries(Protocol):
    """Opened for one run and one organisation; shares nothing with another."""

    def columns(self, query: RemoteQuery) -> tuple[RemoteColumn, ...]:
        """What its result would have; or the fault that keeps this credential from running it. Reads nothing."""
        ...

    def read(self, query: RemoteQuery, wanted: Selection, into: Path, rows_at_once: int, told: Callable[[int], None]) -> RemoteAnswer:
        """Runs it, and writes the rows to Parquet files of about so many rows; `told` hears of each piece's rows."""
        ...

    def close(self) -> None: ...
