import asyncio

from src.core.pipeline.step_runner import Sleep


class Bell:
    """Wakes who waits at it before the time is over. Rung from any thread."""

    def __init__(self, sleep: Sleep) -> None:
        self._sleep = sleep
        self._rung = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def ring(self) -> None:
        # a closed loop raises, and nobody waits in it any more
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._rung.set)

    async def wait(self, seconds: float) -> bool:
        """Whether it rang. A ring while nobody waited counts."""
        await until_either(asyncio.create_task(self._rung.wait()), self._sleep, seconds)
        # asked of the event itself, which may have rung just when the time was over
        rung = self._rung.is_set()
        self._rung.clear()
        return rung


async def until_either(done: asyncio.Task[object] | asyncio.Task[bool], sleep: Sleep, seconds: float) -> bool:
    """Whether it was done before the time was over; it is cancelled if not."""
    asleep = asyncio.ensure_future(sleep(seconds))
    try:
        await asyncio.wait((done, asleep), return_when=asyncio.FIRST_COMPLETED)
        return done.done()
    finally:
        done.cancel()
        asleep.cancel()
