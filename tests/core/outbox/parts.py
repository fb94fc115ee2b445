"""An outbox over a ledger on disk, with a clock that stands until a test moves it, and receivers that do as they are told."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from src.app.wiring import Parts
from src.core.base.events import Parcel
from src.core.base.identity import Actor
from src.core.base.settings import Settings
from src.core.ledger.tables import channels, events, notifications, runs
from src.core.ledger.tables.channels import Channel
from src.core.notify.destination import Destination
from src.core.outbox.courier import Courier
from src.core.outbox.fanout import FanOut
from src.core.outbox.hooks import Hook
from src.core.scheduler.settling import Ending, settle
from tests.contract.ledger.samples import AT, org, run

START = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
assert START == AT


@dataclass
class WallClock:
    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - START).total_seconds()

    def pass_(self, **span: float) -> None:
        self.at += timedelta(**span)


@dataclass
class Receivers:
    """Where parcels arrive, by the name of their channel."""

    arrived: list[tuple[str, Parcel]] = field(default_factory=list)
    refusing: dict[str, Exception] = field(default_factory=dict)
    hanging: dict[str, asyncio.Event] = field(default_factory=dict)
    at_once: dict[str, int] = field(default_factory=dict)
    most_at_once: dict[str, int] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, check: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not check():
                self.changed.clear()
                await self.changed.wait()

    async def send(self, destination: Destination, parcel: Parcel) -> tuple[str, ...]:
        name = destination.name
        self.at_once[name] = self.at_once.get(name, 0) + 1
        self.most_at_once[name] = max(self.most_at_once.get(name, 0), self.at_once[name])
        self.changed.set()
        try:
            if name in self.hanging:
                await self.hanging[name].wait()
            await asyncio.sleep(0)
            if name in self.refusing:
                raise self.refusing[name]
            self.arrived.append((name, parcel))
        finally:
            self.at_once[name] -= 1
            self.changed.set()
        return ()

    def of(self, name: str) -> list[list[str]]:
        """The types of what arrived there, by parcel."""
        return [[event.type for event in parcel.events] for to, parcel in self.arrived if to == name]


@dataclass
class Outbox:
    parts: Parts
    clock: WallClock
    receivers: Receivers = field(default_factory=Receivers)
    hooks: list[Hook] = field(default_factory=list)
    _runs: int = 0

    @classmethod
    def open(cls, tmp_path: Path) -> "Outbox":
        clock = WallClock()
        parts = Parts(Settings(_env_file=None, embedded_data_dir=tmp_path), clock)
        parts.ledger.bootstrap()
        made = cls(parts, clock)
        made.organisation("acme")
        return made

    def organisation(self, slug: str, timezone: str = "UTC") -> None:
        with self.parts.ledger.writing() as unit:
            assert org(unit, slug, timezone=timezone)

    def channel(self, name: str, kind: Any = "email", slug: str = "acme", **more: Any) -> Channel:
        made = Channel(channel_id=f"c-{slug}-{name}", org_slug=slug, kind=kind, name=name, created_at=START, updated_at=START, **more)
        assert self.parts.ledger.write(channels.add, made)
        return made

    def courier(self) -> Courier:
        return Courier(self.parts, self.receivers, lambda _: self.hooks, poll_seconds=0.01)

    def fan_out(self) -> int:
        return FanOut(self.parts, lambda _: self.hooks).some(1000)

    def end(self, status: Any, *, pipeline: str = "acme-gcp-cost", slug: str = "acme", steps: Any = (), **more: Any) -> str:
        """A run that was accepted and has ended, now."""
        self._runs += 1
        run_id = f"r{self._runs}"
        new = run(run_id, slug, pipeline_id=pipeline, status="RUNNING", accepted_at=self.clock.now(), **more)
        ending = Ending(
            run_id=run_id,
            audit_id=secrets.token_hex(8),
            org_slug=slug,
            pipeline_id=pipeline,
            actor=Actor("system"),
            status=status,
            at=self.clock.now(),
            error_code="unavailable" if status == "FAILED" else None,
            error_message="it did not answer" if status == "FAILED" else None,
            rows_processed=7,
            duration_ms=90,
        )
        with self.parts.ledger.writing() as unit:
            assert runs.accept(unit, replace(new, org_generation=1))
            for step in steps:
                runs.log_step(unit, replace(step, pipeline_logging_id=run_id, org_slug=slug))
            assert settle(unit, ending)
        return run_id

    async def drain(self) -> None:
        await self.courier().drain(1.0)

    def rows(self, slug: str = "acme") -> list[notifications.NotificationRow]:
        return self.parts.ledger.read(notifications.page, slug, after=None, limit=1000)[::-1]

    def states(self, name: str, slug: str = "acme") -> list[tuple[str, str]]:
        return [(row.event_type, row.state) for row in self.rows(slug) if row.channel_name == name]

    def new_events(self) -> list[str]:
        return [row.type for row in self.parts.ledger.read(events.new, self.clock.now(), 1000)]
