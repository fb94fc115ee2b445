"""Runs as their readers look for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import Select, bindparam, exists, func, literal, select

from src.core.ledger.tables.runs import RUN_COLUMNS, RunRecord, RunStatus, TriggerType, of_holder
from src.core.ledger.unit import Tables, Unit

SETUPS: Final = ("integrations", "setup")
"""Folders of the documents whose runs load nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """What is left out does not narrow. Days are those of UTC on which a run was accepted, both ends included."""

    statuses: Sequence[RunStatus] | None = None
    pipeline_id: str | None = None
    provider: str | None = None
    trigger: TriggerType | None = None
    from_day: date | None = None
    to_day: date | None = None
    setups: bool = False
    """Also what loads nothing: setups and validations of credentials, refused or not, onboarding and its dry runs."""


def statuses_of(told: RunStatus | None, state: RunStatus | None) -> tuple[RunStatus, ...] | None:
    """Callers are told RUNNING from acceptance on; `state` says what the row says."""
    if told is None:
        return None if state is None else (state,)
    meant: tuple[RunStatus, ...] = ("QUEUED", "RUNNING") if told == "RUNNING" else (told,)
    return meant if state is None else tuple(status for status in meant if status == state)


def page(unit: Unit, org_slug: str, wanted: RunFilter, *, after: str | None, limit: int) -> list[RunRecord]:
    """Newest first, older than the run `after`."""
    run = unit.tables["org_meta_pipeline_runs"].c
    query = _runs(unit.tables).where(*of_holder(unit.tables, literal(org_slug))).order_by(run.pipeline_logging_id.desc()).limit(limit)
    equal = {"pipeline_id": wanted.pipeline_id, "provider": wanted.provider, "trigger_type": wanted.trigger}
    for name, value in equal.items():
        if value is not None:
            query = query.where(run[name] == value)
    # who names a pipeline asks for its runs, whatever they are
    if not wanted.setups and wanted.pipeline_id is None:
        query = query.where(*(run.document.not_like(f"{folder}/%") for folder in SETUPS))
    if wanted.statuses is not None:
        query = query.where(run.status.in_(wanted.statuses))
    if wanted.from_day is not None:
        query = query.where(run.accepted_at >= _midnight(wanted.from_day))
    # no day follows the last one that Python knows
    if wanted.to_day is not None and wanted.to_day < date.max:
        query = query.where(run.accepted_at < _midnight(wanted.to_day + timedelta(days=1)))
    if after is not None:
        query = query.where(run.pipeline_logging_id < after)
    return [RunRecord(*row) for row in unit.rows(query)]


def last_of_each(unit: Unit, org_slug: str) -> dict[str, RunRecord]:
    """The newest run of every pipeline document."""
    return {run.document: run for run in (RunRecord(*row) for row in unit.rows(unit.prepared(_last_of_each), {"slug": org_slug}))}


def by_status(unit: Unit, since: datetime) -> dict[RunStatus, int]:
    """How many runs of organisations were accepted since then, by how they stand."""
    return {status: int(many) for status, many in unit.rows(unit.prepared(_by_status), {"since": since})}


def ended_since(unit: Unit, org_slug: str, since: datetime) -> list[RunRecord]:
    return [RunRecord(*row) for row in unit.rows(unit.prepared(_ended_since), {"org_slug": org_slug, "since": since})]


def stranded(unit: Unit, before: datetime, limit: int = 100) -> list[RunRecord]:
    """Accepted before then, not over, and in nobody's queue."""
    return [RunRecord(*row) for row in unit.rows(unit.prepared(_stranded), {"before": before, "limit": limit})]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _runs(tables: Tables) -> Select[Any]:
    run = tables["org_meta_pipeline_runs"].c
    return select(*(run[name] for name in RUN_COLUMNS))


def _last_of_each(tables: Tables) -> Select[Any]:
    run = tables["org_meta_pipeline_runs"].c
    # ids sort by the time they were made
    newest = select(func.max(run.pipeline_logging_id).label("newest")).where(*of_holder(tables, bindparam("slug"))).group_by(run.document)
    return _runs(tables).where(run.pipeline_logging_id.in_(select(newest.subquery().c.newest)))


def _by_status(tables: Tables) -> Select[Any]:
    run = tables["org_meta_pipeline_runs"].c
    since = bindparam("since", type_=run.accepted_at.type)
    counted: tuple[Any, ...] = (run.status, func.count())
    return select(*counted).where(run.org_slug.is_not(None), run.accepted_at >= since).group_by(run.status)


def _ended_since(tables: Tables) -> Select[Any]:
    run = tables["org_meta_pipeline_runs"].c
    return (
        _runs(tables)
        .where(*of_holder(tables, bindparam("org_slug")), run.ended_at >= bindparam("since"))
        .order_by(run.ended_at, run.pipeline_logging_id)
    )


def _stranded(tables: Tables) -> Select[Any]:
    run, entry = tables["org_meta_pipeline_runs"].c, tables["org_pipeline_execution_queue"].c
    queued = exists().where(entry.pipeline_logging_id == run.pipeline_logging_id, entry.state != "DEAD")
    return (
        _runs(tables)
        .where(run.active_key.is_not(None), run.accepted_at < bindparam("before", type_=run.accepted_at.type), ~queued)
        .order_by(run.accepted_at, run.pipeline_logging_id)
        .limit(bindparam("limit"))
    )
