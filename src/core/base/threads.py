import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Final, ParamSpec, TypeVar

import anyio.to_thread
from anyio import CapacityLimiter

P = ParamSpec("P")
T = TypeVar("T")


class CountedThreads:
    """So many and no more: one whose caller was told that it took too long counts until it has ended."""

    def __init__(self, limit: int) -> None:
        self._threads = CapacityLimiter(limit)

    async def run(self, call: Callable[[], T]) -> T:
        begun = False

        def begin() -> T:
            nonlocal begun
            begun = True
            return call()

        running = asyncio.ensure_future(anyio.to_thread.run_sync(begin, limiter=self._threads))
        try:
            # cancelled, it would give its place back while its thread goes on, and another would begin beside it
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            if not begun:
                running.cancel()
            # what becomes of it is nobody's concern; unread, the loop would complain of it
            running.add_done_callback(_unheard)
            raise


def _unheard(over: asyncio.Future[T]) -> None:
    if not over.cancelled():
        over.exception()


# Long work that shared the threads of short requests would leave them none.
_own: Final[ContextVar[CapacityLimiter | CountedThreads | None]] = ContextVar("own_threads", default=None)


def work_in(threads: CapacityLimiter | CountedThreads) -> None:
    """From here on this task, and what it starts, makes its blocking calls in these threads instead of everybody's."""
    _own.set(threads)


async def blocking(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs a call that waits on disk or network off the event loop."""
    own = _own.get()
    if isinstance(own, CountedThreads):
        return await own.run(partial(call, *args, **kwargs))
    return await anyio.to_thread.run_sync(partial(call, *args, **kwargs), limiter=own)
