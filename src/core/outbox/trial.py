"""A channel tried at once, for somebody who waits for what its receiver says."""

from dataclasses import dataclass
from typing import Protocol

from src.core.base.events import Event, Parcel
from src.core.base.faults import Fault
from src.core.base.identity import Actor
from src.core.base.threads import blocking
from src.core.ledger.store import Unit
from src.core.ledger.tables.channels import Channel
from src.core.notify.destination import Destination
from src.core.outbox.channels import SYSTEMS, destination, resource
from src.core.step import audit_trail
from src.core.step.context import Services


class Sends(Protocol):
    async def send(self, destination: Destination, parcel: Parcel) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Trial:
    event_id: str
    refused: str | None
    """In the words of its receiver, or of what kept it from being asked."""
    duration_ms: int

    @property
    def delivered(self) -> bool:
        return self.refused is None


async def try_channel(services: Services, sends: Sends, actor: Actor, channel: Channel) -> Trial:
    """Sends it a `channel.test`, also while it is paused: whoever mends it wants to know before it is told anything."""
    begun = services.clock.now()
    event_id = f"evt_{services.ids.new()}"
    refused = None
    try:
        to = await blocking(destination, services, channel)
        data = {
            "company_name": to.company_name,
            "timezone": to.timezone,
            "channel_id": channel.channel_id,
            "name": channel.name,
            "kind": channel.kind,
        }
        event = Event(event_id=event_id, type="channel.test", org_slug=channel.org_slug, occurred_at=begun, data=data)
        missed = await sends.send(to, Parcel(parcel_id=event_id, events=(event,)))
        refused = "; ".join(missed) or None
    except Fault as fault:
        # it is what was asked for: whether it can be sent, and why not
        refused = fault.detail
    trial = Trial(event_id, refused, round((services.clock.now() - begun).total_seconds() * 1000))

    def note(unit: Unit) -> None:
        noun = "webhooks" if channel.kind in SYSTEMS else "channels"
        shown = resource(channel.org_slug, channel.kind, channel.channel_id)
        details = {"name": channel.name, "delivered": trial.delivered, "reason": refused}
        audit_trail.note(unit, services, actor, f"{noun}.test", shown, org_slug=channel.org_slug, details=details)

    await blocking(services.ledger.write, note)
    return trial
