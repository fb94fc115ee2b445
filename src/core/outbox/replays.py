"""What a channel was sent, or should have been, sent again under the same ids: a receiver that had it already can tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from src.core.base.events import message_id
from src.core.base.faults import Conflict, Flaw, Missing, Rejected
from src.core.base.identity import Actor, Tenant
from src.core.ledger.store import Unit
from src.core.ledger.tables import channels, notifications
from src.core.ledger.tables.channels import Channel
from src.core.ledger.tables.notifications import NotificationFilter, NotificationRow
from src.core.outbox.channels import SYSTEMS, existing, resource
from src.core.step import audit_trail
from src.core.step.context import Services

PAGE: Final = 500
# of one call: on BigQuery each is a statement of its own
MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Replayed:
    number: int
    next_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Replayer:
    services: Services
    actor: Actor
    tenant: Tenant

    def one(self, notification_id: str) -> NotificationRow:
        return self.services.ledger.write(self._one, notification_id)

    def since(self, webhook_id: str, since: datetime) -> Replayed:
        found = self.services.ledger.read(self._since, webhook_id, since)
        oldest_first = found[::-1]
        later = oldest_first[MOST].created_at if len(found) > MOST else None
        return Replayed(self._several(webhook_id, oldest_first[:MOST]), later)

    def events(self, webhook_id: str, event_ids: Sequence[str]) -> Replayed:
        return Replayed(self._several(webhook_id, self.services.ledger.read(self._of_events, webhook_id, event_ids)))

    def _one(self, unit: Unit, notification_id: str) -> NotificationRow:
        found = existing_notification(unit, self.tenant.org_slug, notification_id)
        channel = channels.get(unit, self.tenant.org_slug, found.channel_id)
        if channel is None:
            raise Conflict(f"its channel {found.channel_name!r} was removed; nothing can be sent there any more")
        _takes(channel)
        if not notifications.replay(unit, self.tenant.org_slug, notification_id, self.services.clock.now()):
            raise Conflict(f"it waits already, for {found.available_at:%Y-%m-%d %H:%M} UTC: it is sent then without being asked for")
        self._note(unit, "notifications.replay", f"organizations/{found.org_slug}/notifications/{notification_id}", 1)
        return existing_notification(unit, self.tenant.org_slug, notification_id)

    def _several(self, webhook_id: str, rows: Sequence[NotificationRow]) -> int:
        def replay(unit: Unit) -> int:
            _takes(existing(unit, self.tenant.org_slug, webhook_id, SYSTEMS))
            now = self.services.clock.now()
            number = sum(notifications.replay(unit, row.org_slug, row.notification_id, now) for row in rows)
            self._note(unit, "webhooks.replay", resource(self.tenant.org_slug, "webhook", webhook_id), number)
            return number

        return self.services.ledger.write(replay)

    def _since(self, unit: Unit, webhook_id: str, since: datetime) -> list[NotificationRow]:
        existing(unit, self.tenant.org_slug, webhook_id, SYSTEMS)
        wanted, found = NotificationFilter(channel_id=webhook_id), list[NotificationRow]()
        while True:
            after = found[-1].notification_id if found else None
            page = notifications.page(unit, self.tenant.org_slug, wanted, after=after, limit=PAGE)
            found += [row for row in page if row.created_at >= since]
            if len(page) < PAGE or page[-1].created_at < since:
                return found

    def _of_events(self, unit: Unit, webhook_id: str, event_ids: Sequence[str]) -> list[NotificationRow]:
        existing(unit, self.tenant.org_slug, webhook_id, SYSTEMS)
        found = {one: notifications.get(unit, self.tenant.org_slug, message_id(one, webhook_id)) for one in dict.fromkeys(event_ids)}
        flaws = [Flaw(f"{one[:64]!r} was never meant for this webhook", "event_ids") for one, row in found.items() if row is None]
        if flaws:
            raise Rejected(
                f"event_ids: {flaws[0].message}; GET /api/v1/organizations/{self.tenant.org_slug}/notifications?channel={webhook_id} "
                "lists what was",
                flaws=flaws,
            )
        return [row for row in found.values() if row is not None]

    def _note(self, unit: Unit, action: str, shown: str, number: int) -> None:
        audit_trail.note(
            unit, self.services, self.actor, action, shown, org_slug=self.tenant.org_slug, details={"notifications_count": number}
        )


def existing_notification(unit: Unit, slug: str, notification_id: str) -> NotificationRow:
    found = notifications.get(unit, slug, notification_id)
    if found is None:
        raise Missing(
            f"organisation {slug} has no notification {notification_id[:64]!r}; GET /api/v1/organizations/{slug}/notifications lists them"
        )
    return found


def _takes(channel: Channel) -> None:
    if not channel.is_active:
        kind = "webhooks" if channel.kind in SYSTEMS else "channels"
        raise Conflict(
            f"{channel.name!r} is {'disabled' if channel.disabled_at else 'paused'}; "
            f"PATCH /api/v1/organizations/{channel.org_slug}/{kind}/{channel.channel_id} with is_active true first"
        )
