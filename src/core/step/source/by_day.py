"""A source that is asked for days of use over an API, and tells each as it stands now."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, TypeAlias, TypeVar

from src.core.base.faults import Rejected, StepFailed
from src.core.base.schema import Field
from src.core.base.window import Window
from src.core.engine import Heard, Measure, write_columns, write_rows
from src.core.engine.files.disk_space import room_for_files
from src.core.engine.port import RemoteRows
from src.core.providers.slices import Came, DayColumns, Listing, OnBytes, Slice, day_slice, source_changed
from src.core.step.source.fetching import PREFIX, SLICE

T = TypeVar("T")
Row: TypeAlias = Mapping[str, Any]
Told: TypeAlias = Row | DayColumns
"""A row of a day, or many of its rows at once."""
AskDays: TypeAlias = Callable[[Window], Iterable[tuple[date, Told]]]


@dataclass(frozen=True, slots=True)
class DaysLook:
    """What a source is asked for in the place of the days of the run, and as of when it tells."""

    window: Window | None
    """None where it has nothing to tell."""
    at: date | None = None
    reads: bool = False
    """Whether its days are read also where they are not those of the run."""


LookedAt: TypeAlias = Callable[[Window], DaysLook]
"""Of the days of the run."""


@dataclass
class DaysAsked:
    """To list is to read: what a day told stays on disk until it is fetched, and a digest of its rows is its version.

    `ask` tells the rows of each day of a window, the oldest day first; so no more than one day is held at a time.
    """

    name: str
    columns: tuple[Field, ...]
    ask: AskDays
    today: date
    folder: Path
    since: date = date.min
    """Of no day before it does the source tell; nothing is said of those, neither that they are empty."""
    looks: LookedAt | None = None
    marks: ClassVar[bool] = True
    measure: Measure | None = None
    _kept: dict[str, tuple[Slice, Came]] = field(default_factory=dict)
    _fetched: dict[Path, Came] = field(default_factory=dict)

    def slices(self, wanted: Window, everything: Window) -> Listing:  # noqa: ARG002 - to tell of everything would be to read everything
        self._kept.clear()
        look = self.looks(wanted) if self.looks else DaysLook(wanted)
        if look.window is None:
            # a look at days to come says nothing, of whichever slice
            return Listing((), Window.day(date.max), date.min)
        wanted = look.window
        if wanted.end < self.since:
            raise Rejected(f"{self.name} tells of no day before {self.since}; ask for {self.since} or later")
        asked = Window(max(wanted.start, self.since), min(wanted.end, max(self.today, self.since)))
        if asked.start <= self.today:
            with _ended(self.ask(asked)) as telling:
                for day, told in groupby(telling, key=lambda one: one[0]):
                    self._keep(day, [row for _, row in told], asked)
        # the day on the edge may be put away while it is asked for: that it is not told says nothing
        sure = asked.start if asked.start > self.since or self.since == date.min else self.since + timedelta(1)
        # a day that is looked at and not told is one without rows, and its rows here go: so no further than is sure
        reads = wanted if look.reads else None
        return Listing(tuple(one for one, _ in self._kept.values()), Window(sure, max(sure, wanted.end)), look.at, reads)

    def fetch(self, slices: Sequence[Slice], into: Path, on_bytes: OnBytes) -> tuple[Path, ...]:
        paths = []
        for one in slices:
            kept, came = self._kept.get(one.key, (None, None))
            if kept != one or came is None:
                raise source_changed(self.name, [one])
            paths.append(came.path.rename(into / came.path.name))
            self._fetched[paths[-1]] = came
            on_bytes(one.bytes or 0)
        return tuple(paths)

    def place(self, slices: Sequence[Slice]) -> RemoteRows | None:  # noqa: ARG002 - the port names them
        return None

    def count_by(self, measure: Measure) -> None:
        self.measure = measure

    def counted(self, path: Path) -> Came | None:
        return self._fetched.get(path)

    def _keep(self, day: date, told: list[Told], asked: Window) -> None:
        if not asked.start <= day <= asked.end:
            raise StepFailed(f"{self.name} was asked for {asked.start} to {asked.end} and told of {day}")
        if str(day) in self._kept:
            raise StepFailed(f"{self.name} told of {day} again after it had gone on to another day, so that it cannot be known to be whole")
        path = self.folder / f"{len(self._kept)}-{day}.parquet"
        columns = (*self.columns, Field(SLICE, "STRING"))
        rows = sum(one.rows if isinstance(one, DayColumns) else 1 for one in told)
        heard: list[tuple[str, Sequence[Row] | None]] = []
        with room_for_files():
            version = _written(
                path, columns, str(day), told, lambda table, sha256: heard.append((sha256, self.measure(table) if self.measure else None))
            )
        [(sha256, totals)] = heard
        size = path.stat().st_size
        came = Came(path, str(day), str(day), None, size, sha256, rows, None if totals is None else tuple(totals))
        self._kept[str(day)] = (day_slice(day, rows, size, version), came)


@contextmanager
def days_asked(
    io: Path,
    run_id: str,
    sources: Mapping[str, tuple[Sequence[Field], AskDays]],
    today: date,
    since: date = date.min,
    *,
    looks: LookedAt | None = None,
) -> Iterator[tuple[DaysAsked, ...]]:
    """Each under its name, with the columns its rows have. What a killed run leaves in the io folder goes as its other files do."""
    with room_for_files():
        io.mkdir(mode=0o700, parents=True, exist_ok=True)
    with TemporaryDirectory(dir=io, prefix=f"{PREFIX}asked@{run_id}.", ignore_cleanup_errors=True) as folder:
        made = []
        for number, (name, (columns, ask)) in enumerate(sources.items()):
            own = Path(folder, str(number))
            own.mkdir()
            # a row that lacks a value is told by the table it goes to, which names the column
            relaxed = tuple(replace(column, mode="NULLABLE") if column.mode == "REQUIRED" else column for column in columns)
            made.append(DaysAsked(name, relaxed, ask, today, own, since, looks))
        yield tuple(made)


@contextmanager
def _ended(telling: Iterable[T]) -> Iterator[Iterable[T]]:
    """What reads ahead in threads of its own has ended them when this is left, also where what it told is refused."""
    try:
        yield telling
    finally:
        if isinstance(telling, Generator):
            telling.close()


def _written(path: Path, columns: Sequence[Field], day: str, told: Sequence[Told], heard: Heard) -> str:
    rows = [one for one in told if not isinstance(one, DayColumns)]
    if rows:
        if len(rows) < len(told):
            raise StepFailed(f"of {day} rows are told one by one and many at once, and a day is told in one way")
        return write_rows(path, columns, ({**row, SLICE: day} for row in rows), heard)
    pieces = (one for one in told if isinstance(one, DayColumns))
    return write_columns(path, columns, ((one.rows, one.of, {**one.same, SLICE: day}) for one in pieces), heard)
