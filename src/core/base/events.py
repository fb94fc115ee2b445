"""What is told to people and to other systems: events, and what one receiver is sent of them in one go."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

EventType = Literal[
    "run.succeeded",
    "run.failed",
    "run.recovered",
    "run.reached",
    "quota.exceeded",
    "credential.invalid",
    "books.restated",
    "reconciliation.failed",
    "data.stale",
    "plan.blocked",
    "channel.disabled",
    "channel.test",
]
EVENT_TYPES: Final[tuple[EventType, ...]] = get_args(EventType)

ChannelKind = Literal["email", "slack", "webhook"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    event_id: str
    """The same thing told again has the same."""
    type: EventType
    org_slug: str
    occurred_at: datetime
    data: Mapping[str, Any]
    """As JSON has it; amounts as texts, times in ISO 8601."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What a channel is sent in one go."""

    parcel_id: str
    """The Message-ID of a mail, the `webhook-id` of a webhook: the same at each try."""
    events: tuple[Event, ...]
    gathered: bool = False
    """Several that waited for the day's message; else it is one."""


def message_id(event_id: str, channel_id: str) -> str:
    """Of an event as one channel is told of it: the Message-ID of a mail and the `webhook-id`, unless it was gathered."""
    return stable_id(event_id, channel_id, prefix="msg")


def stable_id(*parts: str, prefix: str = "evt") -> str:
    """The same of the same parts, on every machine."""
    # as JSON, so that no two lists of parts run together into one text
    return f"{prefix}_{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:26]}"
