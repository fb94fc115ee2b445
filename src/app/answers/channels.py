"""Channels, webhooks and notifications as the API shows them."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request

from src.app.dependencies.auth import caller_of, parts_of
from src.app.dependencies.tenants import living_tenant
from src.app.edge.trial_places import trial_places_of
from src.app.models.notifications import (
    ChannelAnswer,
    ChannelTested,
    NotificationAnswer,
    NotificationEvent,
    QuietTimes,
    WebhookAnswer,
)
from src.core.base.events import ChannelKind
from src.core.base.threads import blocking
from src.core.ledger.tables.channels import Channel
from src.core.ledger.tables.events import EventRow
from src.core.ledger.tables.notifications import NotificationRow
from src.core.outbox.channels import existing, wanted
from src.core.outbox.trial import try_channel

WAITS = ("WAITING", "GATHERED")


def channel_answer(channel: Channel, timezone: str) -> ChannelAnswer:
    quiet = None
    if channel.quiet_start is not None and channel.quiet_end is not None:
        quiet = QuietTimes(start=channel.quiet_start, end=channel.quiet_end)
    more = {
        "channel_id": channel.channel_id,
        "kind": channel.kind,
        "recipients": list(channel.recipients),
        "address": channel.address,
        "quiet_hours": quiet,
        "digest_time": channel.digest_time,
        "timezone": timezone,
    }
    return ChannelAnswer.model_validate({**_receiver(channel), **more})


def webhook_answer(channel: Channel) -> WebhookAnswer:
    return WebhookAnswer.model_validate(webhook_told(channel))


def webhook_told(channel: Channel) -> dict[str, Any]:
    more = {"webhook_id": channel.channel_id, "url": channel.address, "secret_before_until": channel.secret_before_until}
    return {**_receiver(channel), **more}


async def tried(request: Request, org_slug: str, channel_id: str, kinds: frozenset[ChannelKind]) -> ChannelTested:
    """Once its receiver has answered, or has been given up."""
    parts, tenant = parts_of(request), await living_tenant(request, org_slug)
    channel = await blocking(parts.ledger.read, existing, tenant.org_slug, channel_id, kinds)
    with trial_places_of(request).place(tenant.org_slug):
        trial = await try_channel(parts, parts.transports, caller_of(request).actor, channel)
    return ChannelTested(
        org_slug=tenant.org_slug,
        event_id=trial.event_id,
        delivered=trial.delivered,
        reason=trial.refused,
        duration_ms=trial.duration_ms,
    )


def notification_answer(row: NotificationRow, events: Mapping[str, EventRow]) -> NotificationAnswer:
    event = events.get(row.event_id)
    return NotificationAnswer(
        notification_id=row.notification_id,
        org_slug=row.org_slug,
        channel_id=row.channel_id,
        channel_kind=row.channel_kind,
        channel_name=row.channel_name,
        parcel_id=row.parcel_id,
        state=row.state,
        attempts=row.attempts,
        last_error=row.last_error,
        next_try_at=row.available_at if row.state in WAITS else None,
        sent_at=row.sent_at,
        created_at=row.created_at,
        event=event and NotificationEvent(event_id=event.event_id, type=event.type, occurred_at=event.occurred_at, data=dict(event.data)),
    )


def _receiver(channel: Channel) -> dict[str, Any]:
    return {
        "org_slug": channel.org_slug,
        "name": channel.name,
        "is_active": channel.is_active,
        "events": list(wanted(channel)),
        "usual_events": channel.events is None,
        "refused_since": channel.refused_since,
        "disabled_at": channel.disabled_at,
        "disabled_reason": channel.disabled_reason,
        "created_at": channel.created_at,
        "updated_at": channel.updated_at,
    }
