from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, Update, bindparam, case, exists, func, literal, or_, select, update

from src.core.ledger.tables import orgs
from src.core.ledger.tables.subscriptions import may_run
from src.core.ledger.unit import Tables, Unit

Reason = Literal["blocked", "monthly", "daily", "concurrent"]


@dataclass(frozen=True, slots=True)
class Usage:
    """What is used of each limit on `day`, the organisation's own."""

    day: date
    run_today: int
    run_month: int
    running: int
    daily_limit: int
    monthly_limit: int
    concurrent_limit: int
    may_run: bool
    windows: int = 0
    """Of those that run at once, windows of backfills. They keep no fresh run from being admitted: it begins as soon as one is over."""


@dataclass(frozen=True, slots=True)
class QuotaRefused:
    reason: Reason
    used: Usage


def reserve(unit: Unit, org_slug: str, *, day: date, at: datetime) -> QuotaRefused | None:
    """Takes one run of each limit and answers None, or says which limit refuses; of several, the one that lasts longest."""
    # a limit that is lowered, and an organisation that leaves, are seen by whoever comes after
    orgs.alone(unit, org_slug)
    if unit.change(_reserve, {"slug": org_slug, "day": day, "month": day.replace(day=1), "at": at}) == 1:
        return None
    used = usage(unit, org_slug, day)
    # the slot that lacked may be free by now
    return QuotaRefused(reached(used) or "concurrent", used)


def reserve_turn(unit: Unit, org_slug: str, *, day: date, at: datetime) -> QuotaRefused | None:
    """`reserve`, where what takes the places are windows of backfills: it is counted, and is to begin when one of them is over."""
    orgs.alone(unit, org_slug)
    # a window that is just ending has the counters: what the next statement reads of it is then as new as they are
    unit.change(_touch, {"slug": org_slug, "at": at})
    if unit.change(_reserve_turn, {"slug": org_slug, "day": day, "month": day.replace(day=1), "at": at}) == 1:
        return None
    used = usage(unit, org_slug, day)
    return QuotaRefused(reached(used) or "concurrent", used)


def count(unit: Unit, org_slug: str, *, day: date, at: datetime) -> QuotaRefused | None:
    """Takes one run of the day and the month, and no place."""
    orgs.alone(unit, org_slug)
    if unit.change(_count, {"slug": org_slug, "day": day, "month": day.replace(day=1), "at": at}) == 1:
        return None
    used = usage(unit, org_slug, day)
    return QuotaRefused(reached(used) or "daily", used)


def blocked(unit: Unit, org_slug: str, *, day: date) -> QuotaRefused | None:
    """Whether it may run at all, for a run that takes nothing of the plan now."""
    orgs.alone(unit, org_slug)
    used = usage(unit, org_slug, day)
    return None if used.may_run else QuotaRefused("blocked", used)


def take_place(unit: Unit, org_slug: str, *, day: date, at: datetime) -> QuotaRefused | None:
    """A place alone, for a run that was counted when it was admitted."""
    orgs.alone(unit, org_slug)
    if unit.change(_take_place, {"slug": org_slug, "day": day, "at": at}) == 1:
        return None
    used = usage(unit, org_slug, day)
    return QuotaRefused("concurrent" if used.may_run else "blocked", used)


def release(unit: Unit, org_slug: str, at: datetime, *, had_turn: bool = False) -> None:
    """Frees one place. `had_turn` says that a worker had its run, so that the other organisations are next."""
    unit.change_later(_release, {"slug": org_slug, "at": at, "turn": at if had_turn else None})


def end_turn(unit: Unit, org_slug: str, at: datetime) -> None:
    """A worker has let go of a run of it, which goes on waiting."""
    unit.change_later(_end_turn, {"slug": org_slug, "at": at})


def release_of(unit: Unit, org_slug: str, run_id: str, at: datetime, *, had_turn: bool = False) -> None:
    """Frees the run's place, if it has one. Whoever ended the run calls it, once: when `runs.finish` answered True."""
    unit.change_later(_release_of, {"slug": org_slug, "run_id": run_id, "at": at, "turn": at if had_turn else None})


def give_back(unit: Unit, org_slug: str, *, day: date, at: datetime) -> None:
    """Takes back a reservation of that day from which no run came."""
    unit.change(_give_back, {"slug": org_slug, "day": day, "month": day.replace(day=1), "at": at})


def uncount(unit: Unit, org_slug: str, *, day: date, at: datetime) -> None:
    """`give_back` of what was counted without a place."""
    unit.change(_uncount, {"slug": org_slug, "day": day, "month": day.replace(day=1), "at": at})


def roll_over(unit: Unit, timezone: str, *, day: date, at: datetime) -> int:
    """Begins the day anew for the organisations of a zone whose counters stand for an earlier one; how many."""
    return unit.change(_roll_over, {"zone": timezone, "day": day, "month": day.replace(day=1), "at": at})


