"""How far a backfill is."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from src.core.backfill.advancing import windows_of
from src.core.base.identity import Tenant
from src.core.base.threads import blocking
from src.core.base.window import Window
from src.core.ledger.store import Unit
from src.core.ledger.tables import backfills
from src.core.ledger.tables.backfills import OPEN, UNDER_WAY, BackfillRow, BackfillWindow
from src.core.pipeline.step_runner import Sleep
from src.core.step.context import Services


@dataclass(frozen=True, slots=True)
class BackfillStanding:
    row: BackfillRow
    planned: Sequence[Window]
    noted: Sequence[BackfillWindow]
    """The first of those planned."""

    @property
    def over(self) -> bool:
        return self.row.state != OPEN

    @property
    def asked(self) -> Window:
        given = self.row.parameters
        return Window(date.fromisoformat(given["asked_start"]), date.fromisoformat(given["asked_end"]))

    @property
    def unserved(self) -> Window | None:
        """Of what was asked for, the days that the provider does not tell of."""
        first = self.row.window_start
        return Window(self.asked.start, first - timedelta(1)) if self.asked.start < first else None

    @property
    def under_way(self) -> BackfillWindow | None:
        return next((window for window in self.noted if window.state in UNDER_WAY), None)

    @property
    def done(self) -> list[BackfillWindow]:
        return [window for window in self.noted if window.state == "COMPLETED"]

    @property
    def failed(self) -> list[BackfillWindow]:
        return [window for window in self.noted if window.state not in ("COMPLETED", *UNDER_WAY)]

    @property
    def days(self) -> int:
        return sum(len(window) for window in self.planned)

    def days_per_hour(self, now: datetime) -> float | None:
        """None before a window has ended."""
        begun = min((window.queued_at for window in self.noted if window.queued_at is not None), default=None)
        ended = days_of([*self.done, *self.failed])
        seconds = 0.0 if begun is None else ((self.row.completed_at or now) - begun).total_seconds()
        return ended * 3600 / seconds if ended and seconds > 0 else None

    def ends_at(self, now: datetime) -> datetime | None:
        """As it has gone until now; None where nothing tells, and while it waits for something else than a worker."""
        rate, waits = self.days_per_hour(now), self.under_way is not None and self.under_way.state == "WAITING"
        if self.over or rate is None or waits:
            return self.row.completed_at
        left = self.days - days_of([*self.done, *self.failed])
        return now + timedelta(hours=left / rate)


def days_of(windows: Sequence[BackfillWindow]) -> int:
    return sum(len(Window(window.window_start, window.window_end)) for window in windows)


def standing_of(row: BackfillRow, noted: Sequence[BackfillWindow]) -> BackfillStanding:
    return BackfillStanding(row, windows_of(row), noted)


async def watch(services: Services, tenant: Tenant, backfill_id: str, *, sleep: Sleep = asyncio.sleep) -> AsyncIterator[BackfillStanding]:
    """As it stands, and again whenever that changes; ends after its end, or when it is gone."""

    def look(unit: Unit) -> BackfillStanding | None:
        row = backfills.get(unit, tenant.org_slug, backfill_id)
        return None if row is None else standing_of(row, backfills.windows(unit, backfill_id))

    last: BackfillStanding | None = None
    while True:
        found = await blocking(services.ledger.read, look)
        if found is None:
            return
        if found != last:
            last = found
            yield found
        if found.over:
            return
        await sleep(services.ledger.traits.news_seconds)
