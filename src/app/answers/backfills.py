"""Backfills as the API shows them."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import datetime
from itertools import zip_longest
from typing import Any

from src.app.answers.sse import KEEP_ALIVE_SECONDS, Ends, ServerEvent, paced
from src.app.models.backfills import (
    BackfillAccepted,
    BackfillAmount,
    BackfillAnswer,
    BackfillDetail,
    BackfillLinks,
    BackfillProgress,
    UnservedDays,
    WindowStanding,
)
from src.app.models.pipelines import Days
from src.core.backfill.standing import BackfillStanding, days_of
from src.core.base.clock import Clock
from src.core.base.window import Window

BACKFILLS = "/api/v1/pipelines/backfills"


def backfill_answer(standing: BackfillStanding, now: datetime) -> BackfillAnswer:
    return BackfillAnswer(**_told(standing, now))


def backfill_detail(standing: BackfillStanding, now: datetime) -> BackfillDetail:
    return BackfillDetail(**_told(standing, now), windows=_windows(standing))


def backfill_accepted(standing: BackfillStanding, now: datetime, *, fresh: bool) -> BackfillAccepted:
    return BackfillAccepted(**_told(standing, now), windows=_windows(standing), reused=not fresh)


def links_of(org_slug: str, backfill_id: str) -> BackfillLinks:
    backfill = f"{BACKFILLS}/{org_slug}/{backfill_id}"
    return BackfillLinks(backfill=backfill, events=f"{backfill}/events", cancel=f"{backfill}/cancel")


async def backfill_events(
    standing: AsyncIterator[BackfillStanding], ends: Ends, clock: Clock, every: float = KEEP_ALIVE_SECONDS
) -> AsyncGenerator[ServerEvent | None]:
    count = 0
    async with aclosing(paced(standing, ends, every)) as paces:
        async for found in paces:
            if found is None:
                yield None
                continue
            count += 1
            told = backfill_answer(found, clock.now())
            yield ServerEvent("progress", str(count), {"state": told.state, **told.progress.model_dump(mode="json")})
            if found.over:
                # the id is what a reader that comes back sends as Last-Event-ID: it says that the end is known
                yield ServerEvent("end", "end", told.model_dump(mode="json"))


def _told(standing: BackfillStanding, now: datetime) -> dict[str, Any]:
    row = standing.row
    return {
        "backfill_id": row.scheduled_run_id,
        "org_slug": row.org_slug,
        "pipeline_id": row.pipeline_id,
        "document": row.document,
        "state": row.state if standing.over else "RUNNING",
        "error": row.error_message,
        "asked": Days(start=standing.asked.start, end=standing.asked.end),
        "served": Days(start=row.window_start, end=row.window_end),
        "unserved": _unserved(standing.unserved),
        "window_days": row.parameters["window_days"],
        "inputs": row.parameters["inputs"],
        "created_at": row.created_at,
        "completed_at": row.completed_at,
        "progress": _progress(standing, now),
        "links": links_of(row.org_slug, row.scheduled_run_id),
    }


def _progress(standing: BackfillStanding, now: datetime) -> BackfillProgress:
    done, failed = days_of(standing.done), days_of(standing.failed)
    rate, total, waiting = standing.days_per_hour(now), standing.days, standing.under_way
    return BackfillProgress(
        days=BackfillAmount(total=total, done=done, failed=failed, left=total - done - failed),
        windows=BackfillAmount(
            total=len(standing.planned),
            done=len(standing.done),
            failed=len(standing.failed),
            left=len(standing.planned) - len(standing.done) - len(standing.failed),
        ),
        percent=round(100 * (done + failed) / total, 1),
        days_per_hour=None if rate is None else round(rate, 1),
        estimated_end=None if standing.over else standing.ends_at(now),
        waits_for=waiting.error_message if waiting is not None and waiting.state == "WAITING" else None,
    )


def _windows(standing: BackfillStanding) -> list[WindowStanding]:
    return [
        WindowStanding(
            start=window.start,
            end=window.end,
            state=noted.state if noted else "PLANNED",
            pipeline_logging_id=noted and noted.pipeline_logging_id,
            retry_count=noted.retry_count if noted else 0,
            reason=noted and noted.error_message,
            available_at=noted.available_at if noted is not None and noted.state == "WAITING" else None,
        )
        for window, noted in zip_longest(standing.planned, standing.noted)
    ]


def _unserved(days: Window | None) -> UnservedDays | None:
    reason = "the provider does not tell of days so far back"
    return None if days is None else UnservedDays(start=days.start, end=days.end, reason=reason)
