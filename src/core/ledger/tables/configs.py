"""Schedules of organisations, and the lease of the clock that looks for those that are due."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Delete, Join, Select, Update, and_, bindparam, delete, func, or_, select, update

from src.core.ledger.unit import Tables, Unit

CONFIGS = "org_pipeline_configs"
CLOCK = "clock"
# no organisation's slug has a star in it
NOBODY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    config_id: str
    org_slug: str
    pipeline_id: str
    document: str
    provider: str | None
    domain: str | None
    schedule_cron: str
    timezone: str
    is_active: bool
    next_run_time: datetime | None
    last_run_time: datetime | None = None
    priority: int = 0
    max_retries: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    catch_up: bool = False
    created_by: str | None = None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ClockLease:
    owner: str | None
    until: datetime | None


FIXED = frozenset({"config_id", "org_slug", "created_at", "created_by"})
COLUMNS = tuple(column.name for column in fields(Schedule))


def add(unit: Unit, schedule: Schedule) -> bool:
    """False when one of that id is there."""
    return unit.insert_once(unit.tables[CONFIGS], _values(schedule))


def get(unit: Unit, org_slug: str, config_id: str) -> Schedule | None:
    row = unit.point(_by_id, {"slug": org_slug, "id": config_id})
    return _schedule(row) if row else None


def listing(unit: Unit, org_slug: str) -> list[Schedule]:
    return [_schedule(row) for row in unit.rows(unit.prepared(_of_org), {"slug": org_slug})]


def number(unit: Unit, org_slug: str) -> int:
    row = unit.first(unit.prepared(_number), {"slug": org_slug})
    return int(row[0]) if row else 0


def change(unit: Unit, seen: Schedule, changed: Schedule) -> bool:
    """False when it is not as it was seen any more."""
    new = {f"new_{name}": value for name, value in _values(changed).items() if name not in FIXED}
    mine = {"slug": seen.org_slug, "id": seen.config_id, "seen": seen.updated_at}
    return unit.change(unit.prepared(_change), {**new, **mine}) == 1


def remove(unit: Unit, org_slug: str, config_id: str) -> bool:
    return unit.change(_remove, {"slug": org_slug, "id": config_id}) == 1


def due(unit: Unit, at: datetime, limit: int) -> list[Schedule]:
    """One of each organisation, then the second of each: nobody's many stand before another's first."""
    return [_schedule(row) for row in unit.rows(unit.prepared(_due), {"at": at, "limit": limit})]


def move(unit: Unit, schedule: Schedule, fired: datetime, following: datetime) -> bool:
    """From the due time that was seen to the next; False when another was quicker."""
    values = {"id": schedule.config_id, "seen": schedule.next_run_time, "fired": fired, "following": following}
    return unit.change(_move, values) == 1


def coming(unit: Unit, limit: int) -> list[Schedule]:
    """The next to fall due, those that are due already first. None of an organisation that is being off-boarded."""
    return [_schedule(row) for row in unit.rows(unit.prepared(_coming), {"limit": limit})]


def overdue(unit: Unit, at: datetime) -> tuple[int, datetime | None]:
    """How many are due, and since when the first of them. None of an organisation that is being off-boarded."""
    row = unit.first(unit.prepared(_overdue), {"at": at})
    return (int(row[0]), row[1]) if row else (0, None)


def lease(unit: Unit, owner: str, at: datetime, until: datetime) -> bool:
    """Whether the clock is this owner's until then."""
    stamps = {"created_at": at, "updated_at": at}
    if unit.change(_lease, {"by": owner, "at": at, "until": until}) == 1:
        return True
    if unit.point(_lease_of, {}) is not None:
        return False
    row = {
        "config_id": CLOCK, "org_slug": NOBODY, "pipeline_id": CLOCK, "document": CLOCK, "schedule_cron": "", "timezone": "UTC",
        "is_active": False, "priority": 0, "max_retries": 0, "lease_owner": owner, "lease_expires_at": until, **stamps,
    }  # fmt: skip
    return unit.insert_once(unit.tables[CONFIGS], row)


def release(unit: Unit, owner: str, at: datetime) -> None:
    unit.change(_release, {"by": owner, "at": at})


def void_lease(unit: Unit) -> None:
    """Whoever has it."""
    found = leased(unit)
    if found.owner is not None and found.until is not None:
        release(unit, found.owner, found.until)


def begin_day(unit: Unit, at: datetime, midnight: datetime) -> bool:
    """Whether the clock's work of this day is the caller's to do: the first to ask since midnight, of all processes."""
    return unit.change(_begin_day, {"at": at, "midnight": midnight}) == 1


def leased(unit: Unit) -> ClockLease:
    row = unit.point(_lease_of, {})
    return ClockLease(*row) if row else ClockLease(None, None)


def _values(schedule: Schedule) -> dict[str, Any]:
    return {**asdict(schedule), "parameters": dict(schedule.parameters)}


def _schedule(row: Any) -> Schedule:
    told = dict(zip(COLUMNS, row, strict=True))
    return Schedule(**{**told, "parameters": told["parameters"] or {}, "catch_up": bool(told["catch_up"])})


