"""How complete each day of each provider is, with its totals: what a dataset says, where it can be asked without opening the dataset."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Delete, Select, Update, bindparam, delete, select, update

from src.core.ledger.unit import Tables, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedDay:
    org_slug: str
    provider: str
    usage_date: date
    currency: str
    completeness: str
    completeness_reason: str | None
    billed_cost: Decimal | None
    credits: Decimal | None
    net_cost: Decimal | None
    row_count: int
    unpriced_rows: int = 0
    source_as_of: datetime | None
    pipeline_logging_id: str
    generation: int
    updated_at: datetime


COLUMNS = tuple(column.name for column in fields(TrackedDay))


def record(unit: Unit, days: Iterable[TrackedDay]) -> None:
    """A day replaces what an older publication said of it, all currencies at once; a newer one's word stands."""
    by_day: dict[tuple[str, str, date], list[TrackedDay]] = {}
    for day in days:
        by_day.setdefault((day.org_slug, day.provider, day.usage_date), []).append(day)
    table = unit.tables["org_cost_tracking"]
    for org_slug in sorted({org_slug for org_slug, _, _ in by_day}):
        unit.hold(f"days of {org_slug}")
    for (org_slug, provider, usage_date), told in by_day.items():
        place = {"org": org_slug, "by": provider, "on": usage_date}
        if unit.first(unit.prepared(_newer), {**place, "gen": told[0].generation}) is not None:
            continue
        for one in told:
            values = {name: getattr(one, name) for name in COLUMNS}
            # in its place: where nothing is undone, a day must never be without what was told of it
            if unit.change(_renewed, {f"new_{name}": value for name, value in values.items()}) != 1:
                unit.insert_once(table, values)
        unit.change(unit.prepared(_forget), {**place, "gen": told[0].generation})


def of_org(unit: Unit, org_slug: str, *, first: date, last: date) -> list[Mapping[str, Any]]:
    rows = unit.rows(unit.prepared(_of_org), {"org": org_slug, "first": first, "last": last})
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def _of_org(tables: Tables) -> Select[Any]:
    day = tables["org_cost_tracking"].c
    return (
        select(*(day[name] for name in COLUMNS))
        .where(
            day.org_slug == bindparam("org"),
            day.usage_date >= bindparam("first", type_=day.usage_date.type),
            day.usage_date <= bindparam("last", type_=day.usage_date.type),
        )
        .order_by(day.usage_date, day.provider, day.currency)
    )


def _newer(tables: Tables) -> Select[Any]:
    day = tables["org_cost_tracking"].c
    return select(day.generation).where(
        day.org_slug == bindparam("org"),
        day.provider == bindparam("by"),
        day.usage_date == bindparam("on", type_=day.usage_date.type),
        day.generation > bindparam("gen"),
    )


def _renewed(tables: Tables) -> Update:
    days = tables["org_cost_tracking"]
    new = {name: bindparam(f"new_{name}", type_=days.c[name].type) for name in COLUMNS}
    key = (days.c[name] == new[name] for name in ("org_slug", "provider", "usage_date", "currency"))
    return update(days).where(*key, days.c.generation <= new["generation"]).values(new)


def _forget(tables: Tables) -> Delete:
    """Currencies that an older publication had and this one has not."""
    days = tables["org_cost_tracking"]
    return delete(days).where(
        days.c.org_slug == bindparam("org"),
        days.c.provider == bindparam("by"),
        days.c.usage_date == bindparam("on", type_=days.c.usage_date.type),
        days.c.generation < bindparam("gen"),
    )
