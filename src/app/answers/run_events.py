"""Waiting for runs: as a stream of events, or for the end alone."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

import anyio
from fastapi import Request

from src.app.answers.runs import end_event, progress_event
from src.app.answers.sse import KEEP_ALIVE_SECONDS, Ends, ServerEvent, paced
from src.app.edge.leaving import left
from src.core.ledger.tables.runs import RunRecord
from src.core.scheduler.cancel import OVER

LONGEST_WAIT_SECONDS: Final = 600.0


async def run_events(
    standing: AsyncIterator[RunRecord], ends: Ends, every: float = KEEP_ALIVE_SECONDS
) -> AsyncGenerator[ServerEvent | None]:
    count = 0
    async with aclosing(paced(standing, ends, every)) as paces:
        async for run in paces:
            if run is None:
                yield None
                continue
            count += 1
            yield progress_event(run, count)
            if run.status in OVER:
                yield end_event(run)


async def ended(request: Request, standing: AsyncIterator[RunRecord], ends: Ends, within: float = LONGEST_WAIT_SECONDS) -> bool:
    """Whether the run is over; not, when that takes too long, the caller left, or nothing more is to be said."""
    leaving = asyncio.ensure_future(left(request))
    end = asyncio.ensure_future(_end(standing, ends))
    try:
        await asyncio.wait({leaving, end}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        return end.result() if end.done() else False
    finally:
        # anyio cancels again at every await: unshielded, these two would be left behind with what they hold open
        with anyio.CancelScope(shield=True):
            leaving.cancel()
            end.cancel()
            await asyncio.gather(leaving, end, return_exceptions=True)


async def _end(standing: AsyncIterator[RunRecord], ends: Ends) -> bool:
    async with aclosing(paced(standing, ends)) as paces:
        async for run in paces:
            if run is not None and run.status in OVER:
                return True
    return False
