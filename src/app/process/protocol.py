"""HTTP as uvicorn and httptools speak it, bounded in what a caller may send before anybody has asked for a key."""

import asyncio
from typing import ClassVar, Final

import structlog
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from src.app.process.crowd import BUSY, NOTHING, STALLED, UNFINISHED, Crowd
from src.app.process.refusals import FULL, HEAD_BYTES, HEAD_TOO_LARGE, HEADERS, MALFORMED, URL_BYTES, URL_TOO_LONG, Refusal

log = structlog.get_logger("http")

# What a connection waits for.
HEAD: Final = 0  # the first byte of its first request, or the rest of a head
BODY: Final = 1
ANSWER: Final = 2  # what is to be answered, or another request after it
DEAF: Final = 3  # the same, and whatever comes is left unread
REFUSED: Final = 4  # the caller, to hear that it was refused

# Requests that may wait behind the one that is answered. Each takes fifty times the memory that it has on the wire.
AHEAD: Final = 16


class _TooMuch(Exception):
    """Out of the parser, which has no other way to be stopped."""


class HeldProtocol(HttpToolsProtocol):
    crowd: ClassVar[Crowd]
    # of the base class, which sets it to None when it begins
    cycle: RequestResponseCycle | None  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # uvicorn takes whatever address a caller from this machine forwards; which proxies count TRUSTED_PROXY_HOPS says alone
        if isinstance(self.app, ProxyHeadersMiddleware):
            self.app = self.app.app
        self.headers = []
        self.url = b""
        self._waits = HEAD
        self._since = self.crowd.now
        # bytes since a head began, or since the last of a body: neither a head nor what stands around a body grows without end
        self._bare = 0
        self._size = 0
        self._unread = 0
        self._refusal: Refusal | None = None
        self._left = 0
        self._taken = self.crowd.now
        if not self.crowd.admit(self):
            self._say(FULL)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._waits >= DEAF:
            return
        if self._waits == ANSWER:
            self._waits, self._since = HEAD, self.crowd.now
            self.crowd.began(self)
        elif self._waits == BODY:
            self._since = self.crowd.now
        self._size = len(data)
        self._bare += self._size
        super().data_received(data)
        if (self._bare > HEAD_BYTES or len(self.headers) > HEADERS) and self._waits < DEAF:
            self._refuse(HEAD_TOO_LARGE)

    def on_headers_complete(self) -> None:
        if len(self.headers) > HEADERS or (max(self._bare, self._size) > HEAD_BYTES and self._head_bytes() > HEAD_BYTES):
            self._stop(HEAD_TOO_LARGE)
        if len(self.url) > URL_BYTES:
            self._stop(URL_TOO_LONG)
        if len(self.pipeline) >= AHEAD:
            self._stop(MALFORMED)
        super().on_headers_complete()
        self._waits, self._since = BODY, self.crowd.now
        self._bare = self._unread = 0
        # what follows a body in pieces would be added to the request's own headers, while somebody reads them
        self.headers = []

    def on_body(self, body: bytes) -> None:
        self._bare = 0
        if self._answered():
            # nobody reads it any more; a caller who was refused may end what it was sending
            self._unread += len(body)
            if self._unread > self.crowd.body_bytes:
                self._stop(MALFORMED)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._waits = ANSWER
        self._bare = 0

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - its words are not ours
        """The base class comes here with whatever the parser did not take."""
        self._refuse(self._refusal or MALFORMED)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._taken = self.crowd.now

    def _should_upgrade(self) -> bool:
        # nothing is served that way, and another protocol would not be held
        return False

    def _unsupported_upgrade_warning(self) -> None:
        """A request like any other; what comes after it may be in the other protocol, and is not read as HTTP."""
        if self.cycle is not None:
            self.cycle.keep_alive = False
        self._waits = max(self._waits, DEAF)

    def look(self) -> None:
        """Once in each step of the crowd's time."""
        now, waits = self.crowd.now, self._waits
        if waits == HEAD:
            if not self._answered():
                # it was sent ahead: its time begins when the answer before it is over
                self._since = now
            elif now - self._since >= self.crowd.head_steps:
                self._late()
        elif waits == BODY:
            # not the caller's doing: the service takes no more yet, or has not said that it will
            if self.flow.read_paused or (self.cycle is not None and self.cycle.waiting_for_100_continue):
                self._since = now
            elif now - self._since >= self.crowd.body_steps:
                self._refuse(self.crowd.body_too_slow)
        elif waits == REFUSED:
            if now - self._since >= self.crowd.linger_steps:
                self.transport.abort()
        else:
            self._look_at_answer(now)

    def worth(self) -> int:
        if self._waits == REFUSED:
            return NOTHING
        if self.transport.get_write_buffer_size():
            return STALLED if self.crowd.now - self._taken >= self.crowd.body_steps else BUSY
        if self._answered():
            return NOTHING
        return UNFINISHED if self._waits == BODY and not self.flow.read_paused else BUSY

    def leave(self) -> None:
        self.transport.abort()

    def _look_at_answer(self, now: int) -> None:
        left = self.transport.get_write_buffer_size()
        if not left or left < self._left:
            self._taken = now
        self._left = left
        # a body whose end came after its answer has put an end to the base class's own waiting
        if self.timeout_keep_alive_task is None and self._answered() and now - self._since >= self.crowd.head_steps:
            self.transport.close()

    def _late(self) -> None:
        # a browser that connects in advance has asked nothing, and would take an answer for that of its next request
        if self._bare:
            self._refuse(self.crowd.head_too_slow)
        else:
            self.transport.close()

    def _answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)

    def _stop(self, refusal: Refusal) -> None:
        self._refusal = refusal
        raise _TooMuch

    def _refuse(self, refusal: Refusal) -> None:
        """Says it where nothing else was said that it could be taken for a part of, and reads no more."""
        if self.transport.is_closing():
            return
        own = self.cycle if self._waits == BODY else None
        said = own.response_started if own is not None else not self._answered()
        alone = not said and not self.pipeline
        self._waits, self._since = REFUSED, self.crowd.now
        self._unset_keepalive_if_required()
        self.pipeline.clear()
        if self.cycle is not None and not self.cycle.response_complete:
            # whoever answers it is told as if the caller had gone
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        log.info("http.refused", status=refusal.status, problem=refusal.code.name)
        if alone:
            self._say(refusal)
        if alone and self.transport.can_write_eof():
            # closed at once with something unread, the system would take the answer back; what comes is thrown away for a moment
            self.flow.resume_reading()
            self.transport.write_eof()
        else:
            self.transport.close()

    def _say(self, refusal: Refusal) -> None:
        self.transport.write(refusal.encoded())