def free_lost(unit: Unit, *, before: datetime, at: datetime) -> int:
    """Frees running slots that no run holds, of organisations that nothing was counted for since.

    There are some only where a process died between statements that the engine does not undo.
    """
    return unit.change(_free_lost, {"before": before, "at": at})


def usage(unit: Unit, org_slug: str, day: date) -> Usage:
    row = unit.point(_usage, {"org_slug": org_slug})
    if row is None:
        return Usage(day, 0, 0, 0, 0, 0, 0, may_run=False)
    counted, today, month, running, daily, monthly, concurrent, status, trial_end, org_status, windows = row
    return Usage(
        # a day ahead of the caller's was counted by somebody past midnight: those counters hold
        day=max(day, counted),
        run_today=today if counted >= day else 0,
        run_month=month if counted >= day.replace(day=1) else 0,
        running=running,
        daily_limit=daily,
        monthly_limit=monthly,
        concurrent_limit=concurrent,
        may_run=org_status == "ACTIVE" and may_run(status, trial_end, day),
        windows=windows,
    )


def reached(used: Usage) -> Reason | None:
    """The limit that would refuse another run."""
    if not used.may_run:
        return "blocked"
    if used.run_month >= used.monthly_limit:
        return "monthly"
    if used.run_today >= used.daily_limit:
        return "daily"
    return "concurrent" if used.running - used.windows >= used.concurrent_limit else None


def _reserve(tables: Tables) -> Update:
    taken = tables["org_usage_quotas"].c.concurrent_pipelines_running
    return _counted(tables).where(taken < _limit(tables, "concurrent_run_limit")).values(concurrent_pipelines_running=taken + 1)


def _reserve_turn(tables: Tables) -> Update:
    taken, run = tables["org_usage_quotas"].c.concurrent_pipelines_running, tables["org_meta_pipeline_runs"].c
    windows = select(func.count()).where(run.org_slug == bindparam("slug"), *_window(run)).scalar_subquery()
    return _counted(tables).where(taken - windows < _limit(tables, "concurrent_run_limit")).values(concurrent_pipelines_running=taken + 1)


def _window(run: Any) -> tuple[ColumnElement[bool], ...]:
    """Of a backfill, with a place."""
    return run.trigger_type == "backfill", run.active_key.is_not(None), run.holds_place.is_not(False)


def _touch(tables: Tables) -> Update:
    quota = tables["org_usage_quotas"]
    return update(quota).where(quota.c.org_slug == bindparam("slug")).values(updated_at=bindparam("at", type_=quota.c.updated_at.type))


def _count(tables: Tables) -> Update:
    return _counted(tables)


def _counted(tables: Tables) -> Update:
    """Rolls the day and the month over, checks and counts, all in one statement: its row count is the answer.

    Time only moves forward here: a caller that still thinks it is yesterday counts on today's side and resets nothing.
    """
    quota = tables["org_usage_quotas"]
    day = bindparam("day", type_=quota.c.usage_date.type)
    month = bindparam("month", type_=quota.c.usage_date.type)
    at = bindparam("at", type_=quota.c.updated_at.type)
    today = case((quota.c.usage_date < day, literal(0)), else_=quota.c.pipelines_run_today)
    this_month = case((quota.c.usage_date < month, literal(0)), else_=quota.c.pipelines_run_month)
    return (
        update(quota)
        .where(
            quota.c.org_slug == bindparam("slug"),
            today < _limit(tables, "daily_run_limit"),
            this_month < _limit(tables, "monthly_run_limit"),
        )
        .values(
            usage_date=case((quota.c.usage_date < day, day), else_=quota.c.usage_date),
            pipelines_run_today=today + 1,
            pipelines_run_month=this_month + 1,
            last_run_at=at,
            updated_at=at,
        )
    )


def _take_place(tables: Tables) -> Update:
    quota = tables["org_usage_quotas"]
    running = quota.c.concurrent_pipelines_running
    return (
        update(quota)
        .where(quota.c.org_slug == bindparam("slug"), running < _limit(tables, "concurrent_run_limit"))
        .values(concurrent_pipelines_running=running + 1, updated_at=bindparam("at", type_=quota.c.updated_at.type))
    )


def _limit(tables: Tables, column: str) -> ColumnElement[int]:
    """Nothing, and so no admission, unless the organisation and its subscription may run."""
    subscription, profile = tables["org_subscriptions"].c, tables["org_profiles"].c
    day = bindparam("day", type_=subscription.trial_end_date.type)
    trying = (subscription.status == "TRIAL") & or_(subscription.trial_end_date.is_(None), subscription.trial_end_date >= day)
    living = exists().where(profile.org_slug == bindparam("slug"), profile.status == "ACTIVE")
    return (
        select(subscription[column])
        .where(subscription.org_slug == bindparam("slug"), or_(subscription.status == "ACTIVE", trying), living)
        .scalar_subquery()
    )


