"""Calls whose pipeline asks a provider while the caller waits: few at once, and in threads of their own.

A provider that accepts and is silent holds a thread until its time is over. In everybody's threads, a few organisations' calls would
leave no other request one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Final, TypeVar

from fastapi import Request

from src.app.edge.concurrency import RETRY_SECONDS, Places
from src.app.edge.leaving import left
from src.core.base.faults import Throttled
from src.core.base.threads import CountedThreads, work_in

T = TypeVar("T")

PER_ORGANISATION: Final = 2
FULL = "{limit} calls of {org} that ask a provider are open already, the most there may be; let one end, and try again"
CROWDED = "{limit} calls that ask a provider are open already, the most there may be at once (PROVIDER_CALL_THREADS); try again"


class ProviderCalls:
    def __init__(self, threads: int) -> None:
        self._threads = CountedThreads(threads)
        self._places = Places(PER_ORGANISATION, FULL, threads, CROWDED)

    def place(self, org_slug: str) -> AbstractContextManager[None]:
        """Held from before a call waits for its turn until its answer is made, so that whoever was let in is not refused later."""
        return self._places.place(org_slug)

    async def carried_out(self, request: Request, run: Callable[[Callable[[], object]], Awaitable[T]]) -> T:
        """`run` is handed what it calls when its turn has come. A caller who leaves before that is taken out, and nothing was begun.

        Whoever leaves later loses the answer alone: what was begun goes on to its end, and is on record.
        """
        leaving = asyncio.ensure_future(left(request))

        def begins() -> None:
            # he may have left in this very moment: then nothing is begun, and it is told so
            if not leaving.cancel():
                raise asyncio.CancelledError

        running = asyncio.ensure_future(self._working(run, begins))
        leaving.add_done_callback(lambda over: None if over.cancelled() else running.cancel())
        try:
            return await running
        except asyncio.CancelledError:
            # else it was this request that was cancelled, by the server
            if not leaving.done() or leaving.cancelled():
                raise
            raise Throttled("the caller left while this waited for its turn; nothing was begun", retry_after=RETRY_SECONDS) from None
        finally:
            leaving.cancel()

    async def _working(self, run: Callable[[Callable[[], object]], Awaitable[T]], begins: Callable[[], object]) -> T:
        work_in(self._threads)
        return await run(begins)


def provider_calls_of(request: Request) -> ProviderCalls:
    calls: ProviderCalls = request.scope["app"].state.provider_calls
    return calls
