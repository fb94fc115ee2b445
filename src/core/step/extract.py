"""The extract engine: parts of a source brought into the dataset's io folder, and gone from it afterwards.

Where the warehouse may read the source itself nothing is brought: the parts are named, and staged from where they are. A publication on
DuckDB is an open transaction, which other publications wait for, so there all is brought before it begins. Elsewhere a batch is brought
when its turn comes, so that the disk holds one, however much is loaded.
"""

import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from src.core.base.faults import BooksNotClosed
from src.core.base.identity import Tenant
from src.core.engine.port import ParquetFiles, RemoteRows
from src.core.engine.room import room_for_files
from src.core.providers.export import BillingExport, LoadDay, Place, Told, require_listed
from src.core.step.context import StepContext

PREFIX = "in-"
NOT_A_NAME = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Load days of one table, the oldest first. `source` is what the table is known as in the dataset."""

    export: BillingExport
    table: str
    source: str
    days: tuple[LoadDay, ...]

    @property
    def bytes(self) -> int:
        return sum(day.bytes for day in self.days)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one statement loads: rows to be read where they are, files that were brought, or what brings them when their turn comes."""

    wanted: Wanted
    days: tuple[LoadDay, ...]
    content: ParquetFiles | RemoteRows | Callable[[], AbstractContextManager[ParquetFiles]]

    @property
    def source(self) -> str:
        return self.wanted.source

    @property
    def rows(self) -> int:
        return sum(day.rows for day in self.days)

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


def gathered(wanted: Sequence[Wanted], into: Path, context: StepContext, tenant: Tenant, rows_at_once: int) -> list[Batch]:
    """What is wanted, in batches of whole load days; says how far it is with those that it brings."""
    places = [_within_reach(one, context, tenant) for one in wanted]
    at_once = not context.services.warehouse.traits.reads_remote
    total, done = sum(one.bytes for one, place in zip(wanted, places, strict=True) if place is None), 0

    def told(count: int) -> None:
        nonlocal done
        context.still_wanted()
        done += count
        context.progress(bytes_done=done, bytes_total=total, doing="reading the source")

    batches = []
    for one, place in zip(wanted, places, strict=True):
        for days in grouped(one.days, rows_at_once):
            context.still_wanted()
            if place:
                batches.append(Batch(one, days, _rows_at(place, days)))
            elif at_once:
                batches.append(Batch(one, days, _brought(one, days, into, told)))
            else:
                batches.append(Batch(one, days, partial(_brought_for, one, days, into, told)))
    return batches


def _within_reach(wanted: Wanted, context: StepContext, tenant: Tenant) -> Place | None:
    warehouse = context.services.warehouse
    if not warehouse.traits.reads_remote:
        return None
    place = wanted.export.place(wanted.table, wanted.days)
    return place if place and warehouse.reaches(tenant, _rows_at(place, wanted.days)) else None


def _rows_at(place: Place, days: Iterable[LoadDay]) -> RemoteRows:
    return RemoteRows(place.project, place.dataset, place.table, tuple(day.day for day in days))


def _brought(wanted: Wanted, days: tuple[LoadDay, ...], into: Path, told: Told) -> ParquetFiles:
    with room_for_files():
        files = wanted.export.fetch(wanted.table, days, into, told)
    if len(files) < len(days):
        raise BooksNotClosed(f"{wanted.source}: {len(days)} load days were asked for and {len(files)} came")
    return ParquetFiles(files)


@contextmanager
def _brought_for(wanted: Wanted, days: tuple[LoadDay, ...], into: Path, told: Told) -> Iterator[ParquetFiles]:
    with room_for_files():
        folder = TemporaryDirectory(dir=into, ignore_cleanup_errors=True)
    with folder as name:
        yield _brought(wanted, days, Path(name), told)


def require_unchanged(batches: Sequence[Batch]) -> None:
    """Asked when all are staged; files are compared as they are brought, rows read where they are were not."""
    for _, group in groupby(batches, key=lambda batch: batch.source):
        remote = [batch for batch in group if isinstance(batch.content, RemoteRows)]
        if remote:
            require_listed(remote[0].wanted.export, remote[0].wanted.table, [day for batch in remote for day in batch.days])


def grouped(days: Iterable[LoadDay], rows_at_once: int) -> Iterator[tuple[LoadDay, ...]]:
    """Whole days, as many as come to this number of rows; a day is never split."""
    held: list[LoadDay] = []
    rows = 0
    for day in days:
        if held and rows + day.rows > rows_at_once:
            yield tuple(held)
            held, rows = [], 0
        held.append(day)
        rows += day.rows
    if held:
        yield tuple(held)