def _schedules(tables: Tables) -> Select[Any]:
    config = tables[CONFIGS].c
    return select(*(config[name] for name in COLUMNS))


def _by_id(tables: Tables) -> Select[Any]:
    config = tables[CONFIGS].c
    return _schedules(tables).where(config.org_slug == bindparam("slug"), config.config_id == bindparam("id"))


def _of_org(tables: Tables) -> Select[Any]:
    config = tables[CONFIGS].c
    return _schedules(tables).where(config.org_slug == bindparam("slug")).order_by(config.document, config.config_id)


def _number(tables: Tables) -> Select[Any]:
    return select(func.count()).select_from(tables[CONFIGS]).where(tables[CONFIGS].c.org_slug == bindparam("slug"))


def _change(tables: Tables) -> Update:
    configs = tables[CONFIGS]
    new = {name: bindparam(f"new_{name}", type_=configs.c[name].type) for name in COLUMNS if name not in FIXED}
    mine = (configs.c.org_slug == bindparam("slug"), configs.c.config_id == bindparam("id"))
    return update(configs).where(*mine, configs.c.updated_at == bindparam("seen", type_=configs.c.updated_at.type)).values(new)


def _remove(tables: Tables) -> Delete:
    configs = tables[CONFIGS]
    return delete(configs).where(configs.c.org_slug == bindparam("slug"), configs.c.config_id == bindparam("id"))


def _of_the_living(tables: Tables) -> Join:
    """Schedules of organisations that are not being off-boarded."""
    config, profile = tables[CONFIGS].c, tables["org_profiles"].c
    return tables[CONFIGS].join(tables["org_profiles"], (profile.org_slug == config.org_slug) & (profile.status == "ACTIVE"))


def _due(tables: Tables) -> Select[Any]:
    config = tables[CONFIGS].c
    at = bindparam("at", type_=config.next_run_time.type)
    order = (config.priority.desc(), config.next_run_time, config.config_id)
    turn = func.row_number().over(partition_by=config.org_slug, order_by=order).label("turn")
    found = (
        select(*(config[name] for name in COLUMNS), turn)
        .select_from(_of_the_living(tables))
        .where(config.is_active.is_(True), config.next_run_time <= at)
        .subquery("found")
    )
    return (
        select(*(found.c[name] for name in COLUMNS))
        .order_by(found.c.turn, found.c.priority.desc(), found.c.next_run_time, found.c.config_id)
        .limit(bindparam("limit"))
    )


def _move(tables: Tables) -> Update:
    configs = tables[CONFIGS]
    stamp = configs.c.next_run_time.type
    return (
        update(configs)
        .where(configs.c.config_id == bindparam("id"), configs.c.next_run_time == bindparam("seen", type_=stamp))
        .values(last_run_time=bindparam("fired", type_=stamp), next_run_time=bindparam("following", type_=stamp))
    )


def _coming(tables: Tables) -> Select[Any]:
    config = tables[CONFIGS].c
    return (
        _schedules(tables)
        .select_from(_of_the_living(tables))
        .where(config.is_active.is_(True), config.next_run_time.is_not(None))
        .order_by(config.next_run_time, config.config_id)
        .limit(bindparam("limit"))
    )


def _overdue(tables: Tables) -> Select[Any]:
    config = tables[CONFIGS].c
    at = bindparam("at", type_=config.next_run_time.type)
    return (
        select(func.count(), func.min(config.next_run_time, type_=config.next_run_time.type))
        .select_from(_of_the_living(tables))
        .where(config.is_active.is_(True), config.next_run_time <= at)
    )


def _lease(tables: Tables) -> Update:
    configs = tables[CONFIGS]
    stamp = configs.c.lease_expires_at.type
    at = bindparam("at", type_=stamp)
    free = or_(configs.c.lease_owner.is_(None), configs.c.lease_owner == bindparam("by"), configs.c.lease_expires_at <= at)
    return (
        update(configs)
        .where(configs.c.config_id == CLOCK, free)
        .values(lease_owner=bindparam("by"), lease_expires_at=bindparam("until", type_=stamp), updated_at=at)
    )


def _release(tables: Tables) -> Update:
    configs = tables[CONFIGS]
    mine = and_(configs.c.config_id == CLOCK, configs.c.lease_owner == bindparam("by"))
    return update(configs).where(mine).values(lease_owner=None, lease_expires_at=None, updated_at=bindparam("at"))


def _begin_day(tables: Tables) -> Update:
    configs = tables[CONFIGS]
    stamp = configs.c.last_run_time.type
    undone = or_(configs.c.last_run_time.is_(None), configs.c.last_run_time < bindparam("midnight", type_=stamp))
    return update(configs).where(configs.c.config_id == CLOCK, undone).values(last_run_time=bindparam("at", type_=stamp))


def _lease_of(tables: Tables) -> Select[Any]:
    config = tables[CONFIGS].c
    return select(config.lease_owner, config.lease_expires_at).where(config.config_id == CLOCK)
