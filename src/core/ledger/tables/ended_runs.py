"""How the newest runs of an organisation ended that were to bring days."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Select, bindparam, select

from src.core.ledger.tables.runs import of_holder
from src.core.ledger.unit import Tables, Unit

NEWEST: Final = 60  # a daily load's of two months: a failure that is older has been told of ever since
COLUMNS: Final = ("pipeline_logging_id", "document", "status", "window_start", "window_end", "ended_at", "error_message", "parameters")


@dataclass(frozen=True, slots=True)
class EndedRun:
    pipeline_logging_id: str
    document: str
    status: str
    window_start: date
    window_end: date
    ended_at: datetime
    error_message: str | None
    parameters: dict[str, Any] | None


def newest(unit: Unit, org_slug: str, documents: Iterable[str]) -> list[EndedRun]:
    """Of each of these pipelines, whether they failed or did what they were to do; the newest first."""
    found = []
    for document in documents:
        rows = unit.rows(unit.prepared(_newest), {"slug": org_slug, "document": document, "most": NEWEST})
        found += [EndedRun(*row) for row in rows]
    return found


def _newest(tables: Tables) -> Select[Any]:
    run = tables["org_meta_pipeline_runs"].c
    return (
        select(*(run[name] for name in COLUMNS))
        .where(
            *of_holder(tables, bindparam("slug")),
            run.document == bindparam("document"),
            run.status.in_(("SUCCESS", "FAILED")),
            run.window_start.is_not(None),
            run.window_end.is_not(None),
            run.ended_at.is_not(None),
        )
        .order_by(run.pipeline_logging_id.desc())
        .limit(bindparam("most"))
    )
