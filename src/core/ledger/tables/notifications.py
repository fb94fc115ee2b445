"""What each channel is told of each event, and how far that is."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import ColumnElement, Select, Update, and_, bindparam, func, literal, or_, select, update

from src.core.base.events import ChannelKind, EventType
from src.core.ledger.unit import Tables, Unit

NOTIFICATIONS: Final = "org_notifications"
NotificationState = Literal["WAITING", "GATHERED", "SENT", "FAILED", "WITHDRAWN"]
NOTIFICATION_STATES: Final[tuple[NotificationState, ...]] = ("WAITING", "GATHERED", "SENT", "FAILED", "WITHDRAWN")


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationRow:
    notification_id: str
    org_slug: str
    event_id: str
    event_type: EventType
    channel_id: str
    channel_kind: ChannelKind
    channel_name: str
    parcel_id: str
    state: NotificationState
    attempts: int = 0
    available_at: datetime
    lease_owner: str | None = None
    lease_expires_at: datetime | None = None
    last_error: str | None = None
    sent_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationFilter:
    """What is left out does not narrow."""

    state: NotificationState | None = None
    event_type: EventType | None = None
    channel_id: str | None = None


class Ready(NamedTuple):
    """A channel that something may be sent to now, and nobody is sending to."""

    org_slug: str
    channel_id: str
    gathered: bool
    """Also what was gathered for the day's message is due."""


COLUMNS = tuple(column.name for column in fields(NotificationRow))
ANY = NotificationFilter()


def add_all(unit: Unit, rows: Sequence[NotificationRow], rivals: str) -> int:
    """How many were not there yet."""
    return unit.insert_all(unit.tables[NOTIFICATIONS], [{name: getattr(row, name) for name in COLUMNS} for row in rows], rivals)


def get(unit: Unit, org_slug: str, notification_id: str) -> NotificationRow | None:
    row = unit.point(_by_id, {"slug": org_slug, "id": notification_id})
    return _row(row) if row else None


