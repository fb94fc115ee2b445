"""A system that is told by webhooks, or Slack: an HTTP server on loopback that keeps what arrives and answers as it is told to."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread

WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Arrived:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    port: int = 0
    status: int = 200
    words: str = ""
    arrived: list[Arrived] = field(default_factory=list)
    came: Condition = field(default_factory=Condition)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/hooks") -> str:
        return f"http://{self.host}{path}"

    def wait(self, number: int) -> list[Arrived]:
        """What has arrived, once it is so many."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.arrived) >= number, WAIT_SECONDS), [one.body for one in self.arrived]
            return list(self.arrived)

    def take(self, arrived: Arrived) -> None:
        with self.came:
            self.arrived.append(arrived)
            self.came.notify_all()


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.take(Arrived(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            said = receiver.words.encode()
            self.send_response(receiver.status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_port
        serving = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            serving.join()
