"""What a message says of a run's end beside that it ended: what its days come to, how complete they are, what changed, what to do."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from src.core.ledger.store import Unit
from src.core.ledger.tables import runs, tracking
from src.core.ledger.tables.runs import RunRecord, StepLog

MOST_DAYS: Final = 400
MOST_TOLD: Final = 100
RUN_FACTS: Final = ("document", "provider", "domain", "trigger_type")


def of_run(unit: Unit, run: RunRecord, ended: Mapping[str, Any]) -> dict[str, Any]:
    """Read after the run's end: of days that another run has made anew since, what they say by now."""
    steps = last_attempts(runs.steps(unit, run.pipeline_logging_id))
    days = _days(unit, run) if any(keeps_books(step) for step in steps) else None
    same = run.ended_at is not None and run.ended_at.isoformat() == ended["ended_at"]
    told: dict[str, Any] = {name: getattr(run, name) for name in RUN_FACTS}
    told |= {"window_start": _text(run.window_start), "window_end": _text(run.window_end)}
    # a run that was put back into the queue has lasted longer since
    told["duration_ms"] = run.duration_ms if same else None
    told["totals"] = _totals(days or ())
    told["completeness"] = [] if days is None else _completeness(days, run)
    told["changes"] = list(_changes(steps))
    return told


def last_attempts(steps: Iterable[StepLog]) -> list[StepLog]:
    return list({step.step_id: step for step in steps}.values())


def keeps_books(step: StepLog) -> bool:
    """Whether it published days of which is told how complete they are."""
    return step.status == "SUCCESS" and bool(step.result) and "completeness" in (step.result or {})


def run_advice(run: RunRecord, *, failed: bool) -> str | None:
    calls = f"/api/v1/pipelines/runs/{run.org_slug}/{run.pipeline_logging_id}"
    if failed:
        return f"Mend what the reason names, then ask for the same days again. The steps and their log: GET {calls}"
    return None


def _days(unit: Unit, run: RunRecord) -> list[Mapping[str, Any]]:
    if run.org_slug is None or run.window_start is None or run.window_end is None:
        return []
    found = tracking.of_org(unit, run.org_slug, first=run.window_start, last=run.window_end)
    return [day for day in found if day["provider"] == run.provider]


def _totals(days: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for day in days:
        if day["net_cost"] is not None:
            sums[day["currency"]] += day["net_cost"]
    return [{"currency": currency, "amount": f"{amount:f}", "figure": "net"} for currency, amount in sorted(sums.items())]


def _completeness(days: Sequence[Mapping[str, Any]], run: RunRecord) -> list[dict[str, Any]]:
    """Each day of the window stands in one line; of which nothing is told is unknown, not nothing."""
    marks: dict[date, tuple[str, str | None]] = {}
    for day in days:
        marks[day["usage_date"]] = (day["completeness"], day["completeness_reason"])
    grouped: dict[tuple[str, str | None], int] = defaultdict(int)
    for mark in marks.values():
        grouped[mark] += 1
    told = [
        {"status": status, "days": many, "reason": reason}
        for (status, reason), many in sorted(grouped.items(), key=lambda each: (each[0][0], -each[1], each[0][1] or ""))
    ]
    if run.window_start is not None and run.window_end is not None:
        untold = (run.window_end - run.window_start) // timedelta(days=1) + 1 - len(marks)
        if untold > 0:
            told.append({"status": "unknown", "days": untold, "reason": "nothing is told of them"})
    return told[:MOST_TOLD]


def _changes(steps: Iterable[StepLog]) -> Iterable[str]:
    for step in steps:
        result = step.result or {}
        if keeps_books(step):
            changed, restated = int(result.get("days_changed") or 0), int(result.get("restated") or 0)
            if changed:
                yield f"{_many(changed, 'day says', 'days say')} something else than before, or for the first time"
            if restated:
                yield f"{_many(restated, 'figure', 'figures')} that had been told as whole {'was' if restated == 1 else 'were'} restated"
            if result.get("unread"):
                yield "the source has changes of days outside this window, which stay as they were"


def _many(number: int, one: str, more: str) -> str:
    return f"1 {one}" if number == 1 else f"{number:,} {more}"


def _text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
