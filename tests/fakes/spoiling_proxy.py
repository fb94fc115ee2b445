"""Stands between the service and the sandbox: passes on everything, and spoils the answers that it was told to spoil."""

import contextlib
import http.client
import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from src.core.base.clock import Clock

CALL_SECONDS = 60.0
# the host is: a token is asked for in its name
NOT_PASSED_ON = {"connection", "accept-encoding", "content-length", "transfer-encoding", "date"}
LIMIT = re.compile(r"(?<=[?&]limit=)\d+")


@dataclass(frozen=True)
class PassedOn:
    """One answer: as the sandbox gave it, or as it is told."""

    status: int
    headers: dict[str, str]
    body: bytes
    cut: bool = False
    """Half of the body is sent, and the connection ends."""
    held: bool = False
    """Nothing is sent before the proxy is told to release."""

    @property
    def told(self) -> Any:
        return json.loads(self.body)

    def telling(self, told: object) -> "PassedOn":
        return replace(self, body=json.dumps(told).encode())


Spoil = Callable[[PassedOn, Sequence[PassedOn]], PassedOn]
"""The true answer, and those that were sent before it to requests of the same kind."""


@dataclass
class SpoilRule:
    """What becomes of requests whose path ends so, the first of which has the number 1."""

    path: str
    spoil: Spoil
    first: int = 1
    times: int | None = None
    """Left out: of all that come."""
    page: int | None = None
    """Asks for no more than so many on a page, so that there are several."""
    sent: list[PassedOn] = field(default_factory=list)

    @property
    def spoilt(self) -> bool:
        """Whether something was."""
        return any(self.spoils(number) for number in range(1, len(self.sent) + 1))

    def spoils(self, number: int) -> bool:
        return number >= self.first and (self.times is None or number < self.first + self.times)


class SpoilingProxy:
    def __init__(self, upstream: str, clock: Clock) -> None:
        self.upstream = urlsplit(upstream)
        self.clock = clock
        self.url = ""
        self.asked: list[str] = []
        self._rule: SpoilRule | None = None
        self._released = threading.Event()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def spoiling(self, rule: SpoilRule) -> Iterator[SpoilRule]:
        self.asked.clear()
        self._released.clear()
        self._rule = rule
        try:
            yield rule
        finally:
            self._rule = None
            self._released.set()

    def rule_of(self, path: str) -> SpoilRule | None:
        rule = self._rule
        return rule if rule and re.search(f"(?:{rule.path})$", urlsplit(path).path) else None

    def answered(self, rule: SpoilRule, true: PassedOn) -> PassedOn:
        with self._lock:
            told = rule.spoil(true, rule.sent) if rule.spoils(len(rule.sent) + 1) else true
            rule.sent.append(told)
        if told.held:
            self._released.wait(CALL_SECONDS)
        return told


@contextlib.contextmanager
def spoiling_proxy(upstream: str, clock: Clock) -> Iterator[SpoilingProxy]:
    proxy = SpoilingProxy(upstream, clock)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("BoundSpoiler", (_Spoiler,), {"proxy": proxy}))
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Spoiler(BaseHTTPRequestHandler):
    proxy: SpoilingProxy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.proxy.asked.append(self.path)
        rule = self.proxy.rule_of(self.path)
        path = LIMIT.sub(str(rule.page), self.path) if rule and rule.page else self.path
        true = self._upstream(path, self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        self._send(self.proxy.answered(rule, true) if rule else true)

    do_POST = do_GET  # noqa: N815 - the base class looks for these names

    def _upstream(self, path: str, raw: bytes) -> PassedOn:
        there = self.proxy.upstream
        connection = http.client.HTTPConnection(there.hostname or "", there.port, timeout=CALL_SECONDS)
        try:
            given = {name: value for name, value in self.headers.items() if name.lower() not in NOT_PASSED_ON}
            connection.request(self.command, there.path + path, raw, given)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders() if name.lower() not in NOT_PASSED_ON}
            return PassedOn(answer.status, headers, answer.read())
        finally:
            connection.close()

    def _send(self, answer: PassedOn) -> None:
        with contextlib.suppress(ConnectionError):  # the client may have gone meanwhile
            self.send_response_only(answer.status)
            headers = {
                **answer.headers,
                "content-length": str(len(answer.body)),
                "date": format_datetime(self.proxy.clock.now(), usegmt=True),
            }
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body[: len(answer.body) // 2] if answer.cut else answer.body)
        self.close_connection = answer.cut or self.close_connection

    def log_message(self, *_: object) -> None:
        """The test run's own output stays clean."""
