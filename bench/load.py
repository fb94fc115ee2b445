"""A load client for one address: run it in a process of its own, so that it does not share the server's interpreter.

    python bench/load.py http://127.0.0.1:8000/health --connections 32 --seconds 5 -H 'X-API-Key: ...'

prints one JSON object: {"requests", "seconds", "rps", "p50_ms", "p99_ms", "errors", "first_error"}.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Coroutine
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

import uvloop

LENGTH = b"content-length:"
PATIENCE_SECONDS = 5.0
HEAD_END = b"\r\n\r\n"


@dataclass(slots=True)
class Tally:
    """What came back after the warm-up."""

    counting_from: float
    latencies: list[float] = field(default_factory=list)
    errors: int = 0
    first_error: str | None = None

    def add(self, asked_at: float, answered_at: float, head: bytes) -> None:
        if asked_at < self.counting_from:
            return
        if head[9:10] == b"2":
            self.latencies.append(answered_at - asked_at)
        else:
            self.fail(head.partition(b"\r\n")[0].decode("latin-1"))

    def fail(self, why: str) -> None:
        self.errors += 1
        self.first_error = self.first_error or why


class Connection(asyncio.Protocol):
    """Asks again as soon as it is answered. Reads just enough HTTP to know where an answer ends."""

    def __init__(self, request: bytes, until: float, tally: Tally) -> None:
        self._request, self._until, self._tally = request, until, tally
        self._buffer = b""
        self._asked_at = 0.0
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are of no common class
        self._ask()

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        end = buffer.find(HEAD_END)
        if end < 0 or len(buffer) < end + len(HEAD_END) + _length(buffer[:end]):
            self._buffer = buffer
            return
        self._buffer = b""
        now = perf_counter()
        self._tally.add(self._asked_at, now, buffer)
        if now < self._until:
            self._ask()
        else:
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._tally.fail(f"connection lost: {exc}")
            self.done.set_result(None)

    def _ask(self) -> None:
        assert self._transport is not None
        self._asked_at = perf_counter()
        self._transport.write(self._request)

    def _finish(self) -> None:
        self.done.set_result(None)
        if self._transport is not None:
            self._transport.close()


def _length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(LENGTH)
    if at < 0:
        return 0
    return int(lowered[at + len(LENGTH) :].split(b"\r\n", 1)[0])


def request_bytes(address: SplitResult, method: str, headers: list[str], body: str) -> bytes:
    path = address.path or "/"
    if address.query:
        path += f"?{address.query}"
    lines = [f"{method} {path} HTTP/1.1", f"Host: {address.netloc}", *headers]
    if body:
        lines += [f"Content-Length: {len(body.encode())}", "Content-Type: application/json"]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


async def load(url: str, *, connections: int, seconds: float, warm_up: float, method: str, headers: list[str], body: str) -> dict[str, Any]:
    address = urlsplit(url)
    request = request_bytes(address, method, headers, body)
    started = perf_counter()
    tally = Tally(started + warm_up)
    until = started + warm_up + seconds
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Connection(request, until, tally), address.hostname or "127.0.0.1", address.port or 80)
        for _ in range(connections)
    ]
    _, late = await asyncio.wait([connection.done for _, connection in made], timeout=warm_up + seconds + PATIENCE_SECONDS)
    if late:
        tally.fail(f"{len(late)} connections were still waiting for an answer")
    spent = perf_counter() - tally.counting_from
    latencies = sorted(tally.latencies)
    return {
        "requests": len(latencies),
        "seconds": round(spent, 3),
        "rps": round(len(latencies) / spent, 1),
        "p50_ms": _percentile(latencies, 0.50),
        "p99_ms": _percentile(latencies, 0.99),
        "errors": tally.errors,
        "first_error": tally.first_error,
    }


def _percentile(latencies: list[float], share: float) -> float | None:
    return round(latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1000, 3) if latencies else None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Loads one address and prints what it managed as JSON.")
    parser.add_argument("url")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warm-up", type=float, default=1.0)
    parser.add_argument("--method", default="GET")
    parser.add_argument("--body", default="")
    parser.add_argument("-H", "--header", action="append", default=[], help="Name: value; may be given again")
    return parser.parse_args()


def main() -> int:
    given = _arguments()
    work: Coroutine[Any, Any, dict[str, Any]] = load(
        given.url,
        connections=given.connections,
        seconds=given.seconds,
        warm_up=given.warm_up,
        method=given.method,
        headers=given.header,
        body=given.body,
    )
    answer = uvloop.run(work)
    print(json.dumps(answer))
    return 0 if answer["requests"] else 1


if __name__ == "__main__":
    sys.exit(main())
