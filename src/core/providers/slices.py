"""What every source is made of: slices, each listed with its version and brought whole."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from src.core.base.faults import Conflict
from src.core.base.window import Window

OnBytes = Callable[[int], None]
SHOWN = 3
EMPTY = "empty"
"""The version of a slice that holds nothing."""


class SourceChanged(Conflict):
    """What was listed is not what is there: the listing is asked again."""


@dataclass(frozen=True, slots=True)
class SliceDays:
    """Of which days of use and invoice months (YYYYMM) a slice has rows."""

    days: frozenset[date] = frozenset()
    months: frozenset[str] = frozenset()

    def __or__(self, other: "SliceDays") -> "SliceDays":
        return SliceDays(self.days | other.days, self.months | other.months)


@dataclass(frozen=True, slots=True)
class Slice:
    """The least that a source gives whole: a day, a month, a file. `version` differs whenever its content does."""

    key: str
    """Its name within the source; it stands beside each of its rows."""
    first: date
    last: date
    """The days it stands for, both included: of use, or those on which its rows were written."""
    version: str
    rows: int | None = None
    bytes: int | None = None
    """As the source says; None where it does not."""
    holds: SliceDays | None = field(default=None, compare=False)
    """None where the source was not asked, or cannot tell."""

    @property
    def day(self) -> date:
        """Of a slice that is one day."""
        return self.first


@dataclass(frozen=True, slots=True)
class Listing:
    """The slices that hold something, the oldest first."""

    slices: tuple[Slice, ...]
    looked: Window
    """Of slices that do not lie within it nothing is said; within it there are none but these."""
    at: date | None = None
    """The day of the look, where it was before today."""
    reads: Window | None = None
    """The days of which slices are read, where they are others than those of the run: what is told of this moment alone."""
    begins: date | None = None
    """The first slice that the source has at all, where it was looked for before it too: what was before is not known. Of one that has
    none so far the day that it was made on, or the last that was looked at."""
    made: datetime | None = None
    """When the source itself was made, where it tells: another of the same name holds rows of its own."""
    holds: Callable[[Sequence[Slice]], Mapping[str, SliceDays]] | None = None
    """What slices that are not read hold, by key; a question of its own, where the source can answer it for little."""


@dataclass(frozen=True, slots=True)
class Came:
    """A file with rows of one slice, and what of it was known before it was a file."""

    path: Path
    slice: str
    name: str
    """As its source calls what it holds."""
    etag: str | None
    size: int
    """In bytes, as the source has it."""
    sha256: str
    """Of the file's bytes as they came or were written, before the disk had them."""
    rows: int | None = None
    totals: tuple[Mapping[str, Any], ...] | None = None
    """What the books' sums came to of its rows as they came; None where it came as a file, and is measured as one."""


@dataclass(frozen=True, slots=True)
class DayColumns:
    """Rows of one day, column by column; a column that is left out holds nothing."""

    rows: int
    of: Mapping[str, Sequence[Any]]
    same: Mapping[str, Any] = field(default_factory=dict)
    """What is the same in all of them."""


def day_slice(day: date, rows: int | None, size: int | None, version: str) -> Slice:
    return Slice(str(day), day, day, version, rows, size)


def require_listed(listing: Callable[[date, date], Iterable[Slice]], name: str, slices: Sequence[Slice]) -> None:
    """Asked after they were read: what is still of the version it had before was of that version in between."""
    if slices:
        listed = {one.key: one.version for one in listing(min(one.first for one in slices), max(one.last for one in slices))}
        other = [one for one in slices if listed.get(one.key) != one.version]
        if other:
            raise source_changed(name, other)


def source_changed(source: str, slices: Sequence[Slice]) -> SourceChanged:
    told = ", ".join(one.key for one in slices[:SHOWN]) + (", ..." if len(slices) > SHOWN else "")
    return SourceChanged(f"what was written to {source} on {told} has changed since it was listed; list its load days again")
