"""Server-sent events. A silent stream is kept alive; a reader who leaves, and a service that stops, leave nothing behind."""

import asyncio
import json
import signal
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import anyio
from fastapi import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from src.app.edge.concurrency import Places

T = TypeVar("T")

KEEP_ALIVE_SECONDS: Final = 15.0  # proxies close what says nothing for 30 to 60 seconds
RECONNECT_MS: Final = 2000
WATCHERS: Final = 20
MEDIA_TYPE: Final = "text/event-stream"
# A comment in the protocol's sense: readers pass over it, proxies see that something was said.
KEEP_ALIVE: Final = b": alive\n\n"
# nginx holds an answer back until a buffer is full unless it is told otherwise, and a proxy that packs it waits likewise.
UNBUFFERED: Final[Mapping[str, str]] = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}


class ServerEvent(NamedTuple):
    name: str
    id: str
    data: Mapping[str, Any]

    def encoded(self) -> bytes:
        return f"event: {self.name}\nid: {self.id}\ndata: {json.dumps(self.data, separators=(',', ':'))}\n\n".encode()


@dataclass(slots=True)
class Watchers(Places):
    """Who waits for a run's progress."""

    limit: int = WATCHERS
    full: str = "{limit} calls wait for runs of {org} already, the most there may be; close one, or read the run instead"
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @contextmanager
    def told_of_stop(self) -> Iterator[None]:
        """The server waits for every answer before it lets the service stop, so streams must hear of the signal themselves."""
        # Python lets nobody but the main thread set handlers
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def hear(number: int, frame: FrameType | None) -> None:
            # a handler runs between any two instructions, and the loop may be asleep: this wakes it and sets the event in its turn
            loop.call_soon_threadsafe(self.stopping.set)
            # the server's own handler is what ends the service, and only one handler is called
            earlier = before[signal.Signals(number)]
            if callable(earlier):
                earlier(number, frame)

        # where nobody else handles a signal, ending the process is the system's own answer to it
        heard = [number for number, earlier in before.items() if callable(earlier)]
        for number in heard:
            signal.signal(number, hear)
        try:
            yield
        finally:
            for number in heard:
                signal.signal(number, before[number])


def watchers_of(request: Request) -> Watchers:
    watchers: Watchers = request.scope["app"].state.watchers
    return watchers


class EventStream(StreamingResponse):
    media_type = MEDIA_TYPE

    def __init__(self, events: AsyncGenerator[bytes], watchers: Watchers, org_slug: str) -> None:
        super().__init__(events, headers=UNBUFFERED)
        self._events = events
        self._watchers = watchers
        self._org_slug = org_slug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # taken when the answer is sent, not when it is made: one that is never sent would not give its place back
        with self._watchers.place(self._org_slug):
            try:
                await super().__call__(scope, receive, send)
            finally:
                # a generator that nobody closes goes on holding its source until it is collected; a reader who leaves cancels this task
                with anyio.CancelScope(shield=True):
                    await self._events.aclose()


async def encoded(events: AsyncGenerator[ServerEvent | None]) -> AsyncGenerator[bytes]:
    """None is a moment in which nothing was to be told."""
    async with aclosing(events):
        yield f"retry: {RECONNECT_MS}\n\n".encode()
        async for event in events:
            yield KEEP_ALIVE if event is None else event.encoded()


class Ends(Protocol):
    async def wait(self) -> object:
        """Returns when nothing more is to be said."""
        ...


async def paced(source: AsyncIterator[T], ends: Ends, every: float = KEEP_ALIVE_SECONDS) -> AsyncGenerator[T | None]:
    """What comes, and None whenever nothing came for that long; ends with the source, or when it is to end."""
    stop: asyncio.Task[Any] = asyncio.ensure_future(ends.wait())
    coming: asyncio.Task[T] = asyncio.create_task(_next(source))
    try:
        while not stop.done():
            # not `wait_for`: it would cancel what is coming, and a generator that was cancelled gives nothing more
            await asyncio.wait([coming, stop], timeout=every, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                try:
                    item = coming.result()
                except StopAsyncIteration:
                    return
                yield item
                coming = asyncio.create_task(_next(source))
            elif not stop.done():
                yield None
    finally:
        with anyio.CancelScope(shield=True):
            stop.cancel()
            coming.cancel()
            await asyncio.gather(stop, coming, return_exceptions=True)
            if isinstance(source, AsyncGenerator):
                await source.aclose()


async def _next(source: AsyncIterator[T]) -> T:
    # a task takes a coroutine, and `anext` gives only something to await
    return await anext(source)
