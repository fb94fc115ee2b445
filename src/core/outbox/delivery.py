"""Sending what waits for one channel, one parcel after another."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from src.core.base.events import Event, Parcel, stable_id
from src.core.base.faults import Fault, Misconfigured, Missing
from src.core.base.threads import blocking
from src.core.ledger.store import Unit
from src.core.ledger.tables import channels, events, notifications, orgs
from src.core.ledger.tables.channels import Channel
from src.core.ledger.tables.events import EventRow
from src.core.ledger.tables.notifications import NotificationRow, Ready
from src.core.notify.destination import Destination
from src.core.outbox.channels import destination
from src.core.outbox.moments import not_before
from src.core.step.context import Services

log = structlog.get_logger("outbox")

# as Standard Webhooks recommends: some 75 hours in all
WAITS: Final = tuple(timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400))
REFUSED_FOR: Final = timedelta(days=5)
SOON: Final = timedelta(seconds=5)
# one refusal long after another says nothing of the days between: this parcel was refused for half an hour itself
REFUSED_TIMES: Final = 3
AT_ONCE: Final = 50  # parcels of a channel under one lease
MARGIN_SECONDS: Final = 5.0  # for the notes beside a sending


class Sender(Protocol):
    async def send(self, destination: Destination, parcel: Parcel) -> tuple[str, ...]: ...


@dataclass(slots=True)
class OutboxTally:
    """Of this process since its start, in parcels."""

    sent: int = 0
    failed: int = 0
    given_up: int = 0


@dataclass(frozen=True, slots=True)
class Packed:
    parcel: Parcel
    attempts: int
    told: bool
    """Whether its events are filled up."""


@dataclass(frozen=True, slots=True)
class Load:
    """What was claimed for a channel."""

    channel: Channel
    timezone: str
    owner: str
    parcels: Sequence[Packed]


@dataclass(frozen=True, slots=True)
class Delivery:
    services: Services
    sender: Sender
    tally: OutboxTally

    async def run(self, ready: Ready, most: int = AT_ONCE, only: str | None = None) -> int:
        """How many parcels were tried, of this id `only`. After one that its receiver did not take, the others wait for the next turn."""
        begun = self.services.clock.monotonic()
        load = await blocking(self.services.ledger.write, self._claim, ready, most, only)
        if load is None:
            return 0
        left = {packed.parcel.parcel_id: None for packed in load.parcels}
        sent: list[str] = []
        tried = 0
        try:
            opened = await self._opened(load, left)
            for packed in load.parcels:
                lasts = self._lease_seconds - (self.services.clock.monotonic() - begun)
                if opened is None or not packed.told or lasts < self._try_seconds:
                    break
                tried += 1
                del left[packed.parcel.parcel_id]
                if not await self._try(load, packed, sent, opened):
                    break
        finally:
            await blocking(self.services.ledger.write, self._end, load, sent, list(left))
        return tried

    @property
    def _try_seconds(self) -> float:
        settings = self.services.settings
        return max(settings.notify_timeout_seconds, settings.smtp_timeout_seconds) + MARGIN_SECONDS

    @property
    def _lease_seconds(self) -> float:
        return 2 * self._try_seconds

    def _claim(self, unit: Unit, ready: Ready, most: int, only: str | None) -> Load | None:
        at = self.services.clock.now()
        # one sending at a time, by whichever process
        unit.hold(f"channel {ready.channel_id}")
        channel, org = channels.get(unit, ready.org_slug, ready.channel_id), orgs.get(unit, ready.org_slug)
        if channel is None or org is None or not channel.is_active:
            why = "the channel was removed" if channel is None else channel.disabled_reason or "the channel is switched off"
            notifications.withdraw(unit, ready.org_slug, ready.channel_id, at, why)
            return None
        if notifications.busy(unit, channel.channel_id, at):
            return None
        if ready.gathered:
            notifications.bundle(unit, channel.channel_id, stable_id(channel.channel_id, at.isoformat(), prefix="day"), at)
        parcels = notifications.next_parcels(unit, channel.channel_id, at, most) if only is None else [only]
        owner = self.services.ids.new()
        rows = notifications.claim(unit, parcels, owner, at, at + timedelta(seconds=self._lease_seconds)) if parcels else []
        quiet = not_before(channel, org.timezone, at)
        if quiet > at:
            # quiet hours that were set since, or that a growing wait ended in
            notifications.hand_back(unit, [row.parcel_id for row in rows], owner, at=at, until=quiet)
            return None
        told = events.several(unit, list({row.event_id for row in rows}))
        return Load(channel, org.timezone, owner, _packed(rows, told)) if rows else None

    async def _opened(self, load: Load, left: dict[str, None]) -> Destination | None:
        """Once for all of a load. A keyring that is away for a while is no refusal; what else is wrong is told of the first parcel."""
        try:
            return await blocking(destination, self.services, load.channel)
        except Exception as wrong:  # noqa: BLE001 - as in `_try`
            if isinstance(wrong, Fault) and wrong.retry:
                log.warning("channel.unopened", channel_id=load.channel.channel_id, code=wrong.code, error=wrong.detail)
                return None
            first = load.parcels[0]
            del left[first.parcel.parcel_id]
            why = wrong.detail if isinstance(wrong, Fault) else type(wrong).__name__
            await self._failed(load, first, Misconfigured(f"the channel could not be opened: {why}"))
            return None

    async def _failed(self, load: Load, packed: Packed, fault: Fault) -> None:
        self.tally.failed += 1
        facts = {"parcel_id": packed.parcel.parcel_id, "channel_id": load.channel.channel_id}
        log.warning("notification.failed", **facts, code=fault.code, error=fault.detail)
        await blocking(self.services.ledger.write, self._missed, load, packed, fault)

    async def _try(self, load: Load, packed: Packed, sent: list[str], opened: Destination) -> bool:
        parcel = packed.parcel
        try:
            but = await self.sender.send(opened, parcel)
        except Exception as wrong:  # noqa: BLE001 - what nobody foresaw would be tried for ever, uncounted and before all else of its channel
            fault = wrong if isinstance(wrong, Fault) else Misconfigured(f"it could not be made or sent ({type(wrong).__name__})")
            await self._failed(load, packed, fault)
            return False
        self.tally.sent += 1
        if self.services.ledger.traits.polled or but:
            await blocking(self.services.ledger.write, self._sent, load, [parcel.parcel_id], "; ".join(but) or None)
        else:
            # where each note is a job of a second, they are written together
            sent.append(parcel.parcel_id)
        return True

    def _sent(self, unit: Unit, load: Load, parcels: Sequence[str], but: str | None) -> None:
        notifications.sent(unit, parcels, load.owner, self.services.clock.now(), but)
        if load.channel.refused_since is not None:
            channels.accepted(unit, load.channel.channel_id)

    def _end(self, unit: Unit, load: Load, sent: Sequence[str], left: Sequence[str]) -> None:
        if sent:
            self._sent(unit, load, sent, None)
        if left:
            at = self.services.clock.now()
            notifications.hand_back(unit, left, load.owner, at=at, until=at + SOON)

    def _missed(self, unit: Unit, load: Load, packed: Packed, fault: Fault) -> None:
        channel, at = load.channel, self.services.clock.now()
        until = _next_try(channel, load.timezone, packed.attempts, fault, at)
        if not notifications.missed(unit, packed.parcel.parcel_id, load.owner, at=at, until=until, why=fault.detail):
            # its lease ran out, and it is another's by now
            return
        self.tally.given_up += until is None
        if channel.kind != "webhook" or isinstance(fault, Misconfigured):
            return
        channels.refused(unit, channel.channel_id, at)
        since = channel.refused_since or at
        gone = isinstance(fault, Missing)
        if gone or (at - since >= REFUSED_FOR and packed.attempts >= REFUSED_TIMES):
            self._disable(
                unit, channel, since, at, fault.detail if gone else f"refused for {REFUSED_FOR.days} days, at last: {fault.detail}"
            )

    def _disable(self, unit: Unit, channel: Channel, since: datetime, at: datetime, reason: str) -> None:
        facts = {"channel_id": channel.channel_id, "name": channel.name, "kind": channel.kind}
        told = Event(
            event_id=stable_id("channel.disabled", channel.channel_id, since.isoformat()),
            type="channel.disabled",
            org_slug=channel.org_slug,
            occurred_at=at,
            data={**facts, "refused_since": since.isoformat(), "reason": reason},
        )
        # told first: where nothing is undone, a channel that is off would be told of by nobody
        events.record(unit, told)
        channels.disable(unit, channel.channel_id, at, reason)
        notifications.withdraw(unit, channel.org_slug, channel.channel_id, at, f"the channel was disabled: {reason}")
        log.warning("channel.disabled", channel_id=channel.channel_id, org=channel.org_slug, reason=reason)


def _packed(rows: Sequence[NotificationRow], told: dict[str, EventRow]) -> list[Packed]:
    found = []
    for parcel_id in dict.fromkeys(row.parcel_id for row in rows):
        mine = [row for row in rows if row.parcel_id == parcel_id]
        there = [told[row.event_id] for row in mine if row.event_id in told]
        # one that was gathered has the id of its day, also when it is the only one
        gathered = parcel_id != mine[0].notification_id
        parcel = Parcel(parcel_id=parcel_id, events=tuple(one.event for one in there), gathered=gathered)
        found.append(Packed(parcel, max(row.attempts for row in mine), all(one.state == "FANNED_OUT" for one in there)))
    return found


def _next_try(channel: Channel, zone: str, attempts: int, fault: Fault, at: datetime) -> datetime | None:
    """None where there is none: it was tried often enough, or said for good that it will not be taken."""
    passes = fault.retry or isinstance(fault, Misconfigured) or channel.kind == "webhook"
    if not passes or attempts >= len(WAITS):
        return None
    asked = timedelta(seconds=min(fault.retry_after or 0.0, WAITS[-1].total_seconds()))
    return not_before(channel, zone, at + max(WAITS[attempts], asked))
