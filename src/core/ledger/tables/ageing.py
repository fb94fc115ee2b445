"""Rows that are old enough to be removed. Each removal is one statement that finds them itself, so two at once remove each row once."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, Delete, FromClause, bindparam, delete, exists, select

from src.core.ledger.unit import Tables, Unit

Aged = Literal["queue", "runs", "steps", "dq", "scheduled", "audit", "notifications", "events", "answers"]


def remove(unit: Unit, kind: Aged, before: datetime, limit: int) -> int:
    """At most so many of the rows from before then that nobody needs; how many went."""
    # two callers that delete the same rows in another order would wait for each other
    unit.hold("ageing")
    return unit.change(_REMOVALS[kind], {"before": before, "limit": limit})


def _queue(tables: Tables) -> Delete:
    def aged(old: FromClause, _: Tables) -> tuple[ColumnElement[bool], ...]:
        return old.c.state == "DEAD", _before(old, "updated_at")

    return _oldest(tables, "org_pipeline_execution_queue", aged)


def _runs(tables: Tables) -> Delete:
    def aged(old: FromClause, tables: Tables) -> tuple[ColumnElement[bool], ...]:
        # a dead entry may be put back, and then wants its run
        over = (old.c.active_key.is_(None), _before(old, "ended_at"), _before(old, "accepted_at"))
        return *over, ~_there(tables, "org_pipeline_execution_queue", old)

    return _oldest(tables, "org_meta_pipeline_runs", aged)


def _of_runs_gone(name: str, moment: str) -> Callable[[Tables], Delete]:
    def aged(old: FromClause, tables: Tables) -> tuple[ColumnElement[bool], ...]:
        return _before(old, moment), ~_there(tables, "org_meta_pipeline_runs", old)

    def build(tables: Tables) -> Delete:
        return _oldest(tables, name, aged)

    return build


def _scheduled(tables: Tables) -> Delete:
    def aged(old: FromClause, tables: Tables) -> tuple[ColumnElement[bool], ...]:
        schedule = tables["org_pipeline_configs"].c
        # a schedule that has not moved on from this slot would have it again
        due = exists().where(schedule.config_id == old.c.config_id, schedule.next_run_time <= old.c.scheduled_time)
        backfill = tables["org_scheduled_pipeline_runs"].alias("backfill").c
        ordered = exists().where(backfill.scheduled_run_id == old.c.config_id, backfill.state == "OPEN")
        over = (old.c.state != "WAITING", old.c.state != "OPEN", ~due, ~ordered)
        past = (_before(old, "scheduled_time"), _before(old, "created_at"), *over)
        return *past, ~_there(tables, "org_meta_pipeline_runs", old), ~_there(tables, "org_pipeline_execution_queue", old)

    return _oldest(tables, "org_scheduled_pipeline_runs", aged)


def _audit(tables: Tables) -> Delete:
    return _oldest(tables, "org_audit_logs", lambda old, _: (_before(old, "occurred_at"),))


def _answers(tables: Tables) -> Delete:
    return _oldest(tables, "org_audit_logs", lambda old, _: (_before(old, "occurred_at"), old.c.request_digest.is_not(None)))


def _notifications(tables: Tables) -> Delete:
    def aged(old: FromClause, _: Tables) -> tuple[ColumnElement[bool], ...]:
        # a replay may have made an old one wait again
        over = (old.c.state != "WAITING", old.c.state != "GATHERED")
        return *over, _before(old, "created_at"), _before(old, "updated_at")

    return _oldest(tables, "org_notifications", aged)


def _events(tables: Tables) -> Delete:
    def aged(old: FromClause, tables: Tables) -> tuple[ColumnElement[bool], ...]:
        told = exists().where(tables["org_notifications"].c.event_id == old.c.event_id)
        return old.c.state != "NEW", _before(old, "occurred_at"), ~told

    return _oldest(tables, "org_events", aged)


def _oldest(tables: Tables, name: str, aged: Callable[[FromClause, Tables], tuple[ColumnElement[bool], ...]]) -> Delete:
    table = tables[name]
    (key,) = table.primary_key.columns
    old = table.alias("old")
    found = select(old.c[key.name]).where(*aged(old, tables)).limit(bindparam("limit")).subquery()
    return delete(table).where(key.in_(select(found.c[key.name])))


def _before(old: FromClause, moment: str) -> ColumnElement[bool]:
    return old.c[moment] < bindparam("before", type_=old.c[moment].type)


def _there(tables: Tables, name: str, old: FromClause) -> ColumnElement[bool]:
    return exists().where(tables[name].c.pipeline_logging_id == old.c.pipeline_logging_id)


_REMOVALS: Mapping[Aged, Callable[[Tables], Delete]] = {
    "queue": _queue,
    "runs": _runs,
    "steps": _of_runs_gone("org_meta_step_logs", "started_at"),
    "dq": _of_runs_gone("org_meta_dq_results", "checked_at"),
    "scheduled": _scheduled,
    "audit": _audit,
    "notifications": _notifications,
    "events": _events,
    "answers": _answers,
}
