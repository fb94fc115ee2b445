from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from src.app.models.organizations import Answer, Request
from src.core.base.events import ChannelKind, EventType
from src.core.ledger.tables.notifications import NotificationState

LONGEST_URL = 2048
MOST_REPLAYED = 100

# held against what they may be where every flaw is told at once (src.core.outbox.terms); here only against their size
Name = Annotated[
    str, Field(max_length=200, examples=["Finance team"], description="Tells its channels apart; documents name it in `hooks`")
]
Time = Annotated[str, Field(max_length=20, examples=["22:00"])]
Recipients = Annotated[
    list[Annotated[str, Field(max_length=320)]],
    Field(max_length=200, examples=[["finance@acme.com"]], description="Of e-mail: 1 to 50 addresses; each mail names them all"),
]
Events = Annotated[
    list[Annotated[str, Field(max_length=100)]],
    Field(max_length=50, examples=[["run.failed", "run.recovered"]], description="What it is told; null for the usual ones"),
]
Address = Annotated[SecretStr, Field(max_length=LONGEST_URL, description="Where it is sent: https, on the open internet; kept sealed")]
DigestTime = Annotated[
    str,
    Field(
        max_length=20, examples=["08:00"], description="When what was gathered is sent, each day, in the organisation's zone; usually 08:00"
    ),
]
Active = Annotated[bool, Field(description="false pauses it: it is told nothing, and what waited for it is withdrawn")]


def _moment(told: object) -> datetime:
    with suppress(ValueError, TypeError):
        moment = datetime.fromisoformat(str(told))
        if moment.tzinfo is not None:
            return moment
    raise ValueError("is a moment with its offset; write it like 2026-11-25T00:00:00Z")


def _no_webhook(told: object) -> object:
    if told == "webhook":
        raise ValueError("is email or slack; a webhook is made by POST /api/v1/organizations/{org_slug}/webhooks")
    return told


Since = Annotated[datetime, BeforeValidator(_moment)]


class QuietTimes(Request):
    """In the organisation's zone; they may go over midnight. What falls into them is sent at their end."""

    start: Time = Field(description="When they begin")
    end: Time = Field(description="When they end")


class ChannelChange(Request):
    """What is left out stays as it is; null for `events`, `digest_time` sets the usual ones, and for `quiet_hours` none."""

    name: Name | None = None
    is_active: Active | None = None
    events: Events | None = None
    recipients: Recipients | None = None
    url: Address | None = None
    quiet_hours: QuietTimes | None = None
    digest_time: DigestTime | None = None


class ChannelRequest(ChannelChange):
    kind: Annotated[Literal["email", "slack"], BeforeValidator(_no_webhook)] = Field(
        description="email takes `recipients`, slack the `url` of an incoming webhook"
    )
    name: Name


class WebhookChange(Request):
    """What is left out stays as it is; null for `events` sets the usual ones."""

    name: Name | None = None
    is_active: Active | None = None
    events: Events | None = None
    url: Address | None = None


class WebhookRequest(WebhookChange):
    name: Name
    url: Address


class RotateSecretRequest(Request):
    grace_hours: int = Field(default=24, ge=0, le=168, description="How long the secret that signed until now signs too")


class ReplayRequest(Request):
    """Either `since` or `event_ids`."""

    since: Since | None = Field(default=None, description="What it was sent, or should have been, since then")
    event_ids: Annotated[list[Annotated[str, Field(max_length=100)]], Field(min_length=1, max_length=MOST_REPLAYED)] | None = Field(
        default=None, description="These events"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.since is None) == (self.event_ids is None):
            raise ValueError("names what to send again by since, or by event_ids")
        return self


class Receiver(Answer):
    org_slug: str
    name: str
    is_active: bool
    events: list[EventType] = Field(description="What it is told")
    usual_events: bool = Field(description="Whether those are the usual ones, which a later release may add to")
    refused_since: datetime | None = Field(description="Since when it has refused everything; null when it took the last one")
    disabled_at: datetime | None = Field(description="When it was disabled because it had refused for days; is_active true tries anew")
    disabled_reason: str | None = Field(description="What it said when it was disabled; null while it is not")
    created_at: datetime
    updated_at: datetime


class ChannelAnswer(Receiver):
    channel_id: str
    kind: Literal["email", "slack"] = Field(description="email or slack")
    recipients: list[str] = Field(description="The addresses of e-mail; empty for Slack")
    address: str | None = Field(description="Of slack: the host alone; the rest of its address is a secret")
    quiet_hours: QuietTimes | None
    digest_time: str | None
    timezone: str = Field(description="The organisation's, in which those times are")


class WebhookAnswer(Receiver):
    webhook_id: str
    url: str | None = Field(description="Without its query, which may hold a secret")
    secret_before_until: datetime | None = Field(description="Until when the secret before the last rotation signs too")


class WebhookMade(WebhookAnswer):
    secret: str = Field(description="Signs what is sent; shown this once")


class ChannelList(Answer):
    org_slug: str
    channels: list[ChannelAnswer] = Field(description="E-mail and Slack, by name")


class WebhookList(Answer):
    org_slug: str
    webhooks: list[WebhookAnswer] = Field(description="The systems that are told, by name")


class ChannelRemoved(Answer):
    org_slug: str
    channel_id: str
    state: Literal["deleted"] = Field(description="deleted; all else is a problem")


class WebhookRemoved(Answer):
    org_slug: str
    webhook_id: str
    state: Literal["deleted"] = Field(description="deleted; all else is a problem")


class ChannelTested(Answer):
    org_slug: str
    event_id: str = Field(description="Id of the test event")
    delivered: bool = Field(description="Whether the receiver took it")
    reason: str | None = Field(description="What was said where it, or one of several recipients, did not take it")
    duration_ms: int = Field(description="How long the receiver took, in milliseconds")


class WebhookReplayed(Answer):
    org_slug: str
    webhook_id: str
    replayed: int = Field(description="Notifications that are sent again, each under its own id; those that wait already are not counted")
    next_since: datetime | None = Field(description="`since` of the next call, where there are more than one call sends again; else null")


class NotificationEvent(Answer):
    event_id: str
    type: EventType = Field(description="Kind of event, as noun.verb")
    occurred_at: datetime = Field(description="When it happened")
    data: dict[str, Any] = Field(description="What is told of it, as the reference of notifications has it")


class NotificationAnswer(Answer):
    notification_id: str = Field(description="Id of the notification")
    org_slug: str
    channel_id: str
    channel_kind: ChannelKind = Field(description="email, slack or webhook")
    channel_name: str = Field(description="When the notification was made")
    parcel_id: str = Field(description="Id that the receiver sees; those that were gathered into one message share it")
    state: NotificationState = Field(
        description="WAITING for its next try, GATHERED for the day's message, SENT, FAILED (given up), "
        "WITHDRAWN (its channel is gone or paused)"
    )
    attempts: int = Field(description="How often it was tried")
    last_error: str | None = Field(description="Why the last try failed, or why it was given up")
    next_try_at: datetime | None = Field(description="When it is tried next; null where it is not")
    sent_at: datetime | None = Field(description="When it was taken; null where it was not")
    created_at: datetime
    event: NotificationEvent | None = Field(description="What was told; null once the event was removed")


class NotificationPage(Answer):
    org_slug: str
    notifications: list[NotificationAnswer] = Field(description="Newest first")
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last")
