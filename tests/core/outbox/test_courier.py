import asyncio
from datetime import timedelta
from functools import partial
from unittest.mock import Mock

import pytest

from src.core.base.faults import Misconfigured, Missing, Rejected, Unavailable
from src.core.ledger.tables import channels, events, notifications
from src.core.ledger.tables.channels import Channel
from src.core.outbox import courier, delivery, fanout, told
from src.core.outbox.delivery import WAITS
from tests.core.outbox.parts import Outbox


def arrived(outbox: Outbox, name: str, number: int) -> bool:
    return len(outbox.receivers.of(name)) >= number


def known(outbox: Outbox, channel_id: str) -> Channel:
    found = outbox.parts.ledger.read(channels.get, "acme", channel_id)
    assert found is not None
    return found


ALL = ("run.succeeded", "run.failed", "run.recovered", "channel.disabled")


async def test_people_hear_of_the_first_failure_at_once_of_others_once_a_day_and_of_the_recovery_once(outbox: Outbox):
    outbox.channel("people")
    outbox.channel("machine", "webhook")
    for _ in range(3):
        outbox.end("FAILED")
        outbox.clock.pass_(minutes=10)
        await outbox.drain()
    assert outbox.receivers.of("people") == [["run.failed"]]
    assert outbox.receivers.of("machine") == [["run.failed"]] * 3

    # eight in the morning of the next day
    outbox.clock.at = outbox.clock.at.replace(day=21, hour=8, minute=0)
    await outbox.drain()
    assert outbox.receivers.of("people")[1:] == [["run.failed", "run.failed"]]
    _, digest = next((name, parcel) for name, parcel in outbox.receivers.arrived if parcel.gathered)
    assert [event.data["ended_at"][:16] for event in digest.events] == ["2026-11-20T12:40", "2026-11-20T12:50"]

    for _ in range(2):
        outbox.end("SUCCESS")
        outbox.clock.pass_(minutes=10)
        await outbox.drain()
    assert outbox.receivers.of("people")[2:] == [["run.recovered"]]
    told = next(parcel.events[0] for name, parcel in outbox.receivers.arrived if parcel.events[0].type == "run.recovered")
    assert (told.data["failures"], told.data["failed_since"][:16]) == (3, "2026-11-20T12:30")
    assert outbox.receivers.of("machine")[3:] == [["run.succeeded"], ["run.recovered"], ["run.succeeded"]]
    outbox.end("FAILED")
    await outbox.drain()
    assert outbox.receivers.of("people")[3:] == [["run.failed"]]


async def test_a_message_says_what_the_run_loaded_and_what_of_its_window_nobody_knows(outbox: Outbox):
    outbox.channel("people", events=ALL)
    outbox.end("SUCCESS")
    await outbox.drain()
    data = outbox.receivers.arrived[0][1].events[0].data
    assert (data["company_name"], data["timezone"], data["document"], data["provider"]) == ("acme Inc", "UTC", "gcp/cost/billing", "gcp")
    assert (data["window_start"], data["window_end"], data["rows_processed"], data["duration_ms"]) == ("2026-11-01", "2026-11-19", 7, 90)
    # a run without books says nothing of days
    assert (data["totals"], data["completeness"], data["changes"]) == ([], [], [])


async def test_a_receiver_that_hangs_holds_up_nobody_else_and_is_sent_to_once_at_a_time(outbox: Outbox):
    outbox.channel("slow", "webhook")
    outbox.channel("quick", "webhook")
    outbox.receivers.hanging["slow"] = asyncio.Event()
    courier = outbox.courier()
    outbox.end("FAILED")
    await courier.start()
    for number in range(1, 5):
        await outbox.receivers.until(partial(arrived, outbox, "quick", number))
        outbox.clock.pass_(seconds=1)
        outbox.end("FAILED")
    assert outbox.receivers.of("slow") == []
    outbox.receivers.hanging["slow"].set()
    await outbox.receivers.until(partial(arrived, outbox, "slow", 5))
    await courier.stop()
    assert outbox.receivers.most_at_once == {"slow": 1, "quick": 1}


