"""Stands between Google's client and the emulator: keeps what is sent, and answers chosen requests, or not at all, as BigQuery may."""

import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import urlsplit

CODES = {"accessDenied": 403, "notFound": 404, "duplicate": 409, "rateLimitExceeded": 403, "quotaExceeded": 403, "backendError": 503}
CODES |= {"internalError": 500, "conditionNotMet": 412, "responseTooLarge": 403, "billingNotEnabled": 403}
CALL_SECONDS = 300.0
NOT_PASSED_ON = {"host", "connection", "accept-encoding", "content-length", "transfer-encoding"}


@dataclass(frozen=True)
class Sent:
    method: str
    path: str
    body: dict[str, Any]
    """The JSON that was sent; of an upload, that of its first part."""
    token: str = ""

    @property
    def configuration(self) -> dict[str, Any]:
        found: dict[str, Any] = self.body.get("configuration", {})
        return found

    @property
    def sql(self) -> str:
        return str(self.configuration.get("query", {}).get("query", ""))


Chosen = Callable[[Sent], bool]


@dataclass
class Rule:
    """What becomes of the next `times` requests that are chosen: answered here and not passed on, or passed on and the answer dropped."""

    chosen: Chosen
    act: Literal["answer", "drop", "hold"]
    times: int = 1
    status: int = 200
    body: dict[str, Any] = field(default_factory=dict)
    held: threading.Event = field(default_factory=threading.Event)
    """A request that is held has arrived at the emulator and was answered when this is set; the client hears of it after `release`."""
    release: threading.Event = field(default_factory=threading.Event)


def is_job(sent: Sent) -> bool:
    """A request that starts a job, and not a dry run."""
    return sent.method == "POST" and urlsplit(sent.path).path.endswith("/jobs") and not sent.configuration.get("dryRun")


class BigQueryProxy:
    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream)
        self.sent: list[Sent] = []
        self.rules: list[Rule] = []
        self.url = ""
        self._lock = threading.Lock()

    @property
    def jobs(self) -> list[Sent]:
        return [sent for sent in self.sent if is_job(sent)]

    def refuse(self, chosen: Chosen, reason: str, message: str, *, times: int = 1) -> Rule:
        """Answers with an error body of BigQuery's."""
        status = CODES.get(reason, 400)
        told = {"reason": reason, "message": message, "domain": "global"}
        return self._add(Rule(chosen, "answer", times, status, {"error": {"code": status, "message": message, "errors": [told]}}))

    def fail_job(self, chosen: Chosen, reason: str, message: str, *, times: int = 1) -> Rule:
        """Takes the job, which then is done and has failed."""
        told = {"reason": reason, "message": message}
        status = {"state": "DONE", "errorResult": told, "errors": [told]}
        return self._add(Rule(chosen, "answer", times, 200, {"status": status}))

    def drop(self, chosen: Chosen, *, times: int = 1) -> Rule:
        return self._add(Rule(chosen, "drop", times))

    def hold(self, chosen: Chosen) -> Rule:
        return self._add(Rule(chosen, "hold"))

    def _add(self, rule: Rule) -> Rule:
        with self._lock:
            self.rules.append(rule)
        return rule

    def take(self, sent: Sent) -> Rule | None:
        with self._lock:
            self.sent.append(sent)
            rule = next((rule for rule in self.rules if rule.times > 0 and rule.chosen(sent)), None)
            if rule:
                rule.times -= 1
            return rule


@contextlib.contextmanager
def running_proxy(upstream: str) -> Iterator[BigQueryProxy]:
    proxy = BigQueryProxy(upstream)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"proxy": proxy}))
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        for rule in proxy.rules:
            rule.release.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    proxy: BigQueryProxy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        sent = Sent(self.command, self.path, _json_of(raw), token)
        rule = self.proxy.take(sent)
        if rule and rule.act == "answer":
            body = {**sent.body, **rule.body} if "status" in rule.body else rule.body
            self._answer(rule.status, {"Content-Type": "application/json"}, json.dumps(body).encode())
            return
        status, headers, answer = self._upstream(raw)
        if rule and rule.act == "drop":
            self.close_connection = True
            return
        if rule:
            rule.held.set()
            rule.release.wait(CALL_SECONDS)
        self._answer(status, headers, answer)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the base class looks for these names

    def _upstream(self, raw: bytes) -> tuple[int, dict[str, str], bytes]:
        there = self.proxy.upstream
        connection = http.client.HTTPConnection(there.hostname or "", there.port, timeout=CALL_SECONDS)
        try:
            given = {name: value for name, value in self.headers.items() if name.lower() not in NOT_PASSED_ON}
            connection.request(self.command, self.path, raw, given)
            answer = connection.getresponse()
            headers = {name: value for name, value in answer.getheaders() if name.lower() not in NOT_PASSED_ON}
            # where an upload goes on is told by its address
            told = {name: value.replace(there.geturl(), self.proxy.url) for name, value in headers.items()}
            return answer.status, told, answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        with contextlib.suppress(ConnectionError):  # the client may have been killed meanwhile
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """The proxy keeps what it was sent; nothing is printed."""


def _json_of(raw: bytes) -> dict[str, Any]:
    start = raw.find(b"{")
    if start < 0:
        return {}
    try:
        found, _ = json.JSONDecoder().raw_decode(raw[start:].decode(errors="replace"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
