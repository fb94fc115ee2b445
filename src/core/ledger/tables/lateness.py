"""Days that did not come, or that nobody has looked after: what the clock finds of all organisations that are told of it."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, case, func, select

from src.core.ledger.tables.channels import CHANNELS
from src.core.ledger.unit import Tables, Unit


class TrackedSpan(NamedTuple):
    """Of an organisation's provider, since the day that was asked for."""

    org_slug: str
    provider: str
    last_day: date | None
    """The last of which there are figures."""
    provisional: int


class EndedTrial(NamedTuple):
    org_slug: str
    generation: int
    timezone: str
    trial_end_date: date


Pair = tuple[str, str]


def told(unit: Unit) -> frozenset[str]:
    """The organisations that have a channel."""
    return frozenset(row[0] for row in unit.rows(unit.prepared(_told)))


def spans(unit: Unit, since: date) -> list[TrackedSpan]:
    return [TrackedSpan(*row) for row in unit.rows(unit.prepared(_spans), {"since": since})]


def scheduled(unit: Unit) -> frozenset[Pair]:
    """Which providers are loaded by a schedule."""
    return _pairs(unit.rows(unit.prepared(_scheduled)))


def last_successes(unit: Unit, since: datetime) -> dict[Pair, datetime]:
    """When a run of the provider last succeeded."""
    return {(row[0], row[1]): row[2] for row in unit.rows(unit.prepared(_last_successes), {"since": since})}


def trials_between(unit: Unit, first: date, end: date) -> list[EndedTrial]:
    """Trials whose last day is the first or a later one, and lies before the end."""
    return [EndedTrial(*row) for row in unit.rows(unit.prepared(_trials_between), {"first": first, "end": end})]


def _pairs(rows: Iterable[Any]) -> frozenset[Pair]:
    return frozenset((row[0], row[1]) for row in rows)


def _told(tables: Tables) -> Select[Any]:
    channel = tables[CHANNELS].c
    return select(channel.org_slug).where(channel.is_active.is_(True)).distinct()


def _spans(tables: Tables) -> Select[Any]:
    day = tables["org_cost_tracking"].c
    last = func.max(case((day.completeness != "missing", day.usage_date)))
    provisional = func.sum(case((day.completeness == "provisional", 1), else_=0))
    since = bindparam("since", type_=day.usage_date.type)
    return select(day.org_slug, day.provider, last, provisional).where(day.usage_date >= since).group_by(day.org_slug, day.provider)


def _scheduled(tables: Tables) -> Select[Any]:
    schedule = tables["org_pipeline_configs"].c
    active = (schedule.is_active.is_(True), schedule.provider.is_not(None), schedule.next_run_time.is_not(None))
    return select(schedule.org_slug, schedule.provider).where(*active).distinct()


def _last_successes(tables: Tables) -> Select[Any]:
    run = tables["org_meta_pipeline_runs"].c
    done = (run.status == "SUCCESS", run.org_slug.is_not(None), run.provider.is_not(None), run.window_start.is_not(None))
    recent = run.accepted_at >= bindparam("since", type_=run.accepted_at.type)
    return select(run.org_slug, run.provider, func.max(run.ended_at)).where(*done, recent).group_by(run.org_slug, run.provider)


def _trials_between(tables: Tables) -> Select[Any]:
    profile, subscription = tables["org_profiles"].c, tables["org_subscriptions"].c
    joined = tables["org_profiles"].join(tables["org_subscriptions"], subscription.org_slug == profile.org_slug)
    first, end = (bindparam(name, type_=subscription.trial_end_date.type) for name in ("first", "end"))
    over = (subscription.status == "TRIAL", subscription.trial_end_date >= first, subscription.trial_end_date < end)
    named = (profile.org_slug, profile.generation, profile.timezone, subscription.trial_end_date)
    return select(*named).select_from(joined).where(profile.status == "ACTIVE", *over)
