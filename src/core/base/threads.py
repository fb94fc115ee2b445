from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

import anyio.to_thread

P = ParamSpec("P")
T = TypeVar("T")


async def blocking(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs a call that waits on disk or network off the event loop."""
    return await anyio.to_thread.run_sync(partial(call, *args, **kwargs))
