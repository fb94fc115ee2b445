"""Orders for a long past range, each a row of `org_scheduled_pipeline_runs`; their windows are slots that name it as their `config_id`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Select, Update, bindparam, exists, or_, select, update

from src.core.ledger.tables.slots import SLOTS
from src.core.ledger.unit import Tables, Unit

BackfillState = Literal["OPEN", "COMPLETED", "FAILED", "CANCELLED"]
OPEN: Final = "OPEN"
UNDER_WAY = ("WAITING", "QUEUED", "RUNNING")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillRow:
    scheduled_run_id: str
    org_slug: str
    pipeline_id: str
    document: str
    state: BackfillState
    window_start: date
    window_end: date
    parameters: Mapping[str, Any] = field(default_factory=dict)
    priority: int
    max_retries: int
    error_message: str | None = None
    created_at: datetime
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BackfillWindow:
    state: str
    window_start: date
    window_end: date
    pipeline_logging_id: str | None
    retry_count: int
    error_message: str | None
    available_at: datetime | None
    queued_at: datetime | None
    completed_at: datetime | None


COLUMNS = tuple(column.name for column in fields(BackfillRow))
OF_WINDOW = tuple(column.name for column in fields(BackfillWindow))


def add(unit: Unit, row: BackfillRow) -> bool:
    """False when one of that id is there."""
    values = {name: getattr(row, name) for name in COLUMNS}
    values |= {"parameters": dict(row.parameters), "trigger_type": "backfill", "scheduled_time": row.created_at, "retry_count": 0}
    return unit.insert_once(unit.tables[SLOTS], values)


def get(unit: Unit, org_slug: str, backfill_id: str) -> BackfillRow | None:
    row = unit.first(unit.prepared(_by_id), {"slug": org_slug, "id": backfill_id})
    return _row(row) if row else None


def of_window(unit: Unit, org_slug: str, slot_id: str) -> BackfillRow | None:
    row = unit.first(unit.prepared(_by_window), {"slug": org_slug, "id": slot_id})
    return _row(row) if row else None


def listing(unit: Unit, org_slug: str, limit: int) -> list[BackfillRow]:
    """The newest first."""
    return [_row(row) for row in unit.rows(unit.prepared(_of_org), {"slug": org_slug, "limit": limit})]


def of_days(unit: Unit, org_slug: str, document: str, start: date, end: date) -> list[BackfillRow]:
    """The newest first."""
    same = {"slug": org_slug, "document": document, "start": start, "end": end}
    return [_row(row) for row in unit.rows(unit.prepared(_of_days), same)]


def number_open(unit: Unit, org_slug: str) -> int:
    return len(unit.rows(unit.prepared(_open_of), {"slug": org_slug}))


def idle(unit: Unit, limit: int) -> list[BackfillRow]:
    """The open ones none of whose windows is under way."""
    return [_row(row) for row in unit.rows(unit.prepared(_idle), {"limit": limit})]


def windows(unit: Unit, backfill_id: str) -> list[BackfillWindow]:
    """Those that were noted, the oldest first."""
    return [BackfillWindow(*row) for row in unit.rows(unit.prepared(_windows), {"id": backfill_id})]


def close(unit: Unit, backfill_id: str, state: BackfillState, at: datetime, why: str | None) -> bool:
    """False when it is not open any more."""
    return unit.change(_close, {"id": backfill_id, "word": state, "at": at, "why": why}) == 1


def _row(row: Any) -> BackfillRow:
    told = dict(zip(COLUMNS, row, strict=True))
    return BackfillRow(**{**told, "parameters": told["parameters"] or {}})


def _backfills(tables: Tables) -> Select[Any]:
    row = tables[SLOTS].c
    return select(*(row[name] for name in COLUMNS)).where(*_is_one(tables))


def _is_one(tables: Tables) -> tuple[ColumnElement[bool], ...]:
    row = tables[SLOTS].c
    return row.trigger_type == "backfill", row.config_id.is_(None)


def _by_id(tables: Tables) -> Select[Any]:
    row = tables[SLOTS].c
    return _backfills(tables).where(row.org_slug == bindparam("slug"), row.scheduled_run_id == bindparam("id"))


def _by_window(tables: Tables) -> Select[Any]:
    row, window = tables[SLOTS].c, tables[SLOTS].alias("window_row").c
    own = select(window.config_id).where(window.scheduled_run_id == bindparam("id")).scalar_subquery()
    return _backfills(tables).where(row.org_slug == bindparam("slug"), row.scheduled_run_id == own)


def _newest_first(tables: Tables) -> Select[Any]:
    row = tables[SLOTS].c
    return _backfills(tables).where(row.org_slug == bindparam("slug")).order_by(row.created_at.desc(), row.scheduled_run_id)


def _of_org(tables: Tables) -> Select[Any]:
    return _newest_first(tables).limit(bindparam("limit"))


def _of_days(tables: Tables) -> Select[Any]:
    row = tables[SLOTS].c
    days = (
        row.window_start == bindparam("start", type_=row.window_start.type),
        row.window_end == bindparam("end", type_=row.window_end.type),
    )
    return _newest_first(tables).where(row.document == bindparam("document"), *days)


def _open_of(tables: Tables) -> Select[Any]:
    return _newest_first(tables).where(tables[SLOTS].c.state == OPEN)


def _idle(tables: Tables) -> Select[Any]:
    row, window = tables[SLOTS].c, tables[SLOTS].alias("window_row").c
    under_way = exists().where(window.config_id == row.scheduled_run_id, or_(*(window.state == word for word in UNDER_WAY)))
    return _backfills(tables).where(row.state == OPEN, ~under_way).order_by(row.created_at, row.scheduled_run_id).limit(bindparam("limit"))


def _windows(tables: Tables) -> Select[Any]:
    window = tables[SLOTS].c
    return (
        select(*(window[name] for name in OF_WINDOW))
        .where(window.config_id == bindparam("id"), window.trigger_type == "backfill")
        .order_by(window.window_start)
    )


def _close(tables: Tables) -> Update:
    row = tables[SLOTS]
    return (
        update(row)
        .where(row.c.scheduled_run_id == bindparam("id"), row.c.state == OPEN)
        .values(state=bindparam("word"), completed_at=bindparam("at", type_=row.c.completed_at.type), error_message=bindparam("why"))
    )
