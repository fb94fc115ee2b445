from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Final, ParamSpec, TypeVar

import anyio.to_thread
from anyio import CapacityLimiter

P = ParamSpec("P")
T = TypeVar("T")

# Long work that shared the threads of short requests would leave them none.
_own: Final[ContextVar[CapacityLimiter | None]] = ContextVar("own_threads", default=None)


def work_in(threads: CapacityLimiter) -> None:
    """From here on this task, and what it starts, makes its blocking calls in these threads instead of everybody's."""
    _own.set(threads)


async def blocking(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs a call that waits on disk or network off the event loop."""
    return await anyio.to_thread.run_sync(partial(call, *args, **kwargs), limiter=_own.get())