async def test_a_sending_that_fails_is_tried_with_growing_waits_under_one_id_and_given_up_at_last(outbox: Outbox):
    outbox.channel("people")
    outbox.end("FAILED")
    outbox.receivers.refusing["people"] = Unavailable("no answer")
    for number, wait in enumerate(WAITS, start=1):
        await outbox.drain()
        (row,) = outbox.rows()
        assert (row.state, row.attempts, row.available_at - outbox.clock.now(), row.last_error) == ("WAITING", number, wait, "no answer")
        outbox.clock.at += wait
    await outbox.drain()
    (row,) = outbox.rows()
    assert (row.state, row.attempts) == ("FAILED", len(WAITS) + 1)
    outbox.receivers.refusing.clear()
    outbox.parts.ledger.write(notifications.replay, "acme", row.notification_id, outbox.clock.now())
    await outbox.drain()
    assert [parcel.parcel_id for _, parcel in outbox.receivers.arrived] == [row.notification_id]


@pytest.mark.parametrize(
    ("kind", "fault", "state"),
    [
        ("email", Rejected("no such mailbox"), "FAILED"),
        ("email", Misconfigured("SMTP_HOST is not set"), "WAITING"),
        ("webhook", Rejected("it says no"), "WAITING"),
        ("email", Unavailable("busy", retry_after=3600), "WAITING"),
    ],
)
async def test_what_is_refused_for_good_is_not_tried_again(outbox: Outbox, kind, fault, state):
    outbox.channel("one", kind)
    outbox.end("FAILED")
    outbox.receivers.refusing["one"] = fault
    await outbox.drain()
    (row,) = outbox.rows()
    assert (row.state, row.attempts) == (state, 1)
    if fault.retry_after:
        assert row.available_at - outbox.clock.now() == timedelta(hours=1)


@pytest.mark.parametrize("days", [0, 5])
async def test_a_webhook_that_refuses_for_days_or_is_gone_is_switched_off_and_the_others_hear_of_it(outbox: Outbox, days):
    outbox.channel("people", events=("run.recovered",))
    machine = outbox.channel("machine", "webhook")
    gone = Missing("the receiver answered 410")
    outbox.receivers.refusing["machine"] = Unavailable("it answered 500") if days else gone
    outbox.end("FAILED")
    await outbox.drain()
    if days:
        for wait in WAITS[:2]:
            outbox.clock.at += wait
            await outbox.drain()
        assert outbox.receivers.of("people") == []
        outbox.clock.pass_(days=days)
        outbox.end("FAILED")
        await outbox.drain()
    outbox.clock.pass_(minutes=1)
    await outbox.drain()
    assert outbox.receivers.of("people") == [["channel.disabled"]]
    told = outbox.receivers.arrived[-1][1].events[0].data
    assert (told["name"], told["kind"], told["channel_id"]) == ("machine", "webhook", machine.channel_id)
    found = known(outbox, machine.channel_id)
    assert (found.is_active, found.disabled_reason) == (False, told["reason"])
    assert {state for _, state in outbox.states("machine")} == {"WITHDRAWN"}


async def test_one_refusal_long_after_another_says_nothing_of_the_days_between(outbox: Outbox):
    machine = outbox.channel("machine", "webhook")
    outbox.receivers.refusing["machine"] = Unavailable("it answered 500")
    outbox.end("FAILED")
    await outbox.drain()
    outbox.clock.pass_(days=6)
    await outbox.drain()
    assert known(outbox, machine.channel_id).is_active


async def test_a_keyring_that_is_away_is_no_refusal_of_the_receiver(outbox: Outbox, monkeypatch):
    machine = outbox.channel("machine", "webhook")
    outbox.end("FAILED")
    with monkeypatch.context() as away:
        away.setattr(delivery, "destination", Mock(side_effect=Unavailable("the keyring does not answer")))
        await outbox.drain()
    (row,) = outbox.rows()
    assert (row.state, row.attempts, row.lease_owner, known(outbox, machine.channel_id).refused_since) == ("WAITING", 0, None, None)
    outbox.clock.pass_(minutes=1)
    await outbox.drain()
    assert outbox.receivers.of("machine") == [["run.failed"]]


async def test_one_that_takes_something_in_between_has_not_refused_for_days(outbox: Outbox):
    machine = outbox.channel("machine", "webhook")
    outbox.receivers.refusing["machine"] = Unavailable("it answered 500")
    outbox.end("FAILED")
    await outbox.drain()
    assert known(outbox, machine.channel_id).refused_since == outbox.clock.now()
    outbox.receivers.refusing.clear()
    outbox.clock.pass_(days=4)
    await outbox.drain()
    assert known(outbox, machine.channel_id).refused_since is None


