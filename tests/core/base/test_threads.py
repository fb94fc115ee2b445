import asyncio
import threading
from typing import Self

import pytest

from src.core.base.threads import CountedThreads, blocking, work_in
from tests.app.running_parts import until


class Held:
    """A call that goes on until it is let go."""

    def __init__(self, answer: str = "answer") -> None:
        self.begun, self.over = threading.Event(), threading.Event()
        self.answer = answer

    def __call__(self) -> str:
        self.begun.set()
        assert self.over.wait(60)
        return broken() if self.answer == "broken" else self.answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()


def broken() -> str:
    raise ValueError("broken")


async def given_up(caller: asyncio.Task[str]) -> None:
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller


async def test_a_thread_that_outlives_its_caller_counts_until_it_has_ended():
    threads = CountedThreads(1)
    with Held() as first, Held() as second:
        caller = asyncio.create_task(threads.run(first))
        await until(first.begun.is_set)

        await given_up(caller)
        other = asyncio.create_task(threads.run(second))
        # whoever takes no place of these threads comes round many times meanwhile
        for _ in range(20):
            await blocking(int)
        assert not second.begun.is_set()

        first.over.set()
        await until(second.begun.is_set)
        second.over.set()
        assert await other == "answer"


async def test_a_call_whose_caller_left_while_it_waited_for_a_thread_is_never_made():
    threads = CountedThreads(1)
    with Held() as first, Held() as second:
        busy = asyncio.create_task(threads.run(first))
        await until(first.begun.is_set)
        waiting = asyncio.create_task(threads.run(second))
        await asyncio.sleep(0)

        await given_up(waiting)
        first.over.set()
        await busy

        assert await threads.run(lambda: "next") == "next"
        assert not second.begun.is_set()


async def test_what_a_call_raises_reaches_its_caller_and_nobody_hears_it_once_he_left():
    threads = CountedThreads(1)

    async def working() -> None:
        work_in(threads)
        await blocking(broken)

    with pytest.raises(ValueError, match="broken"):
        await asyncio.create_task(working())
    with Held("broken") as late:
        caller = asyncio.create_task(threads.run(late))
        await until(late.begun.is_set)
        await given_up(caller)
    assert await threads.run(lambda: "next") == "next"