def _roll_over(tables: Tables) -> Update:
    quota, profile = tables["org_usage_quotas"], tables["org_profiles"].c
    day = bindparam("day", type_=quota.c.usage_date.type)
    month = bindparam("month", type_=quota.c.usage_date.type)
    theirs = select(profile.org_slug).where(profile.timezone == bindparam("zone"), profile.status != "ERASED")
    return (
        update(quota)
        .where(quota.c.usage_date < day, quota.c.org_slug.in_(theirs))
        .values(
            usage_date=day,
            pipelines_run_today=0,
            pipelines_run_month=case((quota.c.usage_date < month, literal(0)), else_=quota.c.pipelines_run_month),
            updated_at=bindparam("at", type_=quota.c.updated_at.type),
        )
    )


def _release(tables: Tables) -> Update:
    quota = tables["org_usage_quotas"]
    return (
        update(quota)
        .where(quota.c.org_slug == bindparam("slug"), quota.c.concurrent_pipelines_running > 0)
        .values(
            concurrent_pipelines_running=quota.c.concurrent_pipelines_running - 1,
            last_turn_at=func.coalesce(bindparam("turn", type_=quota.c.last_turn_at.type), quota.c.last_turn_at),
            updated_at=bindparam("at"),
        )
    )


def _release_of(tables: Tables) -> Update:
    run = tables["org_meta_pipeline_runs"].c
    return _release(tables).where(exists().where(run.pipeline_logging_id == bindparam("run_id"), run.holds_place.is_not(False)))


def _end_turn(tables: Tables) -> Update:
    quota = tables["org_usage_quotas"]
    # not `updated_at`, by which a sweep knows that nothing was counted since
    return update(quota).where(quota.c.org_slug == bindparam("slug")).values(last_turn_at=bindparam("at"))


def _give_back(tables: Tables) -> Update:
    running = tables["org_usage_quotas"].c.concurrent_pipelines_running
    return _uncount(tables).where(running > 0).values(concurrent_pipelines_running=running - 1)


def _uncount(tables: Tables) -> Update:
    quota = tables["org_usage_quotas"]
    month = bindparam("month", type_=quota.c.usage_date.type)
    today, this_month = quota.c.pipelines_run_today, quota.c.pipelines_run_month
    # what began anew meanwhile was not counted on this one
    same_day = (quota.c.usage_date == bindparam("day", type_=quota.c.usage_date.type)) & (today > 0)
    same_month = (quota.c.usage_date >= month) & (this_month > 0)
    return (
        update(quota)
        .where(quota.c.org_slug == bindparam("slug"))
        .values(
            pipelines_run_today=case((same_day, today - 1), else_=today),
            pipelines_run_month=case((same_month, this_month - 1), else_=this_month),
            updated_at=bindparam("at", type_=quota.c.updated_at.type),
        )
    )


def _free_lost(tables: Tables) -> Update:
    quota, run = tables["org_usage_quotas"], tables["org_meta_pipeline_runs"].c
    stamp = quota.c.updated_at
    before = bindparam("before", type_=stamp.type)
    # the place of a run that has just ended is about to be freed by who ended it
    holding = (run.org_slug == quota.c.org_slug, run.holds_place.is_not(False), or_(run.active_key.is_not(None), run.ended_at >= before))
    held = select(func.count()).where(*holding).correlate(quota).scalar_subquery()
    return (
        update(quota)
        .where(stamp < before, quota.c.concurrent_pipelines_running > held)
        .values(concurrent_pipelines_running=held, updated_at=bindparam("at", type_=stamp.type))
    )


def _usage(tables: Tables) -> Select[Any]:
    quota, subscription, profile = tables["org_usage_quotas"].c, tables["org_subscriptions"].c, tables["org_profiles"].c
    run = tables["org_meta_pipeline_runs"].c
    windows = select(func.count()).where(run.org_slug == bindparam("org_slug"), *_window(run)).scalar_subquery()
    return (
        select(
            quota.usage_date,
            quota.pipelines_run_today,
            quota.pipelines_run_month,
            quota.concurrent_pipelines_running,
            subscription.daily_run_limit,
            subscription.monthly_run_limit,
            subscription.concurrent_run_limit,
            subscription.status,
            subscription.trial_end_date,
            profile.status,
            windows.label("windows"),
        )
        .select_from(
            tables["org_usage_quotas"]
            .join(tables["org_subscriptions"], subscription.org_slug == quota.org_slug)
            .join(tables["org_profiles"], (profile.org_slug == quota.org_slug) & (profile.status != "ERASED"))
        )
        .where(quota.org_slug == bindparam("org_slug"))
    )
