"""The extract engine: parts of a source brought into the dataset's io folder, and gone from it afterwards."""

import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from src.core.base.faults import BooksNotClosed
from src.core.providers.export import BillingExport, LoadDay
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
    """Files that one statement loads."""

    source: str
    days: tuple[LoadDay, ...]
    files: tuple[Path, ...]

    @property
    def rows(self) -> int:
        return sum(day.rows for day in self.days)


@contextmanager
def inbox(io: Path, context: StepContext) -> Iterator[Path]:
    """A folder of this attempt's own. What an earlier one of the pipeline left when it was killed goes first: only one works at a time."""
    stem = f"{PREFIX}{NOT_A_NAME.sub('-', context.document_id or context.step_id)}@"
    for left in io.glob(f"{stem}*"):
        shutil.rmtree(left, ignore_errors=True)
    # an attempt that was given up may still be reading; it must not find, or take away, what this one brings
    folder = io / f"{stem}{context.run_id}.{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear_leftovers(io: Path, run_id: str) -> None:
    """Of a run that is over: what an attempt brought, and was killed before it could take it away."""
    for left in io.glob(f"{PREFIX}*{run_id}*"):
        shutil.rmtree(left, ignore_errors=True)


def fetched(wanted: Sequence[Wanted], into: Path, context: StepContext, rows_at_once: int) -> list[Batch]:
    """Brings what is wanted, in batches of whole load days, and says how far it is."""
    total, done = sum(one.bytes for one in wanted), 0

    def told(count: int) -> None:
        nonlocal done
        done += count
        context.progress(bytes_done=done, bytes_total=total, doing="reading the source")

    batches = []
    for one in wanted:
        for days in grouped(one.days, rows_at_once):
            context.still_wanted()
            files = one.export.fetch(one.table, days, into, told)
            if len(files) < len(days):
                raise BooksNotClosed(f"{one.source}: {len(days)} load days were asked for and {len(files)} came")
            batches.append(Batch(one.source, days, files))
    return batches


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
