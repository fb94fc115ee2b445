from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Select, bindparam, select

from src.core.ledger.unit import Tables, Unit

Severity = Literal["critical", "warning", "info"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What judging one expectation found; `sentence` says it to whoever pays the bill."""

    expectation_index: int
    type: str
    column: str | None
    severity: Severity
    passed: bool
    observed: str | None
    expected: Mapping[str, Any]
    rows_judged: int | None
    rows_failing: int | None
    sentence: str


@dataclass(frozen=True, slots=True)
class DqResult:
    dq_result_id: str
    pipeline_logging_id: str
    org_slug: str
    step_id: str | None
    suite: str
    table_name: str
    expectation_index: int
    expectation_type: str
    column_name: str | None
    severity: Severity
    passed: bool
    observed: str | None
    expected: dict[str, Any] | None
    rows_judged: int | None
    rows_failing: int | None
    checked_at: datetime


def record(
    unit: Unit,
    *,
    run_id: str,
    generation: int,
    org_slug: str,
    step_id: str,
    suite: str,
    table: str,
    findings: Iterable[Finding],
    at: datetime,
    part: str = "",
) -> None:
    """Repeating it is harmless. A run that judges one table several times tells the times apart by `part`."""
    for finding in findings:
        unit.insert_later(
            unit.tables["org_meta_dq_results"],
            {
                "dq_result_id": "/".join((run_id, str(generation), step_id, table, part, f"{finding.expectation_index:03}")),
                "pipeline_logging_id": run_id,
                "org_slug": org_slug,
                "step_id": step_id,
                "suite": suite,
                "table_name": table,
                "expectation_index": finding.expectation_index,
                "expectation_type": finding.type,
                "column_name": finding.column,
                "severity": finding.severity,
                "passed": finding.passed,
                "observed": finding.observed,
                "expected": dict(finding.expected),
                "rows_judged": finding.rows_judged,
                "rows_failing": finding.rows_failing,
                "checked_at": at,
            },
        )


def of_run(unit: Unit, run_id: str) -> list[DqResult]:
    """In the order they were judged, then of the suite."""
    return [DqResult(*row) for row in unit.rows(unit.prepared(_of_run), {"run_id": run_id})]


def _of_run(tables: Tables) -> Select[Any]:
    result = tables["org_meta_dq_results"].c
    return (
        select(*(result[name] for name in DqResult.__dataclass_fields__))
        .where(result.pipeline_logging_id == bindparam("run_id"))
        .order_by(result.checked_at, result.table_name, result.expectation_index, result.dq_result_id)
    )