def page(unit: Unit, org_slug: str, wanted: NotificationFilter = ANY, *, after: str | None, limit: int) -> list[NotificationRow]:
    """The newest first, older than the notification `after`."""
    row = unit.tables[NOTIFICATIONS].c
    newest = (row.created_at.desc(), row.notification_id.desc())
    query = _rows(unit.tables).where(row.org_slug == literal(org_slug)).order_by(*newest).limit(limit)
    for name in ("state", "event_type", "channel_id"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(row[name] == value)
    if after is not None:
        last = get(unit, org_slug, after)
        if last is None:
            return []
        same = and_(row.created_at == last.created_at, row.notification_id < after)
        query = query.where(or_(row.created_at < last.created_at, same))
    return [_row(row) for row in unit.rows(query)]


def replay(unit: Unit, org_slug: str, notification_id: str, at: datetime) -> bool:
    """One that is over is sent anew, by itself and under its own id. False when it waits, or is not there."""
    return unit.change(_replay, {"slug": org_slug, "id": notification_id, "at": at}) == 1


def ready(unit: Unit, at: datetime) -> list[Ready]:
    """Who has waited longest comes first."""
    found: dict[tuple[str, str], list[tuple[str, datetime]]] = {}
    busy: set[str] = set()
    for slug, channel_id, state, first, lease in unit.rows(unit.prepared(_ready), {"at": at}):
        found.setdefault((slug, channel_id), []).append((state, first))
        if lease is not None and lease > at:
            busy.add(channel_id)
    in_turn = sorted(found.items(), key=lambda each: (min(first for _, first in each[1]), each[0]))
    return [
        Ready(slug, channel_id, any(state == "GATHERED" for state, _ in states))
        for (slug, channel_id), states in in_turn
        if channel_id not in busy
    ]


def busy(unit: Unit, channel_id: str, at: datetime) -> bool:
    """Whether somebody is sending to it."""
    return unit.point(_busy, {"channel": channel_id, "at": at}) is not None


def bundle(unit: Unit, channel_id: str, parcel_id: str, at: datetime) -> int:
    """What is due of the channel's gathered ones becomes one parcel, which is never another's: how many they are."""
    return unit.change(_bundle, {"channel": channel_id, "parcel": parcel_id, "at": at})


def next_parcels(unit: Unit, channel_id: str, at: datetime, limit: int) -> list[str]:
    """That may be sent now, who has waited longest first."""
    return [row[0] for row in unit.rows(unit.prepared(_next_parcels), {"channel": channel_id, "at": at, "limit": limit})]


def claim(unit: Unit, parcel_ids: Collection[str], owner: str, at: datetime, until: datetime) -> list[NotificationRow]:
    """Those of these parcels that nobody else is sending; `owner` is of this claim alone."""
    rows = unit.tables[NOTIFICATIONS]
    free = (rows.c.state == "WAITING", or_(rows.c.lease_expires_at.is_(None), rows.c.lease_expires_at <= at))
    held = {"lease_owner": owner, "lease_expires_at": until, "updated_at": at}
    if not unit.change(update(rows).where(rows.c.parcel_id.in_(parcel_ids), *free).values(held)):
        return []
    mine = _rows(unit.tables).where(rows.c.parcel_id.in_(parcel_ids), rows.c.lease_owner == owner, rows.c.state == "WAITING")
    # sorted here: SQLite would else go through all that waits, in that order, to find these
    return sorted(map(_row, unit.rows(mine)), key=lambda row: (row.available_at, row.created_at, row.notification_id))


def sent(unit: Unit, parcel_ids: Collection[str], owner: str, at: datetime, but: str | None = None) -> int:
    """`but` is whom of several recipients it did not reach."""
    rows = unit.tables[NOTIFICATIONS]
    told = {**FREE, "state": "SENT", "attempts": rows.c.attempts + 1, "last_error": but, "sent_at": at, "updated_at": at}
    return unit.change(update(rows).where(*_held(unit.tables, parcel_ids, owner)).values(told))


def missed(unit: Unit, parcel_id: str, owner: str, *, at: datetime, until: datetime | None, why: str) -> int:
    """A try that failed; the next one is not before `until`, and without it there is none."""
    rows = unit.tables[NOTIFICATIONS]
    told: dict[str, Any] = {**FREE, "attempts": rows.c.attempts + 1, "last_error": why, "updated_at": at}
    told |= {"state": "FAILED"} if until is None else {"available_at": until}
    return unit.change(update(rows).where(*_held(unit.tables, [parcel_id], owner)).values(told))


def hand_back(unit: Unit, parcel_ids: Collection[str], owner: str, *, at: datetime, until: datetime) -> int:
    """Not tried, so nothing is counted."""
    rows = unit.tables[NOTIFICATIONS]
    told = {**FREE, "available_at": until, "updated_at": at}
    return unit.change(update(rows).where(*_held(unit.tables, parcel_ids, owner)).values(told))


def void_leases(unit: Unit, at: datetime) -> int:
    """Ends the leases of senders that are known to be dead."""
    return unit.change(_void_leases, {"at": at})


def withdraw(unit: Unit, org_slug: str, channel_id: str, at: datetime, why: str) -> int:
    """All that waits for a channel that nothing is sent to any more. What is being sent may arrive: it waits for the end of its lease."""
    return unit.change(_withdraw, {"slug": org_slug, "channel": channel_id, "at": at, "why": why})


def counts(unit: Unit) -> dict[NotificationState, int]:
    return {state: int(many) for state, many in unit.rows(unit.prepared(_counts))}


def backlog(unit: Unit) -> int:
    """How many are neither sent nor given up."""
    row = unit.point(_backlog, {})
    return int(row[0]) if row else 0


def oldest_due(unit: Unit, at: datetime) -> datetime | None:
    """Since when the one has been due that has waited longest."""
    row = unit.point(_oldest_due, {"at": at})
    return row[0] if row else None


def _row(row: Any) -> NotificationRow:
    return NotificationRow(**dict(zip(COLUMNS, row, strict=True)))


def _rows(tables: Tables) -> Select[Any]:
    return select(*(tables[NOTIFICATIONS].c[name] for name in COLUMNS))


def _held(tables: Tables, parcel_ids: Collection[str], owner: str) -> tuple[ColumnElement[bool], ...]:
    row = tables[NOTIFICATIONS].c
    return row.parcel_id.in_(parcel_ids), row.state == "WAITING", row.lease_owner == owner


def _by_id(tables: Tables) -> Select[Any]:
    row = tables[NOTIFICATIONS].c
    return _rows(tables).where(row.org_slug == bindparam("slug"), row.notification_id == bindparam("id"))


def _replay(tables: Tables) -> Update:
    rows = tables[NOTIFICATIONS]
    return _anew(tables).where(rows.c.org_slug == bindparam("slug"), rows.c.notification_id == bindparam("id"))


def _anew(tables: Tables) -> Update:
    rows = tables[NOTIFICATIONS]
    over = or_(*(rows.c.state == state for state in ("SENT", "FAILED", "WITHDRAWN")))
    at = bindparam("at", type_=rows.c.updated_at.type)
    anew: dict[str, Any] = {**FREE, "state": "WAITING", "attempts": 0, "available_at": at, "updated_at": at, "last_error": None}
    return update(rows).where(over).values(**anew, parcel_id=rows.c.notification_id, sent_at=None)


def _due(tables: Tables, *states: NotificationState) -> tuple[ColumnElement[bool], ...]:
    row = tables[NOTIFICATIONS].c
    return or_(*(row.state == state for state in states)), row.available_at <= bindparam("at", type_=row.available_at.type)


def _ready(tables: Tables) -> Select[Any]:
    row = tables[NOTIFICATIONS].c
    counted = (row.org_slug, row.channel_id, row.state, func.min(row.available_at), func.max(row.lease_expires_at))
    return select(*counted).where(*_due(tables, "WAITING", "GATHERED")).group_by(row.org_slug, row.channel_id, row.state)


def _busy(tables: Tables) -> Select[Any]:
    row = tables[NOTIFICATIONS].c
    held = row.lease_expires_at > bindparam("at", type_=row.lease_expires_at.type)
    return select(row.notification_id).where(row.channel_id == bindparam("channel"), row.state == "WAITING", held).limit(1)


def _bundle(tables: Tables) -> Update:
    rows = tables[NOTIFICATIONS]
    at = bindparam("at", type_=rows.c.updated_at.type)
    return (
        update(rows)
        .where(rows.c.channel_id == bindparam("channel"), *_due(tables, "GATHERED"))
        .values(state="WAITING", parcel_id=bindparam("parcel"), updated_at=at)
    )


def _next_parcels(tables: Tables) -> Select[Any]:
    row = tables[NOTIFICATIONS].c
    at = bindparam("at", type_=row.available_at.type)
    free = or_(row.lease_expires_at.is_(None), row.lease_expires_at <= at)
    waited = func.min(row.available_at)
    return (
        select(row.parcel_id)
        .where(row.channel_id == bindparam("channel"), *_due(tables, "WAITING"), free)
        .group_by(row.parcel_id)
        .order_by(waited, func.min(row.created_at), row.parcel_id)
        .limit(bindparam("limit"))
    )


def _void_leases(tables: Tables) -> Update:
    rows = tables[NOTIFICATIONS]
    at = bindparam("at", type_=rows.c.updated_at.type)
    return update(rows).where(rows.c.state == "WAITING", rows.c.lease_expires_at > at).values(**FREE, updated_at=at)


def _withdraw(tables: Tables) -> Update:
    rows = tables[NOTIFICATIONS]
    at = bindparam("at", type_=rows.c.updated_at.type)
    waits = or_(rows.c.state == "WAITING", rows.c.state == "GATHERED")
    free = or_(rows.c.lease_expires_at.is_(None), rows.c.lease_expires_at <= at)
    return (
        update(rows)
        .where(rows.c.org_slug == bindparam("slug"), rows.c.channel_id == bindparam("channel"), waits, free)
        .values(**FREE, state="WITHDRAWN", last_error=bindparam("why"), updated_at=at)
    )


def _counts(tables: Tables) -> Select[Any]:
    row = tables[NOTIFICATIONS].c
    counted: tuple[Any, ...] = (row.state, func.count())
    return select(*counted).group_by(row.state)


def _backlog(tables: Tables) -> Select[Any]:
    row = tables[NOTIFICATIONS].c
    return select(func.count()).where(or_(row.state == "WAITING", row.state == "GATHERED"))


def _oldest_due(tables: Tables) -> Select[Any]:
    return select(func.min(tables[NOTIFICATIONS].c.available_at)).where(*_due(tables, "WAITING", "GATHERED"))


FREE: Final[dict[str, Any]] = {"lease_owner": None, "lease_expires_at": None}
