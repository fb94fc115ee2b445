from datetime import timedelta
from typing import Any

from src.core.base.events import Event, stable_id
from src.core.ledger.tables import ageing, events, notifications, orgs
from src.core.ledger.tables.notifications import NotificationFilter, NotificationRow, Ready
from tests.contract.ledger.samples import AT

LATER = AT + timedelta(minutes=5)
OLD, BEFORE = AT - timedelta(days=100), AT - timedelta(days=90)


def event(number, type_="run.failed", *, at=AT, slug="acme", **data: object):
    return Event(
        event_id=f"evt_{number}", type=type_, org_slug=slug, occurred_at=at, data={"pipeline_id": "acme-gcp-cost", "number": number, **data}
    )


def notification(number, channel="c1", *, event_id=None, **changes: object):
    given = {
        "notification_id": stable_id(str(number), channel, prefix="msg"),
        "org_slug": "acme",
        "event_id": event_id or f"evt_{number}",
        "event_type": "run.failed",
        "channel_id": channel,
        "channel_kind": "email",
        "channel_name": f"name of {channel}",
        "parcel_id": f"p{number}{channel}",
        "state": "WAITING",
        "available_at": AT,
        "created_at": AT + timedelta(seconds=number),
        "updated_at": AT,
    }
    return NotificationRow(**{**given, **changes})


def ids(found):
    return [one.event_id for one in found]


def states(ledger):
    found = ledger.read(notifications.page, "acme", after=None, limit=50)
    return {one.parcel_id: (one.state, one.attempts) for one in found}


def test_an_event_is_written_once_and_fanned_out_by_one(ledger, acme):
    for number, at in ((2, LATER), (1, AT), (1, AT)):
        ledger.write(events.record, event(number, at=at))
    assert ids(ledger.read(events.new, AT, 10)) == ["evt_1"]
    assert ids(ledger.read(events.new, LATER, 10)) == ["evt_1", "evt_2"]
    assert ids(ledger.read(events.new, LATER, 1)) == ["evt_1"]
    assert ledger.read(events.waiting) == (2, AT)
    first = ledger.read(events.get, "evt_1")
    assert (first.event, first.subject, first.state) == (event(1), "acme-gcp-cost", "NEW")

    assert ledger.write(events.fanned_out, "evt_1", {"filled": "up"}, LATER)
    assert not ledger.write(events.fanned_out, "evt_1", {"filled": "otherwise"}, LATER)
    assert ledger.write(events.put_off, "evt_2", LATER + timedelta(hours=1), "no such run")
    assert not ledger.write(events.put_off, "evt_1", LATER, "late")
    assert ledger.read(events.new, LATER, 10) == []
    both = ledger.read(events.several, ["evt_1", "evt_2", "evt_3"])
    assert {name: (one.state, one.last_error) for name, one in both.items()} == {
        "evt_1": ("FANNED_OUT", None),
        "evt_2": ("NEW", "no such run"),
    }
    assert both["evt_1"].data == {"filled": "up"}
    assert ledger.read(events.several, []) == {}


def test_a_pipelines_failures_count_since_its_last_success(ledger, acme):
    def at(minute):
        return AT + timedelta(minutes=minute)

    told = (
        (1, "run.failed"),
        (2, "run.succeeded"),
        (3, "run.failed"),
        (4, "run.failed"),
        (6, "run.failed"),
    )
    for minute, type_ in told:
        ledger.write(events.record, event(minute, type_, at=at(minute)))
    ledger.write(events.record, event(5, "run.succeeded", at=at(5), pipeline_id="acme-openai-cost"))

    def streak(minute):
        return tuple(ledger.read(events.streak, "acme", "acme-gcp-cost", at(minute)))

    assert [streak(minute) for minute in (1, 2, 3, 4, 7)] == [(0, None), (1, at(1)), (0, None), (1, at(3)), (3, at(3))]
    assert tuple(ledger.read(events.streak, "other", "acme-gcp-cost", at(7))) == (0, None)
    assert ids(ledger.read(events.failed_since, "acme", "acme-gcp-cost", at(3), at(6))) == ["evt_3", "evt_4"]


def test_a_channel_has_an_event_once_and_is_sent_to_by_one_at_a_time(ledger, acme):
    rows = [notification(1), notification(2), notification(1, "c2"), notification(3, available_at=LATER)]
    assert ledger.write(notifications.add_all, rows, "acme") == 4
    assert ledger.write(notifications.add_all, rows[:2], "acme") == 0
    assert ledger.read(notifications.ready, AT) == [Ready("acme", "c1", gathered=False), Ready("acme", "c2", gathered=False)]
    parcels = ledger.read(notifications.next_parcels, "c1", AT, 10)
    assert parcels == ["p1c1", "p2c1"]

    mine = ledger.write(notifications.claim, parcels[:1], "one", AT, LATER)
    assert [one.parcel_id for one in mine] == ["p1c1"]
    assert ledger.write(notifications.claim, parcels[:1], "two", AT, LATER) == []
    assert ledger.read(notifications.ready, AT) == [Ready("acme", "c2", gathered=False)]
    assert ledger.read(notifications.next_parcels, "c1", AT, 10) == ["p2c1"]
    # whose lease is over has lost it
    assert len(ledger.write(notifications.claim, parcels[:1], "two", LATER, LATER + timedelta(minutes=5))) == 1
    assert ledger.write(notifications.sent, ["p1c1"], "one", LATER) == 0
    assert ledger.write(notifications.sent, ["p1c1"], "two", LATER) == 1
    assert states(ledger)["p1c1"] == ("SENT", 1)


