import asyncio
import signal
import threading
from collections.abc import Iterator
from typing import Final, Protocol, runtime_checkable

import structlog
from starlette.types import Scope
from uvicorn import Server

log = structlog.get_logger("http")

# After a service is told to stop, callers get this much to take their answers.
LEAVE_SECONDS: Final = 5.0


class _Cycle(Protocol):
    scope: Scope


@runtime_checkable
class _Connection(Protocol):
    transport: asyncio.Transport
    cycle: _Cycle | None


class Connections:
    """The server's own, to cut: it closes one only when all that was written is taken, and waits for that to the end of days."""

    def __init__(self) -> None:
        self._server: Server | None = None
        self.ended = False

    def find(self) -> None:
        """A server handles the signals of its process; there is no other way to it from inside."""
        if threading.current_thread() is threading.main_thread():
            owner = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
            self._server = owner if isinstance(owner, Server) else None

    def cut(self, scope: Scope) -> None:
        for connection in self._open():
            if connection.cycle is not None and connection.cycle.scope is scope:
                # `close` would first wait until all that was written is taken, which this caller does not do
                connection.transport.abort()

    async def cut_all(self, stopping: asyncio.Event) -> None:
        """What is not over by its time after the stop is cut off, and nothing longer is begun."""
        await stopping.wait()
        await asyncio.sleep(LEAVE_SECONDS)
        self.ended = True
        left = list(self._open())
        for connection in left:
            connection.transport.abort()
        if left:
            log.warning("connections.cut", count=len(left), after_seconds=LEAVE_SECONDS)

    def _open(self) -> Iterator[_Connection]:
        known = list(self._server.server_state.connections) if self._server else []
        return (connection for connection in known if isinstance(connection, _Connection))
