"""What was triggered, kept after the queue has let go of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Update, bindparam, case, func, or_, update

from src.core.ledger.tables.runs import TriggerType
from src.core.ledger.unit import Tables, Unit

LastState = Literal["COMPLETED", "FAILED", "CANCELLED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTrigger:
    scheduled_run_id: str
    org_slug: str
    pipeline_id: str
    document: str
    trigger_type: TriggerType
    scheduled_time: datetime
    created_at: datetime
    queued_at: datetime
    max_retries: int
    pipeline_logging_id: str
    config_id: str | None = None
    priority: int = 0
    window_start: date | None = None
    window_end: date | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


COLUMNS = tuple(column.name for column in fields(NewTrigger))


def add(unit: Unit, trigger: NewTrigger) -> None:
    """Nothing when this triggering, or one of the same schedule and due time, is there already."""
    values = {name: getattr(trigger, name) for name in COLUMNS}
    values |= {"state": "QUEUED", "retry_count": 0, "parameters": dict(trigger.parameters)}
    unit.insert_later(unit.tables["org_scheduled_pipeline_runs"], values)


def start(unit: Unit, run_id: str, at: datetime) -> None:
    unit.change_later(_start, {"run_id": run_id, "at": at})


def wait(unit: Unit, run_id: str, *, retries: int, why: str | None = None) -> None:
    """It is in the queue again, after so many tries again in all."""
    unit.change_later(_wait, {"run_id": run_id, "retries": retries, "why": why})


def settle(unit: Unit, run_id: str, state: LastState, at: datetime, why: str | None = None) -> None:
    unit.change_later(_settle, {"run_id": run_id, "word": state, "at": at, "why": why})


def _start(tables: Tables) -> Update:
    triggers = tables["org_scheduled_pipeline_runs"]
    at = bindparam("at", type_=triggers.c.started_at.type)
    return (
        update(triggers)
        .where(triggers.c.pipeline_logging_id == bindparam("run_id"), triggers.c.state == "QUEUED")
        .values(state="RUNNING", started_at=func.coalesce(triggers.c.started_at, at))
    )


def _wait(tables: Tables) -> Update:
    triggers = tables["org_scheduled_pipeline_runs"]
    why = bindparam("why", type_=triggers.c.error_message.type)
    # a slot of a schedule counts what failed, and not whose worker died
    tried = case((triggers.c.config_id.is_(None), bindparam("retries", type_=triggers.c.retry_count.type)), else_=triggers.c.retry_count)
    return (
        update(triggers)
        .where(triggers.c.pipeline_logging_id == bindparam("run_id"), triggers.c.state == "RUNNING")
        .values(state="QUEUED", retry_count=tried, error_message=func.coalesce(why, triggers.c.error_message))
    )


def _settle(tables: Tables) -> Update:
    triggers = tables["org_scheduled_pipeline_runs"]
    return (
        update(triggers)
        .where(
            triggers.c.pipeline_logging_id == bindparam("run_id"),
            or_(triggers.c.state == "QUEUED", triggers.c.state == "RUNNING"),
        )
        .values(state=bindparam("word"), completed_at=bindparam("at"), error_message=bindparam("why"))
    )
