"""Where an organisation is told of events. A channel's addresses and secrets are sealed here; `src.core.outbox.channels` opens them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Delete, Select, Update, bindparam, delete, func, select, update

from src.core.base.events import ChannelKind, EventType
from src.core.ledger.unit import Tables, Unit

CHANNELS: Final = "org_notification_channels"
SealedColumn = Literal["sealed_url", "sealed_secret", "sealed_secret_before"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    channel_id: str
    org_slug: str
    kind: ChannelKind
    name: str
    is_active: bool = True
    events: Sequence[EventType] | None = None
    """None: the usual ones of its kind."""
    recipients: Sequence[str] = ()
    address: str | None = None
    """What may be shown of its address."""
    sealed_url: str | None = field(default=None, repr=False)
    sealed_secret: str | None = field(default=None, repr=False)
    sealed_secret_before: str | None = field(default=None, repr=False)
    secret_before_until: datetime | None = None
    quiet_start: str | None = None
    quiet_end: str | None = None
    digest_time: str | None = None
    refused_since: datetime | None = None
    disabled_at: datetime | None = None
    disabled_reason: str | None = None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class SealedText:
    """One sealed text of a channel, for wrapping all of them anew after the keyring turned."""

    channel_id: str
    org_slug: str
    column: SealedColumn
    text: str = field(repr=False)


COLUMNS = tuple(column.name for column in fields(Channel))
# a change by somebody must not undo what the receiver's answers have noted meanwhile
FIXED = frozenset({"channel_id", "org_slug", "kind", "created_at", "refused_since"})
SEALED: Final[tuple[SealedColumn, ...]] = ("sealed_url", "sealed_secret", "sealed_secret_before")


def add(unit: Unit, channel: Channel) -> bool:
    """False when one of that id or name is there."""
    return unit.insert_once(unit.tables[CHANNELS], _values(channel))


def get(unit: Unit, org_slug: str, channel_id: str) -> Channel | None:
    row = unit.point(_by_id, {"slug": org_slug, "id": channel_id})
    return _channel(row) if row else None


def named(unit: Unit, org_slug: str, name: str) -> Channel | None:
    row = unit.point(_by_name, {"slug": org_slug, "called": name})
    return _channel(row) if row else None


def of_org(unit: Unit, org_slug: str) -> list[Channel]:
    """By name."""
    return [_channel(row) for row in unit.rows(unit.prepared(_of_org), {"slug": org_slug})]


def number(unit: Unit, org_slug: str) -> int:
    row = unit.first(unit.prepared(_number), {"slug": org_slug})
    return int(row[0]) if row else 0


def change(unit: Unit, seen: Channel, changed: Channel) -> bool:
    """False when it is not as it was seen any more."""
    new = {f"new_{name}": value for name, value in _values(changed).items() if name not in FIXED}
    return unit.change(_change, {**new, "slug": seen.org_slug, "id": seen.channel_id, "seen": seen.updated_at}) == 1


def remove(unit: Unit, org_slug: str, channel_id: str) -> bool:
    return unit.change(_remove, {"slug": org_slug, "id": channel_id}) == 1


def refused(unit: Unit, channel_id: str, at: datetime) -> None:
    """Its receiver refused; the first time of several counts."""
    unit.change(_refused, {"id": channel_id, "at": at})


def accepted(unit: Unit, channel_id: str) -> None:
    unit.change(_accepted, {"id": channel_id})


def disable(unit: Unit, channel_id: str, at: datetime, reason: str) -> bool:
    """False when it is not active any more."""
    return unit.change(_disable, {"id": channel_id, "at": at, "why": reason}) == 1


def sealed_page(unit: Unit, after: str | None, limit: int) -> list[tuple[str, list[SealedText]]]:
    """By channel_id, what each has sealed."""
    found = unit.rows(unit.prepared(_sealed), {"after": after or "", "limit": limit})
    return [(row[0], [SealedText(row[0], row[1], name, text) for name, text in zip(SEALED, row[2:], strict=True) if text]) for row in found]


def reseal(unit: Unit, seen: SealedText, anew: str) -> bool:
    """False when somebody else has changed it meanwhile."""
    sealed = unit.tables[CHANNELS].c[seen.column]
    held = (unit.tables[CHANNELS].c.channel_id == seen.channel_id) & (sealed == seen.text)
    return unit.change(update(unit.tables[CHANNELS]).where(held).values({seen.column: anew})) == 1


def _values(channel: Channel) -> dict[str, Any]:
    told = {"events": None if channel.events is None else list(channel.events), "recipients": list(channel.recipients)}
    return {**asdict(channel), **told}


def _channel(row: Any) -> Channel:
    told = dict(zip(COLUMNS, row, strict=True))
    events = None if told["events"] is None else tuple(told["events"])
    return Channel(**{**told, "is_active": bool(told["is_active"]), "events": events, "recipients": tuple(told["recipients"] or ())})


def _channels(tables: Tables) -> Select[Any]:
    channel = tables[CHANNELS].c
    return select(*(channel[name] for name in COLUMNS)).where(channel.org_slug == bindparam("slug"))


def _by_id(tables: Tables) -> Select[Any]:
    return _channels(tables).where(tables[CHANNELS].c.channel_id == bindparam("id"))


def _by_name(tables: Tables) -> Select[Any]:
    return _channels(tables).where(tables[CHANNELS].c.name == bindparam("called"))


def _of_org(tables: Tables) -> Select[Any]:
    return _channels(tables).order_by(tables[CHANNELS].c.name, tables[CHANNELS].c.channel_id)


def _number(tables: Tables) -> Select[Any]:
    return select(func.count()).select_from(tables[CHANNELS]).where(tables[CHANNELS].c.org_slug == bindparam("slug"))


def _change(tables: Tables) -> Update:
    channels = tables[CHANNELS]
    new = {name: bindparam(f"new_{name}", type_=channels.c[name].type) for name in COLUMNS if name not in FIXED}
    mine = (channels.c.org_slug == bindparam("slug"), channels.c.channel_id == bindparam("id"))
    return update(channels).where(*mine, channels.c.updated_at == bindparam("seen", type_=channels.c.updated_at.type)).values(new)


def _remove(tables: Tables) -> Delete:
    channels = tables[CHANNELS]
    return delete(channels).where(channels.c.org_slug == bindparam("slug"), channels.c.channel_id == bindparam("id"))


def _refused(tables: Tables) -> Update:
    channels = tables[CHANNELS]
    told = channels.c.channel_id == bindparam("id"), channels.c.refused_since.is_(None)
    return update(channels).where(*told).values(refused_since=bindparam("at", type_=channels.c.refused_since.type))


def _accepted(tables: Tables) -> Update:
    channels = tables[CHANNELS]
    return (
        update(channels).where(channels.c.channel_id == bindparam("id"), channels.c.refused_since.is_not(None)).values(refused_since=None)
    )


def _disable(tables: Tables) -> Update:
    channels = tables[CHANNELS]
    at = bindparam("at", type_=channels.c.disabled_at.type)
    return (
        update(channels)
        .where(channels.c.channel_id == bindparam("id"), channels.c.is_active.is_(True))
        .values(is_active=False, disabled_at=at, disabled_reason=bindparam("why"), updated_at=at)
    )


def _sealed(tables: Tables) -> Select[Any]:
    channel = tables[CHANNELS].c
    return (
        select(channel.channel_id, channel.org_slug, *(channel[name] for name in SEALED))
        .where(channel.channel_id > bindparam("after"))
        .order_by(channel.channel_id)
        .limit(bindparam("limit"))
    )