async def test_in_quiet_hours_people_are_left_alone_and_machines_are_not(outbox: Outbox):
    outbox.channel("people", quiet_start="12:00", quiet_end="14:00")
    outbox.channel("machine", "webhook", quiet_start="12:00", quiet_end="14:00")
    outbox.end("FAILED")
    await outbox.drain()
    assert [name for name, _ in outbox.receivers.arrived] == ["machine"]
    outbox.clock.at = outbox.clock.at.replace(hour=14, minute=0)
    await outbox.drain()
    assert outbox.receivers.of("people") == [["run.failed"]]


async def test_what_waits_for_a_channel_that_was_removed_or_switched_off_is_withdrawn(outbox: Outbox):
    one, two = outbox.channel("one", "webhook"), outbox.channel("two", "webhook")
    outbox.end("FAILED")
    outbox.fan_out()
    outbox.parts.ledger.write(channels.remove, "acme", one.channel_id)
    outbox.parts.ledger.write(channels.disable, two.channel_id, outbox.clock.now(), "it is gone")
    await outbox.drain()
    assert {(row.channel_name, row.state, row.last_error) for row in outbox.rows()} == {
        ("one", "WITHDRAWN", "the channel was removed"),
        ("two", "WITHDRAWN", "it is gone"),
    }
    assert outbox.receivers.arrived == []


async def test_a_courier_that_died_between_the_sending_and_its_note_leaves_it_to_another_under_the_same_id(outbox: Outbox):
    outbox.channel("machine", "webhook")
    outbox.end("FAILED")
    outbox.receivers.hanging["machine"] = asyncio.Event()
    dying = asyncio.create_task(outbox.drain())
    await outbox.receivers.until(lambda: outbox.receivers.at_once.get("machine"))
    (row,) = outbox.rows()
    assert (row.state, row.lease_owner is not None) == ("WAITING", True)
    await outbox.drain()
    assert row.lease_expires_at is not None
    outbox.clock.at = row.lease_expires_at
    outbox.receivers.hanging.pop("machine")
    await outbox.drain()
    assert [parcel.parcel_id for _, parcel in outbox.receivers.arrived] == [row.notification_id]
    dying.cancel()
    await asyncio.wait({dying})
    assert outbox.rows()[0].state == "SENT"


async def test_of_the_holder_of_a_slug_before_nothing_is_told(outbox: Outbox):
    outbox.channel("people")
    outbox.end("FAILED")
    with outbox.parts.ledger.writing() as unit:
        table = unit.tables["org_events"]
        unit.change(table.update().values(occurred_at=outbox.clock.now() - timedelta(days=1)))
    await outbox.drain()
    assert (outbox.rows(), outbox.new_events()) == ([], [])
    assert outbox.parts.ledger.read(events.waiting)[0] == 0


async def test_what_nobody_foresaw_is_counted_and_holds_up_no_other_channel_or_organisation(outbox: Outbox, monkeypatch):
    outbox.organisation("beta")
    outbox.channel("people")
    outbox.channel("people of beta", slug="beta")
    real = told.of_run

    def of_run(unit, run, ended):
        if run.org_slug == "acme" and run.pipeline_id == "odd":
            raise TypeError("a result of a shape that nobody foresaw")
        return real(unit, run, ended)

    monkeypatch.setattr(fanout, "of_run", of_run)
    outbox.end("FAILED", pipeline="odd")
    outbox.end("FAILED")
    outbox.end("FAILED", slug="beta", pipeline="beta-gcp-cost")
    outbox.receivers.refusing["people"] = ValueError("a text of a shape that nobody foresaw")
    await outbox.drain()
    (row,) = outbox.rows()
    assert (row.state, row.attempts, row.last_error) == ("WAITING", 1, "it could not be made or sent (ValueError)")
    assert outbox.receivers.of("people of beta") == [["run.failed"]]
    outbox.clock.pass_(minutes=1)
    assert outbox.new_events() == ["run.failed"]


async def test_a_drain_goes_on_with_others_while_a_receiver_hangs(outbox: Outbox, monkeypatch):
    monkeypatch.setattr(courier, "TURN_SECONDS", 0.01)
    outbox.channel("slow", "webhook")
    outbox.channel("quick", "webhook")
    outbox.receivers.hanging["slow"] = asyncio.Event()
    outbox.end("FAILED")
    draining = asyncio.create_task(outbox.drain())
    await outbox.receivers.until(partial(arrived, outbox, "quick", 1))
    for number in (2, 3):
        outbox.end("FAILED")
        await outbox.receivers.until(partial(arrived, outbox, "quick", number))
    assert outbox.receivers.of("slow") == []
    outbox.receivers.hanging["slow"].set()
    await draining
    assert len(outbox.receivers.of("slow")) == 3
