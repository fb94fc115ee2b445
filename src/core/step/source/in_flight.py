"""Rows that a source writes to files itself, counted before they are one; and files that came as they are, known by their bytes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from src.core.base.faults import BooksNotClosed
from src.core.base.schema import TableSchema
from src.core.base.settings import Settings
from src.core.engine import Measure, hash_file, measure_in_flight
from src.core.engine.port import ParquetFiles
from src.core.providers.slices import Came, Slice
from src.core.step.books.rules import INCOMING, Raw
from src.core.step.source.port import Source


@runtime_checkable
class CountsRows(Protocol):
    """A source that writes files itself, and counts what goes into them."""

    def count_by(self, measure: Measure) -> None: ...

    def counted(self, path: Path) -> Came | None:
        """Of a file that it put there; None of one that came as a file."""
        ...


@dataclass(frozen=True, slots=True)
class BroughtFiles(ParquetFiles):
    came: tuple[Came, ...] = field(default=(), kw_only=True)

    @property
    def totals(self) -> list[Mapping[str, Any]] | None:
        """What all of it came to in flight; None where a file of it has to be measured."""
        known = [one.totals for one in self.came if one.totals is not None]
        return [row for totals in known for row in totals] if len(known) == len(self.came) else None


def count_in_flight(settings: Settings, raw: Raw, shape: TableSchema, sources: Iterable[Source]) -> None:
    counting = [source for source in sources if isinstance(source, CountsRows)]
    measure = measure_in_flight(settings, INCOMING, shape, raw.measured) if counting else None
    if measure:
        for source in counting:
            source.count_by(measure)


def brought_files(source: Source, slices: Sequence[Slice], paths: Sequence[Path]) -> BroughtFiles:
    known = [source.counted(path) for path in paths] if isinstance(source, CountsRows) else [None] * len(paths)
    if None in known and len(slices) > 1 and len(paths) != len(slices):
        raise BooksNotClosed(f"{source.name}: {len(slices)} slices were asked for, and {len(paths)} files came that do not say of which")
    of = slices if len(paths) == len(slices) else [slices[0]] * len(paths)
    came = tuple(told or _as_it_came(path, one) for told, path, one in zip(known, paths, of, strict=True))
    return BroughtFiles(tuple(paths), came=came)


def _as_it_came(path: Path, one: Slice) -> Came:
    return Came(path, one.key, path.name, None, path.stat().st_size, hash_file(path))
