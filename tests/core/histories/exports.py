"""Exports of a cloud's bill as their provider keeps them: tables that are switched on, written to, put away and made anew."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from src.core.base.faults import Unavailable
from src.core.providers.export import TablePlace
from src.core.providers.slices import OnBytes, Slice, SliceDays, day_slice
from tests.core.gcp.handmade import SCHEMA, row
from tests.core.histories.truth import Charge, price


@dataclass(frozen=True, slots=True)
class WrittenRow:
    charge: Charge
    at: datetime
    """When it was written to this table."""

    @property
    def columns(self) -> dict[str, Any]:
        one = self.charge
        return row(one.day, float(price(one)), account=one.account, export_time=self.at)


@dataclass(eq=False)
class Export:
    """One table."""

    table: TablePlace
    accounts: frozenset[str]
    """Of whose use it tells: a reseller's tells of its customers' too."""
    kind: str
    made_at: datetime
    begun: int
    """The moment from which on it is written to."""
    parts: dict[date, list[WrittenRow]] = field(default_factory=dict)
    """By load day."""
    changed: dict[date, int] = field(default_factory=dict)
    """The moment at which each of them was written to last: its version."""
    gone: set[date] = field(default_factory=set)
    """Load days that were put away."""
    told: set[Charge] = field(default_factory=set)
    """Whatever was written to it, also what was put away since."""
    since_ever: bool = False
    """It tells of all that anybody could know, from the first day on."""
    failing: bool = False
    """Its provider does not answer who fetches rows."""

    @property
    def name(self) -> str:
        return self.table.source

    def write(self, charge: Charge, at: datetime, moment: int, load_day: date | None = None) -> None:
        day = load_day or at.date()
        self.parts.setdefault(day, []).append(WrittenRow(charge, at))
        self.changed[day] = moment
        self.told.add(charge)

    def holds_day(self, load_day: date) -> bool:
        """Whether what is written to that load day by now is written to this one too."""
        return load_day in self.parts or (self.made_at.date() <= load_day and load_day not in self.gone)

    def put_away(self, load_day: date) -> list[WrittenRow]:
        self.gone.add(load_day)
        return self.parts.pop(load_day, [])

    def load_days(self, table: str, since: date, until: date) -> tuple[Slice, ...]:
        return tuple(
            day_slice(day, len(rows), 100 * len(rows), f"{self.made_at:%f}-{self.changed[day]}")
            for day, rows in sorted(self.parts.items())
            if since <= day <= until
        )

    def made(self, table: str) -> datetime | None:
        return self.made_at

    def holds(self, table: str, days: Iterable[Slice]) -> Mapping[str, SliceDays]:
        return {one.key: _days_of(self.parts[one.day]) for one in days}

    def fetch(self, table: str, days: Iterable[Slice], into: Path, on_bytes: OnBytes) -> tuple[Path, ...]:
        if self.failing:
            raise Unavailable(f"{self.name} cannot be read")
        paths: list[Path] = []
        for day in days:
            paths.append(into / f"{self.table.dataset}-{table}-{day.day}.parquet")
            pq.write_table(pa.Table.from_pylist(_told(self.parts[day.day], day.day), schema=SCHEMA), paths[-1])
            on_bytes(day.bytes or 0)
        return tuple(paths)

    def place(self, table: str, days: Iterable[Slice]) -> TablePlace | None:
        return None

    def close(self) -> None: ...


def _told(rows: Sequence[WrittenRow], day: date) -> list[dict[str, Any]]:
    # what is written again to an old load day has a moment of that day
    return [{**one.columns, "export_time": one.at.replace(year=day.year, month=day.month, day=day.day)} for one in rows]


def _days_of(rows: Sequence[WrittenRow]) -> SliceDays:
    used = {one.charge.day for one in rows}
    return SliceDays(frozenset(used), frozenset(f"{day:%Y%m}" for day in used))
