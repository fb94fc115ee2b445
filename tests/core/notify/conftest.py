"""The sandbox's receivers: a mail server with TLS, a Slack and receivers of webhooks, all over real connections."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count

import pytest

from src.core.base.events import ChannelKind, Event, EventType, Parcel
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.notify.destination import Destination
from src.core.notify.transports import Transports
from src.sandbox.receivers.arrivals import Arrival, Behaviour, Manner, ReceiverKind
from src.sandbox.server import Sandbox
from tests.sandbox.conftest import HeldClock

AT = datetime(2026, 11, 12, 7, 30, tzinfo=UTC)
numbers = count(1)


def event(of: EventType = "run.failed", **data: object) -> Event:
    return Event(event_id=f"evt_{next(numbers)}", type=of, org_slug="acme_corp", occurred_at=AT, data=data)


def parcel(*events: Event, gathered: bool = False) -> Parcel:
    return Parcel(parcel_id=f"msg_{next(numbers)}", events=events or (event(pipeline_id="acme-cost"),), gathered=gathered)


@dataclass
class Receiving:
    sandbox: Sandbox
    settings: Settings

    def to(self, kind: ChannelKind, name: str, *secrets: str, recipients: tuple[str, ...] = ()) -> Destination:
        path = {"slack": "slack", "webhook": "hooks"}.get(kind)
        return Destination(
            kind=kind,
            name="finance",
            org_slug="acme_corp",
            company_name="Acme Corp",
            timezone="Europe/Berlin",
            recipients=recipients or ((f"{name}@acme.example",) if kind == "email" else ()),
            url=Secret(f"{self.sandbox.address}/{path}/{name}") if path else None,
            signing_secrets=tuple(Secret(secret) for secret in secrets),
        )

    def behave(self, kind: ReceiverKind, name: str, does: Behaviour = "well", *secrets: str) -> None:
        self.sandbox.receivers.arrivals.behave(kind, name, Manner(does, secrets))

    def arrived(self, message_id: str) -> list[Arrival]:
        return [
            one for one in self.sandbox.receivers.arrivals.all() if one.message_id in (message_id, f"<{message_id}@convergence.example>")
        ]

    def last(self, name: str) -> Arrival:
        return next(one for one in reversed(self.sandbox.receivers.arrivals.all()) if name in one.to)

    def ways_out(self, **changed: object) -> Transports:
        return Transports(self.settings.model_copy(update=changed))


@pytest.fixture(scope="package")
def receiving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiving]:
    sandbox = Sandbox(tmp_path_factory.mktemp("receivers") / "sandbox", HeldClock(), prefix="tests.fakes.sandbox")
    sandbox.start()
    settings = Settings(_env_file=None, public_url="https://costs.example.com")
    yield Receiving(sandbox, sandbox.stand_in(settings))
    sandbox.stop()


@pytest.fixture
def transports(receiving: Receiving) -> Iterator[Transports]:
    made = receiving.ways_out()
    yield made
    made.close()


@dataclass
class TlsSink:
    port: int = 0
    server_name: str | None = None
    request: bytes = b""


@pytest.fixture
async def tls_sink(receiving: Receiving) -> AsyncIterator[TlsSink]:
    """Answers 204 to one request, and remembers which name it was asked to prove."""
    sink = TlsSink()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(receiving.sandbox.receivers.certificate)

    def remember(_: object, name: str | None, __: ssl.SSLContext) -> None:
        sink.server_name = name

    context.sni_callback = remember

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sink.request = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    sink.port = server.sockets[0].getsockname()[1]
    yield sink
    server.close()
