"""What a caller may send, and for how long one may stay, before anything inside is asked: a real server on loopback."""

import asyncio
import json
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog
from uvicorn import Config, Server

from src.app.process.crowd import Crowd, room
from src.app.process.protocol import AHEAD, HeldProtocol
from src.app.process.refusals import HEADERS
from src.core.base.settings import Settings
from tests.app.running_parts import WAIT_SECONDS, until

Message = MutableMapping[str, Any]
HOST = b"Host: x\r\n"
END = b"\r\n0\r\n\r\n"
GET = b"GET /length HTTP/1.1\r\n" + HOST
CHUNKED = b"POST /length HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
PIECE = b"y" * 50_000
WHOLE = 8_000_000


@dataclass
class Inside:
    """An application that tells what reached it, and answers when the test lets it."""

    reached: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    callers: set[str] = field(default_factory=set)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
        path = scope["path"]
        self.reached.append(path)
        self.callers.add(scope["client"][0])
        if path == "/wait":
            await self.may_answer.wait()
        length = 0
        while path == "/length":
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left.append(path)
                return
            length += len(message["body"])
            if not message["more_body"]:
                break
        seen = json.dumps([length, [name.decode() for name, _ in scope["headers"]]]).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        for _ in range(WHOLE // len(PIECE) if path == "/much" else 0):
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
        if path == "/slowly":
            await send({"type": "http.response.body", "body": b"begun", "more_body": True})
            await self.may_answer.wait()
        await send({"type": "http.response.body", "body": seen})


@dataclass
class Line:
    """One caller's connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def say(self, text: bytes) -> None:
        self.writer.write(text)

    async def heard(self, end: bytes) -> bytes:
        async with asyncio.timeout(WAIT_SECONDS):
            return await self.reader.readuntil(end)

    async def rest(self) -> bytes:
        """All until it is closed."""
        async with asyncio.timeout(WAIT_SECONDS):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    async def without_end(self, piece: bytes) -> bytes:
        """Sends the same again and again until it is answered and closed."""
        ended = asyncio.create_task(self.rest())
        while not ended.done():
            self.say(piece)
            # the answer may be taken back by the system from whoever goes on
            try:
                await self.writer.drain()
            except ConnectionError:
                break
            await asyncio.sleep(0)
        return await ended


@dataclass
class Running:
    inside: Inside
    crowd: Crowd
    port: int
    lines: list[Line] = field(default_factory=list)

    async def line(self, first: bytes = b"", buffer: int = 1 << 16) -> Line:
        made = Line(*await asyncio.open_connection("127.0.0.1", self.port, limit=buffer))
        self.lines.append(made)
        made.say(first)
        return made

    async def steps(self, number: int) -> None:
        """Until the crowd's own time has gone on by so much."""
        then = self.crowd.now + number
        await until(lambda: self.crowd.now > then)


@asynccontextmanager
async def running(**settings: float) -> AsyncIterator[Running]:
    crowd = Crowd(Settings.model_validate({"header_seconds": 60, "body_seconds": 60, **settings}))
    inside = Inside()
    held = type("Held", (HeldProtocol,), {"crowd": crowd})
    config = Config(
        inside,
        host="127.0.0.1",
        port=0,
        http=held,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        # times are counted by the crowd; the base class's own must not come between
        timeout_keep_alive=3600,
        # asyncio tries to accept so many at a time, and tries each again that fails
        backlog=8,
    )
    config.load()
    server = Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    crowd.begin(asyncio.get_running_loop())
    made = Running(inside, crowd, server.servers[0].sockets[0].getsockname()[1])
    try:
        yield made
    finally:
        inside.may_answer.set()
        for line in made.lines:
            line.writer.transport.abort()
        await until(lambda: not server.server_state.connections and not server.server_state.tasks)
        await server.shutdown()


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def problem_of(answer: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert found["status"] == status_of(answer)
    return found


@pytest.mark.parametrize(
    ("begun", "piece"),
    [
        (GET + b"X: ", b"a" * 9000),
        (GET, b"a: b\r\n" * 1500),
        (b"GET /", b"a" * 9000),
        (GET + b"a", b"a" * 9000),
        (CHUNKED + b"1\r\na\r\n0\r\nX: ", b"a" * 9000),
        (CHUNKED + b"1\r\na\r\n0\r\n", b"a: b\r\n" * 1500),
        (CHUNKED + b"1;", b"a" * 9000),
    ],
    ids=["a header", "headers", "an address", "a header's name", "a trailer", "trailers", "a chunk's extension"],
)
async def test_nothing_around_a_body_goes_on_without_end(begun: bytes, piece: bytes) -> None:
    async with running() as service:
        line = await service.line(begun)
        answer = await line.without_end(piece)

        assert problem_of(answer)["type"] == "/problems#head-too-large"
        assert status_of(answer) == 431
        assert b"connection: close" in answer.lower()


async def test_a_head_is_taken_up_to_its_bounds() -> None:
    many = b"".join(b"a%d: b\r\n" % number for number in range(HEADERS - 2))
    async with running() as service:
        line = await service.line(GET + b"Connection: close\r\nX: " + b"a" * 65_000 + b"\r\n\r\n")
        assert status_of(await line.rest()) == 200
        # more in one piece than the bound, of which most is body
        line = await service.line(
            b"POST /length HTTP/1.1\r\n" + HOST + b"Connection: close\r\nContent-Length: 90000\r\n\r\n" + b"b" * 90_000
        )
        assert b"[90000," in await line.rest()
        line = await service.line(GET + b"Connection: close\r\n" + many + b"\r\n")
        assert status_of(await line.rest()) == 200
        line = await service.line(GET + b"Connection: close\r\n" + many + b"one: more\r\n\r\n")
        assert status_of(await line.rest()) == 431
        # in one piece with a request before it, whose answer has not begun
        line = await service.line(GET + b"\r\n" + GET + b"X: " + b"a" * 66_000 + b"\r\n\r\n")
        assert await line.rest() == b""
        line = await service.line(b"GET /" + b"a" * 16_384 + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        assert problem_of(await line.rest())["type"] == "/problems#url-too-long"


async def test_a_connection_that_asks_nothing_is_closed_without_a_word() -> None:
    async with running(header_seconds=0.1) as service:
        assert await (await service.line()).rest() == b""


@pytest.mark.parametrize("begun", [b"G", GET, GET + b"X: y"], ids=["a word", "a line", "a header"])
async def test_a_head_that_does_not_end_in_its_time_is_refused(begun: bytes) -> None:
    async with running(header_seconds=0.1) as service:
        answer = await (await service.line(begun)).rest()

        assert problem_of(answer)["type"] == "/problems#too-slow"
        assert "HEADER_SECONDS" in problem_of(answer)["detail"]


async def test_the_time_of_a_head_begins_anew_with_each_request() -> None:
    async with running(header_seconds=0.1) as service:
        line = await service.line(b"GET /slowly HTTP/1.1\r\n" + HOST + b"\r\n" + GET)
        await line.heard(b"begun")
        await service.steps(2 * service.crowd.head_steps)
        service.inside.may_answer.set()
        line.say(b"\r\n")

        await line.heard(END)
        assert status_of(await line.heard(END)) == 200
        # and of the third there is only a beginning
        line.say(b"GE")
        assert status_of(await line.rest()) == 408


@pytest.mark.parametrize(
    "begun",
    [b"POST /length HTTP/1.1\r\n" + HOST + b"Content-Length: 50\r\n\r\n{", CHUNKED + b"5\r\nab", CHUNKED + b"1\r\na\r\n"],
    ids=["of a length", "inside a piece", "between pieces"],
)
async def test_a_body_that_stops_is_refused_and_its_reader_is_told(begun: bytes) -> None:
    async with running(body_seconds=0.1) as service:
        answer = await (await service.line(begun)).rest()

        assert problem_of(answer)["type"] == "/problems#too-slow"
        assert "BODY_SECONDS" in problem_of(answer)["detail"]
        await until(lambda: service.inside.left == ["/length"])


async def test_a_caller_is_not_late_while_the_service_does_not_read() -> None:
    async with running(body_seconds=0.1) as service:
        waits = await service.line(b"POST /wait HTTP/1.1\r\n" + HOST + b"Content-Length: 900000\r\n\r\n")
        asks_first = await service.line(b"POST /wait HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nExpect: 100-continue\r\n\r\n")
        waits.say(b"b" * 900_000)
        await until(lambda: len(service.inside.reached) == 2)
        await service.steps(2 * service.crowd.body_steps)
        service.inside.may_answer.set()

        assert status_of(await waits.heard(END)) == 200
        assert status_of(await asks_first.heard(END)) == 200


async def test_who_takes_an_answer_slowly_is_not_cut() -> None:
    async with running(header_seconds=0.1, body_seconds=0.1) as service:
        streamed = await service.line(b"GET /slowly HTTP/1.1\r\n" + HOST + b"\r\n")
        whole = await service.line(b"GET /much HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", 4096)
        await streamed.heard(b"begun")
        await service.steps(3 * service.crowd.body_steps)
        service.inside.may_answer.set()

        assert (await streamed.heard(END)).endswith(b"0\r\n\r\n")
        assert len(await whole.rest()) > WHOLE


async def test_a_body_whose_end_comes_after_its_answer_keeps_no_connection() -> None:
    async with running(header_seconds=0.1) as service:
        line = await service.line(b"POST /early HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\na")
        await line.heard(END)
        line.say(b"b")

        assert await line.rest() == b""


async def test_a_body_that_nobody_reads_ends_at_the_limit() -> None:
    async with running(max_body_bytes=100_000) as service:
        line = await service.line(b"POST /early HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n")
        assert status_of(await line.heard(END)) == 200

        assert await line.without_end(b"2710\r\n" + b"b" * 10_000 + b"\r\n") == b""


async def test_beyond_the_most_the_one_that_asks_nothing_for_longest_is_closed() -> None:
    async with running(max_connections=3) as service:
        busy = await service.line(b"GET /wait HTTP/1.1\r\n" + HOST + b"\r\n")
        first = await service.line(GET)
        second = await service.line()
        await until(lambda: service.inside.reached == ["/wait"])
        asks = await service.line(GET + b"\r\n")

        assert await first.rest() == b""
        assert status_of(await asks.heard(END)) == 200
        service.inside.may_answer.set()
        assert status_of(await busy.heard(END)) == 200
        second.say(GET + b"\r\n")
        assert status_of(await second.heard(END)) == 200


async def test_where_all_are_busy_one_more_is_refused_and_told_when_to_come_back(capsys: pytest.CaptureFixture[str]) -> None:
    async with running(max_connections=2) as service:
        busy = [await service.line(b"GET /wait HTTP/1.1\r\n" + HOST + b"\r\n") for _ in range(2)]
        await until(lambda: len(service.inside.reached) == 2)

        for _ in range(3):
            refused = await (await service.line()).rest()
            assert problem_of(refused)["type"] == "/problems#unavailable"
            assert b"Retry-After: 5" in refused
        await service.steps(3)
        assert capsys.readouterr().out.count("connections.full") == 1
        service.inside.may_answer.set()
        for line in busy:
            assert status_of(await line.heard(END)) == 200


async def test_beyond_the_most_bodies_that_wait_and_answers_that_nobody_takes_go_before_what_is_under_way() -> None:
    async with running(max_connections=3, body_seconds=0.5) as service:
        busy = await service.line(b"GET /wait HTTP/1.1\r\n" + HOST + b"\r\n")
        untaken = await service.line(b"GET /much HTTP/1.1\r\n" + HOST + b"\r\n", 4096)
        await until(lambda: len(service.inside.reached) == 2)
        await service.steps(2 * service.crowd.body_steps)
        unfinished = await service.line(b"POST /length HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n")
        await until(lambda: len(service.inside.reached) == 3)

        for served, closed in enumerate((unfinished, untaken), start=2):
            asks = await service.line(b"GET /wait HTTP/1.1\r\n" + HOST + b"\r\n")
            assert not (await closed.rest()).endswith(b"0\r\n\r\n")
            await until(lambda: service.inside.reached.count("/wait") == served)  # noqa: B023 - awaited before it changes
        service.inside.may_answer.set()
        for line in (busy, asks):
            assert status_of(await line.heard(END)) == 200


@contextmanager
def descriptors(most: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(("most", "kept"), [(1024, 768), (300, 225), (128, 64), (4096, 1000)])
def test_connections_leave_descriptors_for_the_rest(most: int, kept: int) -> None:
    with descriptors(most):
        assert room(Settings(_env_file=None)) == kept


async def test_an_accept_that_fails_is_told_once_and_tried_again(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with running(header_seconds=4) as service:
        with socket.socket() as comes, socket.socket() as highest:
            comes.settimeout(0)
            with descriptors(highest.fileno() + 1), ExitStack() as rest:
                with suppress(OSError):
                    while True:
                        rest.enter_context(socket.socket())
                await asyncio.get_running_loop().sock_connect(comes, ("127.0.0.1", service.port))
                await service.steps(3)
            line = Line(*await asyncio.open_connection(sock=comes))
            line.say(GET + b"Connection: close\r\n\r\n")
            assert status_of(await line.rest()) == 200
            line.writer.close()

    [told] = [words for words in capsys.readouterr().out.splitlines() if "connections.no_descriptors" in words]
    assert "accepts_failed" in told
    assert [record for record in caplog.records if record.name == "asyncio"] == []


async def test_requests_sent_ahead_do_not_pile_up() -> None:
    async with running() as service:
        line = await service.line(b"GET /wait HTTP/1.1\r\n" + HOST + b"\r\n")
        await until(lambda: service.inside.reached == ["/wait"])
        line.say((GET + b"\r\n") * 1000)
        await line.rest()

    assert len(service.inside.reached) <= AHEAD + 1


@pytest.mark.parametrize(
    "said",
    [
        b"POST /length HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabcdefghi\r\n0\r\n\r\n",
        b"POST /length HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["a length and pieces", "two lengths", "TLS"],
)
async def test_what_has_two_meanings_or_none_is_refused(said: bytes) -> None:
    async with running() as service:
        answer = await (await service.line(said)).rest()

    assert problem_of(answer)["type"] == "/problems#malformed"
    assert service.inside.reached == []


async def test_what_follows_a_body_is_not_taken_for_headers_of_its_request() -> None:
    async with running() as service:
        line = await service.line(CHUNKED + b"1\r\na\r\n0\r\nX-API-Key: late\r\n\r\n")

        assert b'[1, ["host", "transfer-encoding"]]' in await line.heard(END)


async def test_what_is_sent_in_another_protocol_is_not_read_as_a_request() -> None:
    async with running() as service:
        line = await service.line(GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + GET + b"\r\n")
        await line.heard(END)
        line.say(GET + b"\r\n")
        await line.rest()

    assert service.inside.reached == ["/length"]


@pytest.fixture(autouse=True)
def _plain_log() -> None:
    structlog.reset_defaults()


async def test_an_address_that_a_caller_forwards_is_not_taken_for_his() -> None:
    async with running() as service:
        line = await service.line(GET + b"X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n")
        assert (await line.rest()).startswith(b"HTTP/1.1 200")
        assert service.inside.callers == {"127.0.0.1"}
