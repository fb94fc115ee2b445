"""Runs as the API shows them."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from src.app.answers.sse import ServerEvent
from src.app.models.pipelines import (
    DataQuality,
    Days,
    Expectation,
    Failure,
    InputAnswer,
    LastRun,
    Links,
    ManifestAnswer,
    PipelineAnswer,
    ProgressAnswer,
    RunAccepted,
    RunAnswer,
    RunDetail,
    Status,
    StepAnswer,
    Totals,
    WindowRule,
)
from src.core.costs.amounts import money
from src.core.ledger.tables.dq_results import DqResult
from src.core.ledger.tables.runs import RunRecord, StepLog
from src.core.pipeline.catalog import CatalogEntry
from src.core.scheduler.reports import Report

RUNS, RUN = "/api/v1/pipelines/runs", "/api/v1/pipelines/run"
AMOUNT = re.compile(r"-?[0-9]+\.[0-9]+")
SEGMENTS = (2, 3)  # of a document's path, as the two routes take them


def status_of(run: RunRecord) -> Status:
    return "RUNNING" if run.status == "QUEUED" else run.status


def links_of(org_slug: str, run_id: str) -> Links:
    run = f"{RUNS}/{org_slug}/{run_id}"
    return Links(run=run, events=f"{run}/events", logs=f"{run}/logs", cancel=f"{run}/cancel")


def days(start: date | None, end: date | None) -> Days | None:
    return None if start is None or end is None else Days(start=start, end=end)


def accepted_answer(run: RunRecord, org_slug: str, *, reused: bool) -> RunAccepted:
    return RunAccepted(
        pipeline_logging_id=run.pipeline_logging_id,
        status=status_of(run),
        state=run.status,
        pipeline_id=run.pipeline_id,
        org_slug=org_slug,
        window=days(run.window_start, run.window_end),
        reused=reused,
        links=links_of(org_slug, run.pipeline_logging_id),
    )


def run_answer(run: RunRecord, org_slug: str) -> RunAnswer:
    return RunAnswer(**_run(run, org_slug))


def run_detail(report: Report, org_slug: str) -> RunDetail:
    run = report.run
    return RunDetail(
        **_run(run, org_slug),
        parameters=run.parameters,
        progress=progress_answer(run),
        steps=[_step(step) for step in report.steps],
        totals=Totals(
            rows_processed=run.rows_processed,
            rows_read=sum(manifest["rows_read"] for manifest in report.manifests),
            rows_written=sum(manifest["rows_written"] for manifest in report.manifests),
            bytes_read=sum(manifest["bytes_read"] for manifest in report.manifests),
            control=[amounts_shown(manifest["totals"]) for manifest in report.manifests],
        ),
        manifests=[_manifest(manifest) for manifest in report.manifests],
        data_quality=_quality(report.judged),
        links=links_of(org_slug, run.pipeline_logging_id),
    )


def progress_answer(run: RunRecord) -> ProgressAnswer:
    known = run.progress or {}
    done = run.status == "SUCCESS"
    return ProgressAnswer(
        step=known.get("step_id"),
        step_index=known.get("step_index"),
        steps=known.get("steps"),
        doing=known.get("doing"),
        rows=known.get("rows"),
        rows_total=known.get("rows_total"),
        bytes=known.get("bytes"),
        bytes_total=known.get("bytes_total"),
        # what was written down last may be older than the run's end
        percent=100.0 if done else known.get("percent"),
        eta_seconds=0.0 if done else known.get("eta_seconds"),
        updated_at=known.get("updated_at"),
    )


def progress_event(run: RunRecord, count: int) -> ServerEvent:
    told = {"status": status_of(run), "state": run.status, "attempt": run.attempt}
    return ServerEvent("progress", str(count), told | progress_answer(run).model_dump(mode="json"))


def end_event(run: RunRecord) -> ServerEvent:
    error = _failure(run.status, run.error_code, run.error_message)
    told = {
        "pipeline_logging_id": run.pipeline_logging_id,
        "status": run.status,
        "state": run.status,
        "rows_processed": run.rows_processed,
        "duration_ms": run.duration_ms,
        "error": error.model_dump() if error else None,
        "note": _note(run),
    }
    # the id is what a reader that comes back sends as Last-Event-ID: it says that the end is known
    return ServerEvent("end", "end", told)


def pipeline_answer(entry: CatalogEntry, org_slug: str, last: RunRecord | None, window: WindowRule) -> PipelineAnswer:
    document = entry.document
    return PipelineAnswer(
        id=entry.document_id,
        pipeline_id=document.pipeline_id(org_slug),
        path=_path(entry, org_slug),
        aliases=[f"{RUN}/{org_slug}/{alias}" for alias in document.aliases],
        description=document.description,
        provider=str(document.provider),
        domain=str(document.domain),
        window=window,
        inputs=[
            InputAnswer(
                name=name, type=spec.type, required=spec.needed, default=spec.default, choices=spec.enum, description=spec.description
            )
            for name, spec in document.inputs.items()
        ],
        last_run=last
        and LastRun(
            pipeline_logging_id=last.pipeline_logging_id,
            status=status_of(last),
            state=last.status,
            window=days(last.window_start, last.window_end),
            accepted_at=last.accepted_at,
            ended_at=last.ended_at,
        ),
    )


def _path(entry: CatalogEntry, org_slug: str) -> str:
    document = entry.document
    # the address that is shown must be one that a route takes
    if entry.document_id.count("/") + 1 in SEGMENTS:
        return f"{RUN}/{org_slug}/{entry.document_id}"
    return f"{RUN}/{org_slug}/{document.provider}/{document.domain}/{document.pipeline}"


def _run(run: RunRecord, org_slug: str) -> dict[str, Any]:
    return {
        "pipeline_logging_id": run.pipeline_logging_id,
        "org_slug": org_slug,
        "pipeline_id": run.pipeline_id,
        "document": run.document,
        "provider": run.provider,
        "domain": run.domain,
        "trigger": run.trigger_type,
        "status": status_of(run),
        "state": run.status,
        "attempt": run.attempt,
        "window": days(run.window_start, run.window_end),
        "user_id": run.user_id,
        "request_id": run.request_id,
        "accepted_at": run.accepted_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "duration_ms": run.duration_ms,
        "rows_processed": run.rows_processed,
        "error": _failure(run.status, run.error_code, run.error_message),
        "note": _note(run),
    }


def _note(run: RunRecord) -> str | None:
    note = (run.result or {}).get("note")
    return str(note) if note else None


def _failure(status: str, code: str | None, message: str | None) -> Failure | None:
    if code is None and message is None:
        return None
    return Failure(code=code or status.lower(), message=message or "")


def _step(step: StepLog) -> StepAnswer:
    return StepAnswer(
        step_id=step.step_id,
        ps_type=step.ps_type,
        step_index=step.step_index,
        attempt=step.attempt,
        status=step.status,
        started_at=step.started_at,
        ended_at=step.ended_at,
        duration_ms=step.duration_ms,
        rows_processed=step.rows_processed,
        error=_failure(step.status, step.error_code, step.error_message),
        result=step.result,
    )


def _manifest(row: Mapping[str, Any]) -> ManifestAnswer:
    return ManifestAnswer(window=days(row["window_start"], row["window_end"]), **{**row, "totals": amounts_shown(row["totals"])})


def amounts_shown(value: Any) -> Any:
    """Amounts within a document, as costs show them."""
    if isinstance(value, list):
        return [amounts_shown(one) for one in value]
    if isinstance(value, dict):
        return {name: amounts_shown(one) for name, one in value.items()}
    return money(Decimal(value)) if isinstance(value, str) and AMOUNT.fullmatch(value) else value


def _quality(judged: Sequence[DqResult]) -> DataQuality:
    failed = [one for one in judged if not one.passed]
    return DataQuality(
        passed=len(judged) - len(failed),
        failed=len(failed),
        critical=sum(one.severity == "critical" for one in failed),
        results=[
            Expectation(
                suite=one.suite,
                table=one.table_name,
                step_id=one.step_id,
                expectation=one.expectation_type,
                column=one.column_name,
                severity=one.severity,
                passed=one.passed,
                observed=one.observed,
                expected=one.expected,
                rows_judged=one.rows_judged,
                rows_failing=one.rows_failing,
                checked_at=one.checked_at,
            )
            for one in judged
        ],
    )
