"""How complete each day of each provider is, with its totals: what a dataset says, where it can be asked without opening the dataset."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Delete, Select, Table, bindparam, delete, exists, select
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from src.core.base.events import Event, stable_id
from src.core.ledger.tables import events
from src.core.ledger.unit import Row, Tables, Unit


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
# nothing that is known is lacking from such a day
GOOD = ("complete", "provisional")
# days that one event names
MOST_TOLD = 100


def record(unit: Unit, days: Iterable[TrackedDay]) -> None:
    """A day replaces what an older publication said of it, all currencies at once; a newer one's word stands."""
    # what is told twice goes in once: BigQuery refuses an UPDATE that has two rows for one
    told: dict[tuple[str, str], dict[tuple[date, str], TrackedDay]] = defaultdict(dict)
    for day in days:
        told[day.org_slug, day.provider][day.usage_date, day.currency] = day
    # in one order, so that two publications never wait for each other
    for org_slug in sorted({org_slug for org_slug, _ in told}):
        unit.hold(f"days of {org_slug}")
    for (org_slug, provider), by_key in told.items():
        dates = [usage_date for usage_date, _ in by_key]
        place = {"org": org_slug, "by": provider, "first": min(dates), "last": max(dates)}
        standing = unit.rows(unit.prepared(_standing), place)
        worse = _worse(org_slug, provider, list(by_key.values()), standing)
        if worse is not None:
            # first: where nothing is undone, a break after it would leave days that nobody is told of
            events.record(unit, worse)
        _put(unit, list(by_key.values()), standing)
        # last: until the newer currencies are there the older ones stand for the day
        unit.change(_forget, place)


def _worse(org_slug: str, provider: str, told: Sequence[TrackedDay], standing: Sequence[Row]) -> Event | None:
    """Of days that were good before this publication and are not by its word."""
    was = {usage_date: word for usage_date, _, _, word in standing if word in GOOD}
    newest = {usage_date: generation for usage_date, _, generation, _ in sorted(standing, key=lambda row: row[2])}
    heard = [day for day in told if day.usage_date in was and day.generation >= newest[day.usage_date]]
    days = {day.usage_date: day for day in heard if day.completeness not in GOOD}
    if not days:
        return None
    last = next(iter(days.values()))
    changed = [
        {"usage_date": str(each), "was": was[each], "now": day.completeness, "reason": day.completeness_reason}
        for each, day in sorted(days.items())[:MOST_TOLD]
    ]
    return Event(
        event_id=stable_id("days", org_slug, provider, last.pipeline_logging_id, *(str(day) for day in sorted(days))),
        type="data.stale",
        org_slug=org_slug,
        occurred_at=last.updated_at,
        data={"provider": provider, "days": changed},
    )


def _put(unit: Unit, told: Sequence[TrackedDay], standing: Sequence[Row]) -> None:
    """All days of a provider in a few statements, for where each takes a second."""
    table = unit.tables["org_cost_tracking"]
    newest: dict[date, int] = {}
    for usage_date, _, generation, _ in standing:
        newest[usage_date] = max(generation, newest.get(usage_date, generation))
    there = {(usage_date, currency) for usage_date, currency, _, _ in standing}
    heard = [day for day in told if day.generation >= newest.get(day.usage_date, day.generation)]
    known = [day for day in heard if (day.usage_date, day.currency) in there]
    # in its place: where nothing is undone, a day must never be without what was told of it
    renewed = unit.renew(table, [_values(day) for day in known], "generation")
    # one that is gone since it was seen is inserted as well, and one that is there is not
    lacking = heard if renewed < len(known) else [day for day in heard if (day.usage_date, day.currency) not in there]
    if _insert(unit, table, lacking) < len(lacking):
        # somebody older may have come first
        unit.renew(table, [_values(day) for day in lacking], "generation")


def _insert(unit: Unit, table: Table, days: Sequence[TrackedDay]) -> int:
    by_month: dict[str, list[TrackedDay]] = defaultdict(list)
    for day in days:
        # by months, so that no chain of attempts becomes long
        by_month[f"{day.org_slug} {day.provider} {day.usage_date:%Y-%m}"].append(day)
    return sum(unit.insert_all(table, [_values(day) for day in some], rivals) for rivals, some in by_month.items())


def _values(day: TrackedDay) -> dict[str, Any]:
    return {name: getattr(day, name) for name in COLUMNS}


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


def _standing(tables: Tables) -> Select[Any]:
    day = tables["org_cost_tracking"].c
    return select(day.usage_date, day.currency, day.generation, day.completeness).where(*_within(day))


def _forget(tables: Tables) -> Delete:
    """Currencies that an older publication had of a day and the newest has not."""
    days = tables["org_cost_tracking"]
    newer = days.alias("newer")
    outdone = exists().where(*_within(newer.c), newer.c.usage_date == days.c.usage_date, newer.c.generation > days.c.generation)
    return delete(days).where(*_within(days.c), outdone)


def _within(day: ReadOnlyColumnCollection[str, Any]) -> Sequence[ColumnElement[bool]]:
    return (
        day.org_slug == bindparam("org"),
        day.provider == bindparam("by"),
        day.usage_date >= bindparam("first", type_=day.usage_date.type),
        day.usage_date <= bindparam("last", type_=day.usage_date.type),
    )
