"""A run's log, put together from its record and from what its steps said."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from src.app.answers.cost_tables import moment
from src.app.models.pipelines import LogLine, LogPage
from src.core.ledger.tables.runs import RunRecord, StepLog
from src.core.scheduler.cancel import OVER
from src.core.scheduler.reports import RunReport

# The record tells these better: also for a step that was skipped, and for an attempt that another worker made.
TOLD_BY_RECORD = frozenset({"run.started", "run.finished", "step.started", "step.finished", "step.retried"})
LEVELS = {"FAILED": "error", "CANCELLED": "warning"}


def lines_of(trace: RunReport) -> list[LogLine]:
    """In order of time; of the same moment, in the order they came to be."""
    lines = [*_beginning(trace.run)]
    for index, step in enumerate(trace.steps):
        again = any(later.step_id == step.step_id and later.attempt > step.attempt for later in trace.steps[index + 1 :])
        lines += _of_step(step, again=again)
    lines += _end(trace.run)
    return sorted(lines, key=lambda line: line.at)


def page_of(run: RunRecord, lines: Sequence[LogLine], cursor: int, limit: int) -> LogPage:
    """While a run goes on, `next_cursor` is where its coming lines will stand."""
    shown = list(lines[cursor : cursor + limit])
    reached = cursor + len(shown)
    more = reached < len(lines) or run.status not in OVER
    return LogPage(pipeline_logging_id=run.pipeline_logging_id, lines=shown, next_cursor=str(reached) if more else None)


def as_text(lines: Sequence[LogLine]) -> str:
    return "".join(f"{_line(line)}\n" for line in lines)


def wants_text(accept: str | None) -> bool:
    """Only who asks for text and not for JSON: a browser or a client that takes anything gets JSON."""
    asked = [part.partition(";")[0].strip().lower() for part in (accept or "").split(",")]
    return any(kind in ("text/plain", "text/*") for kind in asked) and "application/json" not in asked


def _line(line: LogLine) -> str:
    at = moment(line.at.astimezone(UTC))
    step = f" [{line.step}#{line.attempt}]" if line.step else ""
    # one line each, whatever a message holds: a line that could break would pass for two
    message = "".join(letter if letter.isprintable() else " " for letter in line.message)
    return f"{at} {line.level:<7} {line.event}{step} {message}".rstrip()


def _beginning(run: RunRecord) -> Iterator[LogLine]:
    covered = f"{run.window_start}..{run.window_end}" if run.window_start else None
    yield _told(
        run.accepted_at, "info", "run.accepted", document=run.document, trigger=run.trigger_type, window=covered, user_id=run.user_id
    )
    if run.started_at is not None:
        yield _told(run.started_at, "info", "run.started", attempt_of_run=run.attempt)


def _end(run: RunRecord) -> Iterator[LogLine]:
    if run.ended_at is not None:
        yield _told(
            run.ended_at,
            LEVELS.get(run.status, "info"),
            "run.finished",
            status=run.status,
            rows=run.rows_processed,
            ms=run.duration_ms,
            code=run.error_code,
            error=run.error_message,
            note=(run.result or {}).get("note"),
        )


def _of_step(step: StepLog, *, again: bool) -> Iterator[LogLine]:
    if step.status == "SKIPPED":
        yield _told(step.started_at, "info", "step.skipped", step, ps_type=step.ps_type)
        return
    yield _told(step.started_at, "info", "step.started", step, ps_type=step.ps_type)
    for said in step.log_lines or ():
        if said["event"] not in TOLD_BY_RECORD:
            yield LogLine(
                at=datetime.fromisoformat(said["at"]),
                level=said["level"],
                event=said["event"],
                step=step.step_id,
                attempt=step.attempt,
                message=said["message"],
            )
    if step.ended_at is not None:
        yield _told(
            step.ended_at,
            # an attempt that another followed is not what the run came to, so it is no error of the run
            "warning" if again else LEVELS.get(step.status, "info"),
            "step.retried" if again else "step.finished",
            step,
            status=step.status,
            rows=step.rows_processed,
            ms=step.duration_ms,
            code=step.error_code,
            error=step.error_message,
        )


def _told(at: datetime, level: str, event: str, step: StepLog | None = None, **facts: Any) -> LogLine:
    message = " ".join(f"{name}={value}" for name, value in facts.items() if value is not None)
    return LogLine(at=at, level=level, event=event, step=step and step.step_id, attempt=step and step.attempt, message=message)
