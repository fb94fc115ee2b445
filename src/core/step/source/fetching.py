"""Bringing what is to be read: slices of a source brought into the dataset's io folder, and gone from it afterwards.

Where the warehouse may read the source itself nothing is brought: the slices are named, and staged from where they are. A publication on
DuckDB is an open transaction, which other publications wait for, so there all is brought before it begins. Elsewhere a batch is brought
when its turn comes, so that the disk holds one, however much is loaded.
"""

import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from src.core.base.faults import BooksNotClosed
from src.core.base.identity import Tenant
from src.core.base.window import Window
from src.core.engine.files.disk_space import room_for_files
from src.core.engine.port import LOAD_DAY, ParquetFiles, RemoteRows
from src.core.providers.slices import OnBytes, Slice, require_listed
from src.core.step.context import StepContext
from src.core.step.source.in_flight import brought_files
from src.core.step.source.port import Source

SLICE = "source_slice"  # the column in which the rows of a source that marks them have their slice
MARKS = frozenset({LOAD_DAY, SLICE})
PREFIX = "in-"
# the folder is named after a document, whose id has slashes
NOT_A_NAME = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class ToRead:
    """Slices of one source, the oldest first."""

    source: Source
    slices: tuple[Slice, ...]

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def bytes(self) -> int:
        return sum(one.bytes or 0 for one in self.slices)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one statement loads: rows to be read where they are, files that were brought, or what brings them when their turn comes."""

    source: Source
    slices: tuple[Slice, ...]
    content: ParquetFiles | RemoteRows | Callable[[], AbstractContextManager[ParquetFiles]]

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def alone(self) -> dict[str, str]:
        """The name of a slice that is staged by itself, for the step's query."""
        return {SLICE: self.slices[0].key} if len(self.slices) == 1 else {}

    @property
    def rows(self) -> int:
        return sum(one.rows or 0 for one in self.slices)

    def at_hand(self) -> AbstractContextManager[ParquetFiles | RemoteRows]:
        """What is brought for this block is gone after it."""
        return nullcontext(self.content) if isinstance(self.content, ParquetFiles | RemoteRows) else self.content()


@contextmanager
def inbox(io: Path, context: StepContext) -> Iterator[Path]:
    """A folder of this attempt's own. What an earlier one of the pipeline left when it was killed goes first: only one works at a time."""
    stem = f"{PREFIX}{NOT_A_NAME.sub('-', context.document_id or context.step_id)}@"
    for left in io.glob(f"{stem}*"):
        shutil.rmtree(left, ignore_errors=True)
    # an attempt that was given up may still be reading; it must not find, or take away, what this one brings
    folder = io / f"{stem}{context.run_id}.{secrets.token_hex(4)}"
    with room_for_files():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear_leftovers(io: Path, run_id: str) -> None:
    """Of a run that is over: what an attempt brought, and was killed before it could take it away."""
    for left in io.glob(f"{PREFIX}*{run_id}*"):
        shutil.rmtree(left, ignore_errors=True)


def fetch_batches(to_read: Sequence[ToRead], into: Path, context: StepContext, tenant: Tenant, rows_at_once: int) -> list[Batch]:
    """What is to be read, in batches of whole slices; says how far it is with those that it brings."""
    places = [_within_reach(one, context, tenant) if one.slices else None for one in to_read]
    at_once = not context.services.warehouse.traits.reads_remote
    total, done = sum(one.bytes for one, place in zip(to_read, places, strict=True) if place is None), 0

    def on_bytes(count: int) -> None:
        nonlocal done
        context.still_wanted()
        done += count
        context.progress(bytes_done=done, bytes_total=total, doing="reading the source")

    batches = []
    for number, (one, place) in enumerate(zip(to_read, places, strict=True)):
        # two sources may well give a file the same name
        own = into / str(number)
        own.mkdir(exist_ok=True)
        # rows that do not say of which slice they are can only be told apart by being staged alone
        for slices in grouped(one.slices, rows_at_once) if one.source.marks else ((each,) for each in one.slices):
            context.still_wanted()
            if place:
                batches.append(Batch(one.source, slices, replace(place, days=tuple(part.first for part in slices))))
            elif at_once:
                batches.append(Batch(one.source, slices, _brought(one.source, slices, own, on_bytes)))
            else:
                batches.append(Batch(one.source, slices, partial(_brought_for, one.source, slices, own, on_bytes)))
    return batches


def _within_reach(one: ToRead, context: StepContext, tenant: Tenant) -> RemoteRows | None:
    warehouse = context.services.warehouse
    if not warehouse.traits.reads_remote:
        return None
    place = one.source.place(one.slices)
    return place if place and warehouse.reaches(tenant, place) else None


def _brought(source: Source, slices: tuple[Slice, ...], into: Path, on_bytes: OnBytes) -> ParquetFiles:
    with room_for_files():
        files = source.fetch(slices, Path(mkdtemp(dir=into)), on_bytes)
    # a slice for which no file came would go in as one without rows
    if len(files) < len(slices):
        raise BooksNotClosed(f"{source.name}: {len(slices)} slices were asked for and {len(files)} came")
    return brought_files(source, slices, files)


@contextmanager
def _brought_for(source: Source, slices: tuple[Slice, ...], into: Path, on_bytes: OnBytes) -> Iterator[ParquetFiles]:
    with room_for_files():
        folder = TemporaryDirectory(dir=into, ignore_cleanup_errors=True)
    with folder as name:
        yield _brought(source, slices, Path(name), on_bytes)


def require_unchanged(batches: Sequence[Batch]) -> None:
    """Asked when all are staged; files are compared as they are brought, rows read where they are were not."""
    for _, group in groupby(batches, key=lambda batch: batch.name):
        remote = [batch for batch in group if isinstance(batch.content, RemoteRows)]
        if remote:
            source = remote[0].source
            require_listed(partial(_listed, source), source.name, [one for batch in remote for one in batch.slices])


def _listed(source: Source, first: date, last: date) -> tuple[Slice, ...]:
    return source.slices(Window(first, last), Window(first, last)).slices


def grouped(slices: Iterable[Slice], rows_at_once: int) -> Iterator[tuple[Slice, ...]]:
    """Whole slices, as many as come to this number of rows; one is never split, and one whose rows nobody knows stands alone."""
    held: list[Slice] = []
    rows = 0
    for one in slices:
        more = rows_at_once if one.rows is None else one.rows
        if held and rows + more > rows_at_once:
            yield tuple(held)
            held, rows = [], 0
        held.append(one)
        rows += more
    if held:
        yield tuple(held)
