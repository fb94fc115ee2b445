import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary


class Turns:
    """One after another for each name, in the order they came. Lives on the event loop.

    Who waits holds no thread, so that a crowd of one organisation leaves all others theirs.
    """

    def __init__(self) -> None:
        # kept by those who hold or await them, so what nobody does takes no room
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    def __len__(self) -> int:
        """The names that somebody holds or awaits."""
        return len(self._locks)

    @asynccontextmanager
    async def turn(self, name: Hashable) -> AsyncIterator[None]:
        # no lock around it: only the loop comes here, and nothing is awaited in between
        lock = self._locks.setdefault(name, asyncio.Lock())
        async with lock:
            yield