def test_a_try_that_failed_is_made_again_later_and_at_last_given_up(ledger, acme):
    ledger.write(notifications.add_all, [notification(1), notification(2)], "acme")
    both = ["p1c1", "p2c1"]
    assert len(ledger.write(notifications.claim, both, "one", AT, LATER)) == 2
    assert ledger.write(notifications.missed, "p1c1", "one", at=AT, until=LATER, why="it was busy") == 1
    assert ledger.write(notifications.hand_back, ["p2c1"], "one", at=AT, until=AT) == 1
    assert ledger.read(notifications.next_parcels, "c1", AT, 10) == ["p2c1"]
    assert ledger.read(notifications.oldest_due, AT) == AT
    assert len(ledger.write(notifications.claim, both, "two", LATER, LATER + timedelta(minutes=1))) == 2
    assert ledger.write(notifications.missed, "p1c1", "two", at=LATER, until=None, why="it said no") == 1
    assert states(ledger) == {"p1c1": ("FAILED", 2), "p2c1": ("WAITING", 0)}
    # it is being sent, and may arrive
    assert ledger.write(notifications.withdraw, "acme", "c1", LATER, "the channel is gone") == 0
    assert ledger.write(notifications.withdraw, "acme", "c1", LATER + timedelta(minutes=1), "the channel is gone") == 1
    assert ledger.read(notifications.counts) == {"FAILED": 1, "WITHDRAWN": 1}

    (failed,) = ledger.read(notifications.page, "acme", NotificationFilter(state="FAILED"), after=None, limit=5)
    assert failed.last_error == "it said no"
    assert ledger.write(notifications.replay, "acme", failed.notification_id, LATER)
    assert not ledger.write(notifications.replay, "acme", failed.notification_id, LATER)
    assert not ledger.write(notifications.replay, "other", failed.notification_id, LATER)
    again = ledger.read(notifications.get, "acme", failed.notification_id)
    assert (again.state, again.attempts, again.parcel_id, again.last_error) == ("WAITING", 0, failed.notification_id, None)
    assert ledger.write(notifications.replay, "acme", notification(2).notification_id, LATER)
    assert ledger.read(notifications.counts) == {"WAITING": 2}


def test_what_is_due_of_the_gathered_becomes_one_parcel_and_later_ones_another(ledger, acme):
    due = [notification(number, state="GATHERED") for number in (1, 2)]
    ledger.write(notifications.add_all, [*due, notification(3, state="GATHERED", available_at=LATER)], "acme")
    assert ledger.read(notifications.ready, AT) == [Ready("acme", "c1", gathered=True)]
    assert ledger.read(notifications.next_parcels, "c1", AT, 10) == []
    assert ledger.write(notifications.bundle, "c1", "day 1", AT) == 2
    assert ledger.read(notifications.next_parcels, "c1", AT, 10) == ["day 1"]
    assert [one.event_id for one in ledger.write(notifications.claim, ["day 1"], "one", AT, LATER)] == ["evt_1", "evt_2"]
    assert ledger.write(notifications.bundle, "c1", "day 2", LATER) == 1
    assert ledger.write(notifications.sent, ["day 1"], "one", LATER) == 2
    assert states(ledger) == {"day 1": ("SENT", 1), "day 2": ("WAITING", 0)}


def test_pages_are_read_the_newest_first_and_narrowed(ledger, acme):
    rows = [notification(number, channel) for number in (1, 2, 3) for channel in ("c1", "c2")]
    ledger.write(notifications.add_all, rows, "acme")

    def page(after=None, limit=4, **wanted: Any):
        return ledger.read(notifications.page, "acme", NotificationFilter(**wanted), after=after, limit=limit)

    first = page()
    rest = page(after=first[-1].notification_id)
    assert [(one.event_id, len({one.notification_id for one in (*first, *rest)})) for one in first][::2] == [("evt_3", 6), ("evt_2", 6)]
    assert [one.event_id for one in rest] == ["evt_1", "evt_1"]
    assert [one.event_id for one in page(channel_id="c2")] == ["evt_3", "evt_2", "evt_1"]
    assert page(event_type="plan.blocked") == page(after="no such one") == []
    assert ledger.read(notifications.page, "other", after=None, limit=5) == []


def test_what_is_over_goes_with_its_age_and_its_event_after_it(ledger, acme):
    ledger.write(events.record, event(1, at=OLD))
    ledger.write(events.record, event(2, at=OLD))
    ledger.write(events.fanned_out, "evt_1", {}, OLD)
    old = {"created_at": OLD, "updated_at": OLD}
    rows = [
        notification(1, state="SENT", **old),
        notification(1, "c2", **old),
        notification(1, "c3", state="GATHERED", **old),
        notification(1, "c4", state="SENT"),
    ]
    ledger.write(notifications.add_all, rows, "acme")
    assert ledger.write(ageing.remove, "notifications", BEFORE, 10) == 1
    assert ledger.write(ageing.remove, "events", BEFORE, 10) == 0
    ledger.write(orgs.erase, "acme", AT)
    assert ledger.read(notifications.counts) == {}
    assert ledger.read(events.waiting)[0] == 0


def test_an_event_of_which_nothing_is_left_goes_and_a_new_one_never(ledger, acme):
    for number in (1, 2):
        ledger.write(events.record, event(number, at=OLD))
    ledger.write(events.fanned_out, "evt_1", {}, OLD)
    assert ledger.write(ageing.remove, "events", BEFORE, 10) == 1
    assert ids(ledger.read(events.new, AT, 10)) == ["evt_2"]
