"""What an Idempotency-Key costs: nothing where none is sent, two round trips of the ledger where one is, and three for a repeat in all."""

from collections.abc import Iterator

import pytest

from src.core.ledger.postgresql.wire import PostgresqlWire
from tests.app.running_parts import House

CHANNELS = "/api/v1/organizations/acme_corp/channels"


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    taken: list[int] = []
    together, say = PostgresqlWire._together, PostgresqlWire.say

    def noted(self, batch):
        taken[-1] = len(batch)
        return together(self, batch)

    def said(self, sql, name=b"", values=None):
        taken.append(1)
        return say(self, sql, name, values)

    monkeypatch.setattr(PostgresqlWire, "_together", noted)
    monkeypatch.setattr(PostgresqlWire, "say", said)
    return taken


@pytest.fixture
def house(postgres_server, tmp_path) -> Iterator[House]:
    database = postgres_server.create_database()
    made = House.build(tmp_path, ledger_url=postgres_server.url(database))
    made.organisation("acme_corp")
    yield made
    made.parts.close()
    postgres_server.drop_database(database)


async def test_a_key_costs_two_round_trips_and_none_costs_none(house: House, trips: list[int]) -> None:
    async def cost(name: str, **headers: str) -> int:
        async with house.client() as caller:
            trips.clear()
            answer = await caller.post(CHANNELS, json={"kind": "email", "name": name, "recipients": ["a@example.com"]}, headers=headers)
        assert answer.status_code == 201, answer.text
        return len(trips)

    # the first of each finds its statements prepared, and connections open, for the second
    await cost("first")
    await cost("second", **{"Idempotency-Key": "second"})
    plain = await cost("third")
    keyed = await cost("fourth", **{"Idempotency-Key": "fourth"})
    repeat = await cost("fourth", **{"Idempotency-Key": "fourth"})

    assert (keyed - plain, repeat) == (2, 3), plain
