"""What organisations' counters say, and what their runs say, which is what the counters stand for."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, Update, and_, bindparam, case, exists, func, or_, select, update

from src.core.ledger.unit import Tables, Unit


class Counters(NamedTuple):
    run_today: int
    run_month: int
    running: int


@dataclass(frozen=True, slots=True)
class CounterRow:
    org_slug: str
    timezone: str
    usage_date: date
    """The organisation's own day that the counters stand for."""
    updated_at: datetime
    counted: Counters


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Of one zone: the month, the day in it, and the end of both."""

    month: datetime
    day: datetime
    end: datetime


def rows(unit: Unit, slug: str | None = None) -> list[CounterRow]:
    found = unit.rows(_of(_rows(unit.tables), unit.tables["org_usage_quotas"].c.org_slug, slug))
    return [CounterRow(org, zone, day, at, Counters(today, month, running)) for org, zone, day, at, today, month, running in found]


def admitted(unit: Unit, timezone: str, span: Span, slug: str | None = None) -> dict[str, tuple[int, int]]:
    """By organisation of the zone, the runs that were admitted on the day and in the month."""
    query = _of(_admitted(unit.tables), unit.tables["org_meta_pipeline_runs"].c.org_slug, slug)
    found = unit.rows(query, {"zone": timezone, "month": span.month, "day": span.day, "end": span.end})
    return {org: (int(today), int(month)) for org, today, month in found}


def open_runs(unit: Unit, slug: str | None = None) -> dict[str, int]:
    """By organisation, the runs that have a place of the plan and are not over."""
    return {org: int(many) for org, many in unit.rows(_of(_open(unit.tables), unit.tables["org_meta_pipeline_runs"].c.org_slug, slug))}


def correct(unit: Unit, seen: CounterRow, right: Counters, at: datetime) -> bool:
    """False when the counters have changed since they were seen."""
    values = {"slug": seen.org_slug, "date": seen.usage_date, "stamp": seen.updated_at, "at": at}
    was = {f"was_{name}": value for name, value in seen.counted._asdict().items()}
    return unit.change(_correct, {**values, **was, **right._asdict()}) == 1


def _of(query: Select[Any], column: ColumnElement[str], slug: str | None) -> Select[Any]:
    return query if slug is None else query.where(column == slug)


def _rows(tables: Tables) -> Select[Any]:
    quota, profile = tables["org_usage_quotas"].c, tables["org_profiles"].c
    return (
        select(
            quota.org_slug,
            profile.timezone,
            quota.usage_date,
            quota.updated_at,
            quota.pipelines_run_today,
            quota.pipelines_run_month,
            quota.concurrent_pipelines_running,
        )
        .select_from(tables["org_usage_quotas"].join(tables["org_profiles"], profile.org_slug == quota.org_slug))
        .where(profile.status != "ERASED", profile.timezone.is_not(None))
        .order_by(quota.org_slug)
    )


def _own(tables: Tables) -> Select[Any]:
    """Runs of organisations that live, of no holder of the slug before them."""
    run, profile = tables["org_meta_pipeline_runs"].c, tables["org_profiles"].c
    same = and_(profile.org_slug == run.org_slug, or_(run.org_generation.is_(None), run.org_generation == profile.generation))
    return (
        select(run.org_slug)
        .select_from(tables["org_meta_pipeline_runs"].join(tables["org_profiles"], same))
        .where(profile.status != "ERASED")
    )


def _admitted(tables: Tables) -> Select[Any]:
    run, trigger = tables["org_meta_pipeline_runs"].c, tables["org_scheduled_pipeline_runs"].c
    month, day, end = (bindparam(name, type_=run.accepted_at.type) for name in ("month", "day", "end"))
    # what a call did by itself, an onboarding for example, is a run too, and was not admitted
    # nor was a window of a backfill that had taken its run of the day before
    triggered = exists().where(trigger.pipeline_logging_id == run.pipeline_logging_id, trigger.counted.is_not(False))
    return (
        _own(tables)
        .add_columns(func.sum(case((run.accepted_at >= day, 1), else_=0)), func.count())
        .where(tables["org_profiles"].c.timezone == bindparam("zone"), run.accepted_at >= month, run.accepted_at < end, triggered)
        .group_by(run.org_slug)
    )


def _open(tables: Tables) -> Select[Any]:
    run = tables["org_meta_pipeline_runs"].c
    return _own(tables).add_columns(func.count()).where(run.active_key.is_not(None), run.holds_place.is_not(False)).group_by(run.org_slug)


def _correct(tables: Tables) -> Update:
    quota = tables["org_usage_quotas"]
    stamp = quota.c.updated_at.type
    return (
        update(quota)
        .where(
            quota.c.org_slug == bindparam("slug"),
            quota.c.usage_date == bindparam("date", type_=quota.c.usage_date.type),
            quota.c.updated_at == bindparam("stamp", type_=stamp),
            quota.c.pipelines_run_today == bindparam("was_run_today"),
            quota.c.pipelines_run_month == bindparam("was_run_month"),
            quota.c.concurrent_pipelines_running == bindparam("was_running"),
        )
        .values(
            pipelines_run_today=bindparam("run_today"),
            pipelines_run_month=bindparam("run_month"),
            concurrent_pipelines_running=bindparam("running"),
            updated_at=bindparam("at", type_=stamp),
        )
    )
