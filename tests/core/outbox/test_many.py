"""Many events, two couriers beside each other, and receivers that refuse some of it the first time."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from src.core.base.events import Event, Parcel
from src.core.base.faults import Unavailable
from src.core.ledger.tables import events, notifications
from src.core.notify.destination import Destination
from tests.core.outbox.parts import Outbox, Receivers

CI_EVENTS, PROOF_EVENTS = 100, 10_000
CHANNELS = 4
REFUSED_EACH = 17


class Forgetful(Receivers):
    """Refuses each so manyth of what it is sent, the first time that it is."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    async def send(self, destination: Destination, parcel: Parcel) -> tuple[str, ...]:
        self.seen[parcel.parcel_id] += 1
        if len(self.seen) % REFUSED_EACH == 0 and self.seen[parcel.parcel_id] == 1:
            raise Unavailable("not now")
        return await super().send(destination, parcel)


async def deliver(outbox: Outbox, number: int) -> None:
    outbox.receivers = receivers = Forgetful()
    for name in range(CHANNELS):
        outbox.channel(f"machine {name}", "webhook")
    for start in range(0, number, 500):
        with outbox.parts.ledger.writing() as unit:
            for each in range(start, min(start + 500, number)):
                at = outbox.clock.now() - timedelta(milliseconds=number - each)
                told = Event(event_id=f"e{each}", type="plan.blocked", org_slug="acme", occurred_at=at, data={"number": each})
                events.record(unit, told)
    couriers = [outbox.courier(), outbox.courier()]
    while outbox.parts.ledger.read(notifications.backlog) or outbox.new_events():
        await asyncio.gather(*(courier.drain(0.001) for courier in couriers))
        outbox.clock.pass_(seconds=6)
    arrived = Counter((name, event.event_id) for name, parcel in receivers.arrived for event in parcel.events)
    assert len(arrived) == number * CHANNELS
    assert set(arrived.values()) == {1}
    assert {state for _, state in outbox.states("machine 1")} == {"SENT"}
    assert set(receivers.most_at_once.values()) == {1}


async def test_of_many_events_none_is_lost_and_none_told_twice(outbox: Outbox):
    outbox.clock.pass_(days=1)
    await deliver(outbox, CI_EVENTS)


@pytest.mark.proof
async def test_ten_thousand_events_are_drained_and_none_is_lost(outbox: Outbox):
    outbox.clock.pass_(days=1)
    await deliver(outbox, PROOF_EVENTS)
