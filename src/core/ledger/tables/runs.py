from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, Update, and_, bindparam, delete, exists, func, or_, select, update

from src.core.ledger.tables import orgs
from src.core.ledger.unit import Tables, Unit

TriggerType = Literal["api", "schedule", "backfill", "system"]
RunStatus = Literal["QUEUED", "RUNNING", "SUCCESS", "FAILED", "CANCELLED"]
LastStatus = Literal["SUCCESS", "FAILED", "CANCELLED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """`idempotency_key` and `active_key` make a second acceptance of the same work answer False."""

    pipeline_logging_id: str
    org_slug: str | None
    org_generation: int | None = None
    pipeline_id: str
    document: str
    provider: str | None = None
    domain: str | None = None
    trigger_type: TriggerType
    user_id: str | None = None
    request_id: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    window_start: date | None = None
    window_end: date | None = None
    status: RunStatus
    accepted_at: datetime
    idempotency_key: str | None = None
    active_key: str | None = None
    holds_place: bool | None = None
    """None for one that was admitted with a place."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    pipeline_logging_id: str
    org_slug: str | None
    org_generation: int | None
    pipeline_id: str
    document: str
    provider: str | None
    domain: str | None
    trigger_type: TriggerType
    user_id: str | None
    request_id: str | None
    parameters: dict[str, Any] | None
    window_start: date | None
    window_end: date | None
    status: RunStatus
    attempt: int
    progress: dict[str, Any] | None
    accepted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    duration_ms: int | None
    rows_processed: int | None
    error_code: str | None
    error_message: str | None
    result: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Taken:
    """What a worker needs to know of its run beside the queue's entry."""

    org_slug: str | None
    org_generation: int | None
    trigger_type: TriggerType
    attempt: int
    accepted_at: datetime
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLog:
    step_log_id: str
    pipeline_logging_id: str
    org_slug: str | None
    step_id: str
    ps_type: str
    step_index: int
    attempt: int
    status: str
    started_at: datetime
    ended_at: datetime | None = None
    duration_ms: int | None = None
    rows_processed: int | None = None
    error_code: str | None = None
    error_message: str | None = None
    result: Mapping[str, Any] | None = None
    log_lines: Sequence[Mapping[str, Any]] | None = None


NEW_RUN_COLUMNS = tuple(column.name for column in fields(NewRun))
RUN_COLUMNS = tuple(column.name for column in fields(RunRecord))
TAKEN_COLUMNS = tuple(column.name for column in fields(Taken))
STEP_COLUMNS = tuple(column.name for column in fields(StepLog))


def accepted(run: NewRun) -> RunRecord:
    """As it is read when it was just accepted."""
    told: dict[str, Any] = {name: getattr(run, name, None) for name in RUN_COLUMNS}
    return RunRecord(**{**told, "parameters": dict(run.parameters), "attempt": 0})


def accept(unit: Unit, run: NewRun) -> bool:
    """False when this run, or the same work under its idempotency or active key, is there already."""
    values = {**_values(run, NEW_RUN_COLUMNS), "parameters": dict(run.parameters), "attempt": 0}
    return unit.insert_once(unit.tables["org_meta_pipeline_runs"], values)


def begin(unit: Unit, run_id: str, at: datetime) -> bool:
    """False when the run has begun or is over."""
    return unit.change(_begin, {"id": run_id, "at": at}) == 1


def take(unit: Unit, run_id: str, at: datetime) -> Taken | None:
    """A worker takes a waiting run for another attempt; None when it does not wait."""
    row = unit.changed(_take, _taken, {"run_id": run_id, "at": at})
    return Taken(*row) if row else None


def put_back(unit: Unit, run_id: str, attempt: int) -> bool:
    """It waits for a worker again; when it first began stays. False when another attempt has begun."""
    return unit.change(_put_back, {"id": run_id, "tried": attempt}) == 1


def place(unit: Unit, run_id: str) -> bool:
    """It has one of the places of its plan from now on. False when it has one, or is over: then the place is another's."""
    return unit.change(_place, {"run_id": run_id}) == 1


def forget(unit: Unit, run_id: str) -> None:
    """Erases it with its steps and its trigger."""
    # the run last: while it is there, an erasure that broke off is done again
    for name in ("org_meta_step_logs", "org_scheduled_pipeline_runs", "org_meta_pipeline_runs"):
        table = unit.tables[name]
        unit.change(delete(table).where(table.c.pipeline_logging_id == run_id))


def tell_progress(unit: Unit, run_id: str, progress: Mapping[str, Any]) -> None:
    unit.change_later(_tell_progress, {"id": run_id, "where": dict(progress)})


def finish(
    unit: Unit,
    run_id: str,
    *,
    status: LastStatus,
    at: datetime,
    error_code: str | None = None,
    error_message: str | None = None,
    result: Mapping[str, Any] | None = None,
    rows_processed: int | None = None,
    began_at: datetime | None = None,
    duration_ms: int | None = None,
    progress: Mapping[str, Any] | None = None,
) -> bool:
    """Only the first to end a run is answered True; it is the one to free the slot and to tell others.

    Who carried it out says how long that took, else it is the time between its moments; when it began is looked up where the
    caller does not say. The progress it showed stays where none is told.
    """
    if duration_ms is None and began_at is None and (row := unit.point(_began, {"run_id": run_id})):
        began_at = row[0]
    values = {
        "id": run_id,
        "word": status,
        "at": at,
        "took": _milliseconds(began_at, at) if duration_ms is None else duration_ms,
        "code": error_code,
        "message": error_message,
        "answer": dict(result) if result is not None else None,
        "rows": rows_processed,
    }
    if progress is None:
        return unit.change(_finish, values) == 1
    return unit.change(_finish_at, {**values, "where": dict(progress)}) == 1


def log_step(unit: Unit, step: StepLog) -> None:
    """Repeating it with the same id is harmless. Nothing of a run that went with its organisation."""
    if step.org_slug is not None:
        # else the run could be erased between the look and the insert
        orgs.alone(unit, step.org_slug)
        if unit.point(_there, {"run_id": step.pipeline_logging_id}) is None:
            return
    lists = {
        "result": dict(step.result) if step.result is not None else None,
        "log_lines": list(step.log_lines) if step.log_lines is not None else None,
    }
    values = {**_values(step, STEP_COLUMNS), **lists}
    unit.insert_later(unit.tables["org_meta_step_logs"], values)


def get(unit: Unit, run_id: str) -> RunRecord | None:
    row = unit.point(_by_id, {"run_id": run_id})
    return RunRecord(*row) if row else None


def of_org(unit: Unit, org_slug: str, run_id: str) -> RunRecord | None:
    """None as well for a run of somebody else, who had the slug before for example."""
    row = unit.point(_of_org, {"org_slug": org_slug, "run_id": run_id})
    return RunRecord(*row) if row else None


def working(unit: Unit, active_key: str) -> RunRecord | None:
    """The run of this work that is not over."""
    row = unit.point(_by_active_key, {"active_key": active_key})
    return RunRecord(*row) if row else None


def of_request(unit: Unit, org_slug: str, idempotency_key: str) -> RunRecord | None:
    """The run that this organisation asked for under this key, also when it is over."""
    row = unit.point(_by_idempotency_key, {"org_slug": org_slug, "idempotency_key": idempotency_key})
    return RunRecord(*row) if row else None


def ended_since(unit: Unit, org_slug: str, since: datetime) -> list[RunRecord]:
    return [RunRecord(*row) for row in unit.rows(unit.prepared(_ended_since), {"org_slug": org_slug, "since": since})]


def stranded(unit: Unit, before: datetime, limit: int = 100) -> list[RunRecord]:
    """Accepted before then, not over, and in nobody's queue."""
    return [RunRecord(*row) for row in unit.rows(unit.prepared(_stranded), {"before": before, "limit": limit})]


def steps(unit: Unit, run_id: str) -> list[StepLog]:
    """In the order of the document, then of the attempts."""
    return [StepLog(**dict(zip(STEP_COLUMNS, row, strict=True))) for row in unit.rows(unit.prepared(_steps), {"run_id": run_id})]


def _values(record: NewRun | StepLog, columns: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(record, name) for name in columns}


def _milliseconds(began: datetime | None, ended: datetime) -> int | None:
    # two workers' clocks may differ, and a run takes no time less than none
    return None if began is None else max(0, round((ended - began).total_seconds() * 1000))


def _runs(tables: Tables) -> Select[Any]:
    run = tables["org_meta_pipeline_runs"].c
    return select(*(run[name] for name in RUN_COLUMNS))


def _by_id(tables: Tables) -> Select[Any]:
    return _runs(tables).where(tables["org_meta_pipeline_runs"].c.pipeline_logging_id == bindparam("run_id"))


def _there(tables: Tables) -> Select[Any]:
    run = tables["org_meta_pipeline_runs"].c
    return select(run.pipeline_logging_id).where(run.pipeline_logging_id == bindparam("run_id"))


def _of_org(tables: Tables) -> Select[Any]:
    return _by_id(tables).where(*of_holder(tables, bindparam("org_slug")))


def of_holder(tables: Tables, slug: ColumnElement[str]) -> tuple[ColumnElement[bool], ...]:
    """Runs of the organisation that has the slug, and not of those that had it before.

    A run that names no generation is that of whoever had the slug, or was next to have it, when it was accepted: it was accepted after the
    last erasure. So it is with the onboarding itself, and with all runs of releases that wrote no generation.
    """
    run, holder, before = tables["org_meta_pipeline_runs"].c, tables["org_profiles"].alias("holder"), tables["org_profiles"].alias("before")
    living = select(holder.c.generation).where(holder.c.org_slug == slug, holder.c.status != "ERASED").scalar_subquery()
    erased = select(func.max(before.c.erased_at)).where(before.c.org_slug == slug, before.c.status == "ERASED").scalar_subquery()
    unsaid = and_(run.org_generation.is_(None), or_(erased.is_(None), run.accepted_at > erased))
    return run.org_slug == slug, or_(run.org_generation == living, unsaid)


def _by_active_key(tables: Tables) -> Select[Any]:
    return _runs(tables).where(tables["org_meta_pipeline_runs"].c.active_key == bindparam("active_key"))


def _by_idempotency_key(tables: Tables) -> Select[Any]:
    run = tables["org_meta_pipeline_runs"].c
    return _runs(tables).where(*of_holder(tables, bindparam("org_slug")), run.idempotency_key == bindparam("idempotency_key"))


def _ended_since(tables: Tables) -> Select[Any]:
    run = tables["org_meta_pipeline_runs"].c
    return (
        _runs(tables)
        .where(*of_holder(tables, bindparam("org_slug")), run.ended_at >= bindparam("since"))
        .order_by(run.ended_at, run.pipeline_logging_id)
    )


def _began(tables: Tables) -> Select[Any]:
    run = tables["org_meta_pipeline_runs"].c
    return select(run.started_at).where(run.pipeline_logging_id == bindparam("run_id"))


def _stranded(tables: Tables) -> Select[Any]:
    run, entry = tables["org_meta_pipeline_runs"].c, tables["org_pipeline_execution_queue"].c
    queued = exists().where(entry.pipeline_logging_id == run.pipeline_logging_id, entry.state != "DEAD")
    return (
        _runs(tables)
        .where(run.active_key.is_not(None), run.accepted_at < bindparam("before", type_=run.accepted_at.type), ~queued)
        .order_by(run.accepted_at, run.pipeline_logging_id)
        .limit(bindparam("limit"))
    )


def _steps(tables: Tables) -> Select[Any]:
    step = tables["org_meta_step_logs"].c
    return (
        select(*(step[name] for name in STEP_COLUMNS))
        .where(step.pipeline_logging_id == bindparam("run_id"))
        .order_by(step.step_index, step.attempt, step.step_log_id)
    )


def _begin(tables: Tables) -> Update:
    runs = tables["org_meta_pipeline_runs"]
    return (
        update(runs)
        .where(
            runs.c.pipeline_logging_id == bindparam("id"),
            # a run that is done where it is asked for is accepted as RUNNING and begins at once
            or_(runs.c.status == "QUEUED", (runs.c.status == "RUNNING") & runs.c.started_at.is_(None)),
        )
        .values(status="RUNNING", started_at=bindparam("at"), attempt=runs.c.attempt + 1)
    )


def _take(tables: Tables) -> Update:
    runs = tables["org_meta_pipeline_runs"]
    at = bindparam("at", type_=runs.c.started_at.type)
    return (
        update(runs)
        .where(runs.c.pipeline_logging_id == bindparam("run_id"), runs.c.status == "QUEUED")
        .values(status="RUNNING", started_at=func.coalesce(runs.c.started_at, at), attempt=runs.c.attempt + 1)
    )


def _taken(tables: Tables) -> Select[Any]:
    run = tables["org_meta_pipeline_runs"].c
    return select(*(run[name] for name in TAKEN_COLUMNS)).where(run.pipeline_logging_id == bindparam("run_id"))


def _put_back(tables: Tables) -> Update:
    runs = tables["org_meta_pipeline_runs"]
    tried = bindparam("tried", type_=runs.c.attempt.type)
    return (
        update(runs)
        .where(runs.c.pipeline_logging_id == bindparam("id"), runs.c.status == "RUNNING", runs.c.attempt == tried)
        .values(status="QUEUED")
    )


def _place(tables: Tables) -> Update:
    runs = tables["org_meta_pipeline_runs"]
    mine = (runs.c.pipeline_logging_id == bindparam("run_id"), runs.c.active_key.is_not(None), runs.c.holds_place.is_(False))
    return update(runs).where(*mine).values(holds_place=True)


def _tell_progress(tables: Tables) -> Update:
    runs = tables["org_meta_pipeline_runs"]
    return (
        update(runs)
        .where(runs.c.pipeline_logging_id == bindparam("id"), runs.c.status == "RUNNING")
        .values(progress=bindparam("where", type_=runs.c.progress.type))
    )


def _finish(tables: Tables) -> Update:
    runs = tables["org_meta_pipeline_runs"]
    return (
        update(runs)
        .where(runs.c.pipeline_logging_id == bindparam("id"), or_(runs.c.status == "QUEUED", runs.c.status == "RUNNING"))
        .values(
            # not by the column's name, which SQLAlchemy keeps for its own parameters
            status=bindparam("word"),
            # it is unique: the same work may be accepted again only without it
            active_key=None,
            ended_at=bindparam("at"),
            duration_ms=bindparam("took"),
            error_code=bindparam("code"),
            error_message=bindparam("message"),
            result=bindparam("answer"),
            rows_processed=bindparam("rows"),
        )
    )


def _finish_at(tables: Tables) -> Update:
    return _finish(tables).values(progress=bindparam("where", type_=tables["org_meta_pipeline_runs"].c.progress.type))
