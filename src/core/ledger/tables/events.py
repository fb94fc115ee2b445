"""What happened that people or other systems may want to hear of. Each row is written in the transaction that made it happen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import Select, Update, bindparam, func, select, update

from src.core.base.events import Event, EventType
from src.core.ledger.unit import Tables, Unit

EVENTS: Final = "org_events"
EventState = Literal["NEW", "FANNED_OUT"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    event_id: str
    org_slug: str
    type: EventType
    subject: str | None
    occurred_at: datetime
    data: Mapping[str, Any]
    state: EventState
    available_at: datetime
    last_error: str | None
    created_at: datetime
    fanned_out_at: datetime | None

    @property
    def event(self) -> Event:
        return Event(event_id=self.event_id, type=self.type, org_slug=self.org_slug, occurred_at=self.occurred_at, data=self.data)


class Streak(NamedTuple):
    """Failures of a subject since its last success."""

    failures: int
    since: datetime | None


COLUMNS = tuple(column.name for column in fields(EventRow))


def record(unit: Unit, event: Event) -> None:
    """Repeating it is harmless. Its subject is the pipeline, else the provider, that its data name."""
    subject = event.data.get("pipeline_id") or event.data.get("provider")
    unit.insert_later(
        unit.tables[EVENTS],
        {
            "event_id": event.event_id,
            "org_slug": event.org_slug,
            "type": event.type,
            "subject": subject,
            "occurred_at": event.occurred_at,
            "data": dict(event.data),
            "state": "NEW",
            "available_at": event.occurred_at,
            "last_error": None,
            "created_at": event.occurred_at,
            "fanned_out_at": None,
        },
    )


def new(unit: Unit, at: datetime, limit: int) -> list[EventRow]:
    """Those to be fanned out by now, in the order in which they happened."""
    return [_row(row) for row in unit.rows(unit.prepared(_new), {"at": at, "limit": limit})]


def get(unit: Unit, event_id: str) -> EventRow | None:
    row = unit.point(_by_id, {"id": event_id})
    return _row(row) if row else None


def of_org(unit: Unit, org_slug: str, event_id: str) -> EventRow | None:
    row = get(unit, event_id)
    return row if row is not None and row.org_slug == org_slug else None


def several(unit: Unit, event_ids: Sequence[str]) -> dict[str, EventRow]:
    row = unit.tables[EVENTS].c
    found = unit.rows(_rows(unit.tables).where(row.event_id.in_(event_ids))) if event_ids else []
    return {one.event_id: one for one in map(_row, found)}


def fanned_out(unit: Unit, event_id: str, data: Mapping[str, Any], at: datetime) -> bool:
    """From here on it says `data`. False when somebody else has fanned it out."""
    return unit.change(_fanned_out, {"id": event_id, "told": dict(data), "at": at}) == 1


def put_off(unit: Unit, event_id: str, until: datetime, why: str) -> bool:
    return unit.change(_put_off, {"id": event_id, "until": until, "why": why}) == 1


def streak(unit: Unit, org_slug: str, pipeline_id: str, before: datetime) -> Streak:
    """How often the pipeline had failed by then since it had last succeeded."""
    same = {"slug": org_slug, "subject": pipeline_id, "before": before}
    row = unit.point(_streak, same)
    return Streak(int(row[0]), row[1]) if row else Streak(0, None)


def failed_since(unit: Unit, org_slug: str, pipeline_id: str, since: datetime, before: datetime) -> list[EventRow]:
    """Failures of the pipeline from then until before then, the oldest first."""
    same = {"slug": org_slug, "subject": pipeline_id, "since": since, "before": before}
    return [_row(row) for row in unit.rows(unit.prepared(_failed_since), same)]


def waiting(unit: Unit) -> tuple[int, datetime | None]:
    """How many are not fanned out yet, and since when the oldest of them waits."""
    row = unit.point(_waiting, {})
    return (int(row[0]), row[1]) if row else (0, None)


def _row(row: Any) -> EventRow:
    return EventRow(**dict(zip(COLUMNS, row, strict=True)))


def _rows(tables: Tables) -> Select[Any]:
    return select(*(tables[EVENTS].c[name] for name in COLUMNS))


def _new(tables: Tables) -> Select[Any]:
    row = tables[EVENTS].c
    due = (row.state == "NEW", row.available_at <= bindparam("at", type_=row.available_at.type))
    return _rows(tables).where(*due).order_by(row.occurred_at, row.event_id).limit(bindparam("limit"))


def _by_id(tables: Tables) -> Select[Any]:
    return _rows(tables).where(tables[EVENTS].c.event_id == bindparam("id"))


def _fanned_out(tables: Tables) -> Update:
    rows = tables[EVENTS]
    return (
        update(rows)
        .where(rows.c.event_id == bindparam("id"), rows.c.state == "NEW")
        .values(state="FANNED_OUT", data=bindparam("told", type_=rows.c.data.type), fanned_out_at=bindparam("at"), last_error=None)
    )


def _put_off(tables: Tables) -> Update:
    rows = tables[EVENTS]
    return (
        update(rows)
        .where(rows.c.event_id == bindparam("id"), rows.c.state == "NEW")
        .values(available_at=bindparam("until"), last_error=bindparam("why"))
    )


def _of_pipeline(tables: Tables, type_: EventType, *, alias: str | None = None) -> tuple[Any, tuple[Any, ...]]:
    rows = tables[EVENTS].alias(alias) if alias else tables[EVENTS]
    before = bindparam("before", type_=rows.c.occurred_at.type)
    own = (rows.c.org_slug == bindparam("slug"), rows.c.subject == bindparam("subject"))
    return rows.c, (*own, rows.c.type == type_, rows.c.occurred_at < before)


def _streak(tables: Tables) -> Select[Any]:
    success, succeeded = _of_pipeline(tables, "run.succeeded", alias="success")
    failure, failed = _of_pipeline(tables, "run.failed")
    last = select(func.max(success.occurred_at)).where(*succeeded).scalar_subquery()
    # nothing is later than NULL, which a pipeline has that never succeeded
    later = (failure.occurred_at > last) | last.is_(None)
    return select(func.count(), func.min(failure.occurred_at)).where(*failed, later)


def _failed_since(tables: Tables) -> Select[Any]:
    row, failed = _of_pipeline(tables, "run.failed")
    since = bindparam("since", type_=row.occurred_at.type)
    return _rows(tables).where(*failed, row.occurred_at >= since).order_by(row.occurred_at, row.event_id)


def _waiting(tables: Tables) -> Select[Any]:
    row = tables[EVENTS].c
    return select(func.count(), func.min(row.occurred_at)).where(row.state == "NEW")
