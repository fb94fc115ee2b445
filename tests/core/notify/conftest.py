"""The sandbox's receivers: a mail server with TLS, a Slack and receivers of webhooks, all over real connections."""

from collections.abc import Iterator
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
