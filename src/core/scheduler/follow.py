import asyncio
from collections.abc import AsyncIterator

from src.core.base.threads import blocking
from src.core.ledger.tables import runs
from src.core.ledger.tables.runs import RunRecord
from src.core.pipeline.step_runner import Sleep
from src.core.scheduler.cancel import OVER
from src.core.step.context import Services


async def watch(services: Services, run_id: str, *, every: float | None = None, sleep: Sleep = asyncio.sleep) -> AsyncIterator[RunRecord]:
    """The run as it stands, and again whenever its status or progress changes; ends after its last status, or when it is gone.

    It is looked at as often as its progress may be written.
    """
    every = services.ledger.traits.news_seconds if every is None else every
    last: tuple[object, ...] | None = None
    while True:
        run = await _look(services, run_id)
        if run is None:
            return
        standing = (run.status, run.attempt, run.progress)
        if standing != last:
            last = standing
            yield run
        if run.status in OVER:
            return
        await sleep(every)


async def _look(services: Services, run_id: str) -> RunRecord | None:
    ledger = services.ledger
    # the read takes less time there than to hand it to a thread
    if ledger.traits.inline_reads:
        return ledger.glance(runs.get, run_id)
    return await blocking(ledger.read, runs.get, run_id)
