"""The outbox as a whole on each ledger: also where nothing is undone and every statement is a job."""

import pytest

from src.app.wiring import Parts
from src.core.base.faults import Unavailable
from src.core.outbox.delivery import WAITS
from tests.core.outbox.parts import Outbox, WallClock


@pytest.fixture
def outbox(ledger, settings):
    clock = WallClock()
    parts = Parts(settings, clock)
    made = Outbox(parts, clock)
    made.organisation("acme")
    yield made
    parts.close()


async def test_failures_and_their_recovery_are_told_gathered_and_tried_again(outbox: Outbox):
    outbox.channel("people")
    outbox.channel("machine", "webhook")
    outbox.receivers.refusing["machine"] = Unavailable("not now")
    for status in ("FAILED", "FAILED", "SUCCESS"):
        outbox.end(status)
        outbox.clock.pass_(minutes=1)
    courier = outbox.courier()
    while (await courier.drain(60)).fanned_out:
        pass
    assert outbox.receivers.of("people") == [["run.failed"], ["run.recovered"]]
    assert {(row.event_type, row.state) for row in outbox.rows() if row.channel_name == "machine"} == {
        ("run.failed", "WAITING"),
        ("run.succeeded", "WAITING"),
        ("run.recovered", "WAITING"),
    }
    outbox.receivers.refusing.clear()
    outbox.clock.at = outbox.clock.at.replace(day=21, hour=8) + WAITS[0]
    await courier.drain(60)
    assert outbox.receivers.of("people")[2:] == [["run.failed"]]
    assert sorted(outbox.receivers.of("machine")) == [["run.failed"], ["run.failed"], ["run.recovered"], ["run.succeeded"]]
    assert {row.state for row in outbox.rows()} == {"SENT"}
    ids = [(name, parcel.parcel_id) for name, parcel in outbox.receivers.arrived]
    assert len(ids) == len(set(ids))
