"""One large object behind the address of a cloud's storage.

Its server breaks off, falls silent, changes the object or refuses, as it is told, one answer after another.
"""

import hashlib
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORDS = hashlib.sha256(b"a bill").digest() * 2048
REFUSAL = "<?xml version='1.0'?><Error><Code>{}</Code><Message>StringToSign AKIASECRET</Message></Error>"


@dataclass(frozen=True, slots=True)
class Trouble:
    after: int = 0
    """Bytes that come before it."""
    silent: float = 0
    status: int | None = None
    code: str = ""


@dataclass
class BrokenStorage:
    size: int
    address: str = ""
    etag: str = '"one"'
    ahead: deque[Trouble] = field(default_factory=deque)
    always: Trouble | None = None
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, range and If-Match of each request."""
    headers: dict[str, str] = field(default_factory=dict)
    path: str = ""
    """Both of the last one."""
    listings: deque[str] = field(default_factory=deque)
    """What is answered in a listing, page after page."""

    def pieces(self, start: int, end: int) -> Iterator[bytes]:
        while start < end:
            offset = start % len(WORDS)
            piece = WORDS[offset : offset + end - start]
            yield piece
            start += len(piece)

    def whole(self) -> bytes:
        return b"".join(self.pieces(0, self.size))

    @property
    def starts(self) -> list[int]:
        return [int(of.removeprefix("bytes=").split("-")[0]) for _, of, _ in self.asked if of]


class StorageServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, storage: BrokenStorage) -> None:
        super().__init__(("127.0.0.1", 0), StorageHandler)
        self.storage = storage
        self.stopped = threading.Event()

    def handle_error(self, request, client_address):
        """Who reads may leave at any time."""


class StorageHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: StorageServer

    def log_message(self, *_: object) -> None:
        """The tests say what went wrong."""

    def do_HEAD(self) -> None:
        self._begin(200, self.server.storage.size)

    def do_GET(self) -> None:
        storage, of, state = self.server.storage, self.headers.get("range", ""), self.headers.get("if-match")
        storage.asked.append((self.command, of, state or ""))
        storage.headers, storage.path = dict(self.headers), self.path
        if storage.listings:
            self._tell(200, storage.listings.popleft())
            return
        trouble = storage.ahead.popleft() if storage.ahead else storage.always
        if trouble and trouble.status:
            self._tell(trouble.status, REFUSAL.format(trouble.code))
        elif state not in (None, storage.etag):
            self._tell(412, REFUSAL.format("PreconditionFailed"))
        else:
            first, _, last = of.removeprefix("bytes=").partition("-")
            self._send(int(first), int(last) + 1, trouble)

    def _send(self, start: int, end: int, trouble: Trouble | None) -> None:
        storage = self.server.storage
        self._begin(206, end - start, f"bytes {start}-{end - 1}/{storage.size}")
        for piece in storage.pieces(start, min(end, start + trouble.after) if trouble else end):
            self.wfile.write(piece)
        if trouble:
            self.wfile.flush()
            self.server.stopped.wait(trouble.silent)
            self.close_connection = True

    def _begin(self, status: int, length: int, part: str = "") -> None:
        self.send_response(status)
        self.send_header("etag", self.server.storage.etag)
        self.send_header("last-modified", "Wed, 21 Oct 2026 07:28:00 GMT")
        self.send_header("content-length", str(length))
        if part:
            self.send_header("content-range", part)
        self.end_headers()

    def _tell(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


@contextmanager
def broken_storage(size: int) -> Iterator[BrokenStorage]:
    storage = BrokenStorage(size)
    server = StorageServer(storage)
    storage.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield storage
    finally:
        server.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()
