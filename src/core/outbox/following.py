"""Events that follow from the end of a run. Their ids are made of the run's, so that a repeat makes none anew."""

from collections.abc import Iterator, Mapping
from typing import Any

from src.core.base.events import Event, EventType, stable_id
from src.core.ledger.store import Unit
from src.core.ledger.tables import events, runs
from src.core.ledger.tables.events import EventRow, Streak
from src.core.outbox.told import MOST_TOLD, last_attempts


def following(unit: Unit, row: EventRow, data: Mapping[str, Any], streak: Streak) -> Iterator[Event]:
    """`data` is what is told of the run, `streak` how often its pipeline had failed before it."""
    if row.type != "run.succeeded":
        return
    if streak.failures:
        yield _recovered(unit, row, data, streak)
    for step in last_attempts(runs.steps(unit, str(data["pipeline_logging_id"]))):
        result = step.result or {}
        for type_, key, name in (
            ("books.restated", "restatements", "restatements"),
            ("reconciliation.failed", "held", "days"),
        ):
            found = result.get(key)
            if step.status == "SUCCESS" and found:
                told = {"provider": data["provider"], "pipeline_logging_id": data["pipeline_logging_id"], name: found[:MOST_TOLD]}
                yield _of(row, type_, told, step.step_id)  # type: ignore[arg-type]


def _recovered(unit: Unit, row: EventRow, data: Mapping[str, Any], streak: Streak) -> Event:
    if streak.since is None:
        raise RuntimeError("a streak of failures has a beginning")
    failed = events.failed_since(unit, row.org_slug, str(row.subject), streak.since, row.occurred_at)
    told = {**data, "failed_since": streak.since.isoformat(), "failures": streak.failures}
    # that one window succeeds says nothing of the days that the others were to load
    left = sorted(
        {
            f"{one.data['window_start']} to {one.data['window_end']}"
            for one in failed
            if one.data.get("window_start") and not _covers(data, one.data)
        }
    )
    if left:
        told["changes"] = [
            *data.get("changes", ()),
            *(f"the run of {window} had failed and has not been done by this one" for window in left),
        ]
        told["what_to_do"] = "Ask for the days again that had failed and that this run did not load."
    return _of(row, "run.recovered", told)


def _covers(data: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    start, end = data.get("window_start"), data.get("window_end")
    same = data.get("document") == other.get("document")
    return bool(same and start and end and start <= other["window_start"] and other["window_end"] <= end)


def _of(row: EventRow, type_: EventType, data: Mapping[str, Any], *parts: str) -> Event:
    return Event(event_id=stable_id(row.event_id, type_, *parts), type=type_, org_slug=row.org_slug, occurred_at=row.occurred_at, data=data)
