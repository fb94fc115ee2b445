"""One large object behind the address of S3, whose server breaks off, falls silent, changes it, or refuses: as it is told, one answer after another."""

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
    to: str = ""
    """Where a redirect leads."""


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
    """Of the last one."""

    def bytes(self, start: int, end: int) -> Iterator[bytes]:
        while start < end:
            offset = start % len(WORDS)
            piece = WORDS[offset : offset + end - start]
            yield piece
            start += len(piece)

    def whole(self) -> bytes:
        return b"".join(self.bytes(0, self.size))

    @property
    def starts(self) -> list[int]:
        return [int(of.removeprefix("bytes=").split("-")[0]) for _, of, _ in self.asked if of]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        """Who reads may leave at any time."""


@contextmanager
def broken_storage(size: int) -> Iterator[BrokenStorage]:
    storage = BrokenStorage(size)
    stopped = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_):
            """The tests say what went wrong."""

        def do_HEAD(self):
            self._answer(200, storage.size)

        def do_GET(self):
            of = self.headers.get("range", "")
            storage.asked.append((self.command, of, self.headers.get("if-match", "")))
            storage.headers = dict(self.headers)
            trouble = storage.ahead.popleft() if storage.ahead else storage.always
            if trouble and trouble.status:
                return self._refuse(trouble)
            if self.headers.get("if-match") not in (None, storage.etag):
                return self._refuse(Trouble(status=412, code="PreconditionFailed"))
            start, _, last = of.removeprefix("bytes=").partition("-")
            end = int(last) + 1 if last else storage.size
            self._answer(206, end - int(start), range=f"bytes {start}-{end - 1}/{storage.size}")
            upto = min(end, int(start) + trouble.after) if trouble else end
            for piece in storage.bytes(int(start), upto):
                self.wfile.write(piece)
            if trouble:
                self.wfile.flush()
                stopped.wait(trouble.silent)
                self.close_connection = True
            return None

        def _answer(self, status: int, length: int, range: str = "") -> None:
            self.send_response(status)
            for name, value in {
                "etag": storage.etag,
                "last-modified": "Wed, 21 Oct 2026 07:28:00 GMT",
                "content-length": str(length),
                **({"content-range": range} if range else {}),
            }.items():
                self.send_header(name, value)
            self.end_headers()

        def _refuse(self, trouble: Trouble) -> None:
            body = REFUSAL.format(trouble.code).encode()
            self.send_response(trouble.status or 500)
            self.send_header("content-length", str(len(body)))
            if trouble.to:
                self.send_header("location", trouble.to)
            self.end_headers()
            self.wfile.write(body)

    server = Server(("127.0.0.1", 0), Handler)
    storage.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield storage
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()
