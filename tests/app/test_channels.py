"""An organisation's channels and webhooks, and what it reads of what was told."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from src.core.base.clock import SystemClock
from src.core.base.events import Event, stable_id
from src.core.ledger.tables import audit, channels, events, notifications
from src.core.ledger.tables.notifications import NotificationRow
from src.core.outbox.fanout import notification
from tests.acceptance.observed import problem
from tests.app.running_parts import House
from tests.fakes.billing import StillClock
from tests.fakes.receiver import Arrived, Receiver, receiving

ORG = "/api/v1/organizations/acme_corp"
CHANNELS, WEBHOOKS, NOTIFICATIONS = f"{ORG}/channels", f"{ORG}/webhooks", f"{ORG}/notifications"
MAIL = {"kind": "email", "name": "Finance team", "recipients": ["finance@acme.com", "Maria@acme.com", "maria@ACME.com"]}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def house(tmp_path, receiver) -> Iterator[House]:
    made = House.build(tmp_path, notify_inside_hosts=receiver.host)
    made.organisation("acme_corp", timezone="Europe/Berlin")
    yield made
    made.parts.close()


async def ask(house: House, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
    async with house.client(**headers) as caller:
        return await caller.request(method, path, json=body)


async def made(house: House, path: str, body: Any) -> dict[str, Any]:
    answer = await ask(house, "POST", path, body)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def hooked(house: House, receiver: Receiver, name: str = "Billing system") -> dict[str, Any]:
    return await made(house, WEBHOOKS, {"name": name, "url": receiver.url("/in?token=hush")})


async def told(house: House, path: str) -> Any:
    answer = await ask(house, "GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def actions(house: House) -> Sequence[tuple[str, str]]:
    return [(entry.action, entry.outcome) for entry in house.parts.ledger.read(audit.page, "acme_corp", None, 50)][::-1]


def verified(secret: str, arrived: Arrived) -> Any:
    return Webhook(secret).verify(arrived.body, arrived.headers)


async def test_a_channel_is_made_changed_and_removed(house):
    first = await made(house, CHANNELS, MAIL)

    assert first["recipients"] == ["finance@acme.com", "maria@acme.com"]
    assert (first["timezone"], first["digest_time"], first["quiet_hours"], first["usual_events"]) == ("Europe/Berlin", "08:00", None, True)
    assert "run.failed" in first["events"]
    assert "run.succeeded" not in first["events"]
    at = f"{CHANNELS}/{first['channel_id']}"
    quiet = {"start": "22:00", "end": "07:00"}
    changed = await ask(house, "PATCH", at, {"events": ["run.failed"], "quiet_hours": quiet, "digest_time": "07:30", "is_active": False})
    assert changed.status_code == 200, changed.text
    assert changed.json() == {
        **first,
        "events": ["run.failed"],
        "usual_events": False,
        "quiet_hours": quiet,
        "digest_time": "07:30",
        "is_active": False,
        "updated_at": changed.json()["updated_at"],
    }
    assert await told(house, at) == changed.json()
    back = (await ask(house, "PATCH", at, {"events": None, "quiet_hours": None, "digest_time": None, "is_active": True})).json()
    assert back == {**first, "updated_at": back["updated_at"]}
    assert await told(house, CHANNELS) == {"org_slug": "acme_corp", "channels": [back]}

    gone = await ask(house, "DELETE", at)

    assert gone.json() == {"org_slug": "acme_corp", "channel_id": first["channel_id"], "state": "deleted"}
    assert "lists those it has" in problem(await ask(house, "DELETE", at), 404, "missing")["detail"]
    assert actions(house) == [
        ("channels.create", "SUCCESS"), ("channels.update", "SUCCESS"), ("channels.update", "SUCCESS"), ("channels.delete", "SUCCESS"),
        ("channels.delete", "FAILED"),
    ]  # fmt: skip


async def test_a_secret_is_shown_once_and_signs_what_the_test_call_sends(house, receiver, caplog):
    house.parts.clock = SystemClock()
    hook = await hooked(house, receiver)
    secret = hook.pop("secret")
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/=]{44}", secret)
    assert hook["url"] == receiver.url("/in?...")
    assert await told(house, f"{WEBHOOKS}/{hook['webhook_id']}") == hook
    assert await told(house, WEBHOOKS) == {"org_slug": "acme_corp", "webhooks": [hook]}

    tested = (await ask(house, "POST", f"{WEBHOOKS}/{hook['webhook_id']}/test")).json()

    assert (tested["delivered"], tested["reason"]) == (True, None)
    (arrived,) = receiver.arrived
    assert arrived.path == "/in?token=hush"
    event = verified(secret, arrived)
    assert (arrived.headers["webhook-id"], event["id"], event["type"]) == (tested["event_id"], tested["event_id"], "channel.test")
    assert (event["org_slug"], event["data"]["name"]) == ("acme_corp", "Billing system")
    trail = json.dumps([entry.details for entry in house.parts.ledger.read(audit.page, "acme_corp", None, 50)], default=str)
    stored = house.parts.ledger.read(channels.get, "acme_corp", hook["webhook_id"])
    for told_of in (trail, repr(stored), str(stored.sealed_url), str(stored.sealed_secret), caplog.text):
        assert "hush" not in told_of
        assert secret not in told_of


async def test_of_slacks_address_the_host_alone_is_shown(house, receiver):
    slack = await made(house, CHANNELS, {"kind": "slack", "name": "Costs in Slack", "url": receiver.url("/services/T0/B0/hush")})

    assert slack["address"] == receiver.host
    assert "hush" not in str(slack)


async def test_a_receiver_that_refuses_is_told_of_in_its_own_words(house, receiver):
    hook = await hooked(house, receiver)
    receiver.status, receiver.words = 500, "the cellar is full"
    await ask(house, "PATCH", f"{WEBHOOKS}/{hook['webhook_id']}", {"is_active": False})

    tested = await ask(house, "POST", f"{WEBHOOKS}/{hook['webhook_id']}/test")

    assert tested.status_code == 200
    assert tested.json()["delivered"] is False
    assert "the cellar is full" in tested.json()["reason"]
    mail = await made(house, CHANNELS, MAIL)
    assert "SMTP_HOST" in (await ask(house, "POST", f"{CHANNELS}/{mail['channel_id']}/test")).json()["reason"]


async def test_both_secrets_sign_during_the_grace_and_one_after_it(house, receiver):
    house.parts.clock = SystemClock()
    hook = await hooked(house, receiver)
    at, old = f"{WEBHOOKS}/{hook['webhook_id']}", hook["secret"]

    rotated = (await ask(house, "POST", f"{at}/rotate-secret", {"grace_hours": 2})).json()

    new = rotated["secret"]
    assert new != old
    assert datetime.fromisoformat(rotated["secret_before_until"]) - house.parts.clock.now() <= timedelta(hours=2)
    await ask(house, "POST", f"{at}/test")
    assert verified(new, receiver.arrived[-1]) == verified(old, receiver.arrived[-1])
    # the grace is over by the ledger's clock; what is sent has its own moment, by which the convention's library goes
    house.parts.clock = StillClock(datetime.now(UTC).date() + timedelta(days=2))
    await ask(house, "POST", f"{at}/test")
    assert verified(new, receiver.arrived[-1])
    with pytest.raises(WebhookVerificationError, match="signature"):
        verified(old, receiver.arrived[-1])
    again = (await ask(house, "POST", f"{at}/rotate-secret", {"grace_hours": 0})).json()
    assert again["secret_before_until"] is None
    assert (await ask(house, "POST", f"{at}/rotate-secret")).json()["secret_before_until"] is not None


WRONG = [
    ({**MAIL, "recipients": ["no-address"]}, "recipients", "is no e-mail address"),
    ({**MAIL, "recipients": ["jörg@acme.com"]}, "recipients", "is no e-mail address"),
    ({**MAIL, "recipients": []}, "recipients", "are 0, and a channel has 1 to 50"),
    ({**MAIL, "recipients": [f"p{n}@acme.com" for n in range(51)]}, "recipients", "are 51"),
    ({**MAIL, "recipients": ["a@acme.com\nBcc: everybody@acme.com"]}, "recipients", "is no e-mail address"),
    ({"kind": "webhook", "name": "Hook"}, "kind", "is made by POST /api/v1/organizations/{org_slug}/webhooks"),
    ({"kind": "email", "name": "Nobody"}, "recipients", "is missing"),
    ({"kind": "slack", "name": "Slack"}, "url", "is missing"),
    ({**MAIL, "url": "https://hooks.slack.com/services/T/B/x"}, "url", "is nothing that a channel of kind email has"),
    ({**MAIL, "events": ["run.failled"]}, "events", "did you mean 'run.failed'?"),
    ({**MAIL, "events": ["channel.test"]}, "events", "is no event"),
    ({**MAIL, "events": []}, "events", "names none"),
    ({**MAIL, "name": "<b>bold</b>"}, "name", "begins with a letter or a digit"),
    ({**MAIL, "quiet_hours": {"start": "25:00", "end": "7:00"}}, "quiet_hours", "start: '25:00' is no time of day"),
    ({**MAIL, "quiet_hours": {"start": "07:00", "end": "07:00"}}, "quiet_hours", "are the same"),
    ({**MAIL, "digest_time": "8"}, "digest_time", "write it like 22:00"),
    ({"kind": "slack", "name": "Slack", "url": "http://hooks.slack.com/services/T/B/x"}, "url", "must begin with https://"),
    ({"kind": "slack", "name": "Slack", "url": "https://127.0.0.1/services/T/B/x"}, "url", "lies inside"),
    ({"kind": "slack", "name": "Slack", "url": "https://[::ffff:10.0.0.1]/x"}, "url", "lies inside"),
]


@pytest.mark.parametrize(("body", "field", "mend"), WRONG)
async def test_what_is_wrong_with_a_channel_names_the_field_and_the_mend(house, body, field, mend):
    refused = problem(await ask(house, "POST", CHANNELS, body), 422, "rejected")

    assert (field, True) in [(flaw["field"], mend in flaw["message"]) for flaw in refused["errors"]], refused
    assert await told(house, CHANNELS) == {"org_slug": "acme_corp", "channels": []}


async def test_an_address_inside_is_refused_also_when_it_is_changed_to(house, receiver):
    hook = await hooked(house, receiver)

    refused = await ask(house, "PATCH", f"{WEBHOOKS}/{hook['webhook_id']}", {"url": "https://169.254.169.254/latest?token=hush"})

    assert "lies inside" in problem(refused, 422, "rejected")["detail"]
    assert "hush" not in refused.text
    assert (await told(house, f"{WEBHOOKS}/{hook['webhook_id']}"))["url"] == hook["url"]


async def test_a_name_is_one_channels_and_there_are_twenty_at_most(house, receiver):
    first = await made(house, CHANNELS, MAIL)
    hook = await hooked(house, receiver)

    taken = problem(await ask(house, "POST", WEBHOOKS, {"name": MAIL["name"], "url": receiver.url()}), 409, "conflict")
    assert taken["errors"] == [{"field": "name", "message": "is another's"}]
    problem(await ask(house, "PATCH", f"{WEBHOOKS}/{hook['webhook_id']}", {"name": MAIL["name"]}), 409, "conflict")
    assert (await ask(house, "PATCH", f"{CHANNELS}/{first['channel_id']}", {"name": MAIL["name"]})).status_code == 200
    for number in range(18):
        await made(house, CHANNELS, {**MAIL, "name": f"Team {number}"})
    full = problem(await ask(house, "POST", CHANNELS, {**MAIL, "name": "One more"}), 409, "conflict")
    assert "has 20 channels and webhooks" in full["detail"]


async def test_a_webhook_is_no_channel_and_nobody_elses(house, receiver):
    hook = await hooked(house, receiver)
    other = house.organisation("other_org")

    problem(await ask(house, "GET", f"{CHANNELS}/{hook['webhook_id']}"), 404, "missing")
    problem(await ask(house, "GET", f"{WEBHOOKS}/{hook['webhook_id']}", **{"X-API-Key": other}), 403, "not-yours")
    own = f"/api/v1/organizations/other_org/webhooks/{hook['webhook_id']}"
    for method, path in (("GET", own), ("PATCH", own), ("DELETE", own), ("POST", f"{own}/test"), ("POST", f"{own}/rotate-secret")):
        problem(await ask(house, method, path, {} if method == "PATCH" else None, **{"X-API-Key": other}), 404, "missing")
    assert receiver.arrived == []


def tell(house: House, channel_id: str, name: str, state: Any = "SENT", minutes: int = 0) -> NotificationRow:
    at = house.parts.clock.now() + timedelta(minutes=minutes)
    event = Event(event_id=stable_id(name), type="run.failed", org_slug="acme_corp", occurred_at=at, data={"pipeline_id": name})
    channel = house.parts.ledger.read(channels.get, "acme_corp", channel_id)
    assert channel is not None
    sent = state == "SENT"
    row = replace(
        notification(event, channel, state, at, at), attempts=1, last_error=None if sent else "it was out", sent_at=at if sent else None
    )
    house.parts.ledger.write(events.record, event)
    house.parts.ledger.write(notifications.add_all, [row], "acme_corp")
    return row


async def test_what_was_told_is_read_in_pages_and_narrowed(house, receiver):
    hook, mail = await hooked(house, receiver), await made(house, CHANNELS, MAIL)
    rows = [tell(house, hook["webhook_id"], f"p{number}", minutes=number) for number in range(3)]
    waiting = tell(house, mail["channel_id"], "p9", "WAITING", minutes=9)

    first = await told(house, f"{NOTIFICATIONS}?limit=3")
    second = await told(house, f"{NOTIFICATIONS}?limit=3&cursor={first['next_cursor']}")

    found = [one["notification_id"] for page in (first, second) for one in page["notifications"]]
    assert found == [row.notification_id for row in [waiting, *reversed(rows)]]
    assert second["next_cursor"] is None
    newest, sent = first["notifications"][:2]
    assert (newest["state"], newest["last_error"], newest["channel_name"]) == ("WAITING", "it was out", "Finance team")
    assert newest["next_try_at"] is not None
    assert (sent["next_try_at"], sent["event"]["data"]) == (None, {"pipeline_id": "p2"})
    assert await told(house, f"{NOTIFICATIONS}/{waiting.notification_id}") == newest
    for asked in ("state=WAITING", f"channel={mail['channel_id']}"):
        assert [one["notification_id"] for one in (await told(house, f"{NOTIFICATIONS}?{asked}"))["notifications"]] == [
            newest["notification_id"]
        ]
    assert (await told(house, f"{NOTIFICATIONS}?type=run.succeeded"))["notifications"] == []
    problem(await ask(house, "GET", f"{NOTIFICATIONS}?states=WAITING"), 422, "rejected")
    problem(await ask(house, "GET", f"{NOTIFICATIONS}/none"), 404, "missing")


async def test_what_was_sent_is_sent_again_under_its_own_id(house, receiver):
    hook = await hooked(house, receiver)
    rows = [tell(house, hook["webhook_id"], f"p{number}", minutes=number) for number in range(4)]
    replay = f"{WEBHOOKS}/{hook['webhook_id']}/replay"

    one = await ask(house, "POST", f"{NOTIFICATIONS}/{rows[0].notification_id}/replay")
    assert one.status_code == 202, one.text
    assert (one.json()["state"], one.json()["notification_id"]) == ("WAITING", rows[0].notification_id)
    problem(await ask(house, "POST", f"{NOTIFICATIONS}/{rows[0].notification_id}/replay"), 409, "conflict")
    since = await ask(house, "POST", replay, {"since": rows[2].created_at.isoformat()})
    assert since.json() == {"org_slug": "acme_corp", "webhook_id": hook["webhook_id"], "replayed": 2, "next_since": None}
    named = await ask(house, "POST", replay, {"event_ids": [rows[1].event_id, rows[2].event_id]})
    assert named.json()["replayed"] == 1, "one of them waits already"
    found = (await told(house, NOTIFICATIONS))["notifications"]
    assert {entry["state"] for entry in found} == {"WAITING"}
    assert {entry["notification_id"] for entry in found} == {row.notification_id for row in rows}

    unknown = problem(await ask(house, "POST", replay, {"event_ids": ["evt_of_another"]}), 422, "rejected")
    assert unknown["errors"][0]["field"] == "event_ids"
    neither: list[dict[str, Any]] = [{}, {"since": "2026-11-01T00:00:00Z", "event_ids": ["a"]}, {"since": "2026-11-01"}, {"event_ids": []}]
    for body in neither:
        assert (await ask(house, "POST", replay, body)).status_code == 422
    unclear = problem(await ask(house, "POST", replay, {"since": "2026-11-01"}), 422, "rejected")
    assert unclear["errors"] == [{"field": "since", "message": "is a moment with its offset; write it like 2026-11-25T00:00:00Z"}]


async def test_what_waits_for_a_channel_that_is_paused_or_gone_is_withdrawn(house, receiver):
    hook, mail = await hooked(house, receiver), await made(house, CHANNELS, MAIL)
    paused = tell(house, mail["channel_id"], "p1", "GATHERED")
    removed = tell(house, hook["webhook_id"], "p2", "WAITING")

    await ask(house, "PATCH", f"{CHANNELS}/{mail['channel_id']}", {"is_active": False})
    await ask(house, "DELETE", f"{WEBHOOKS}/{hook['webhook_id']}")

    for row, why in ((paused, "its channel was paused"), (removed, "its channel was removed")):
        found = await told(house, f"{NOTIFICATIONS}/{row.notification_id}")
        assert (found["state"], found["last_error"]) == ("WITHDRAWN", why)
    assert "PATCH" in problem(await ask(house, "POST", f"{NOTIFICATIONS}/{paused.notification_id}/replay"), 409, "conflict")["detail"]
    assert "removed" in problem(await ask(house, "POST", f"{NOTIFICATIONS}/{removed.notification_id}/replay"), 409, "conflict")["detail"]


async def test_one_that_was_disabled_is_enabled_with_a_clean_slate(house, receiver):
    hook = await hooked(house, receiver)
    now = house.parts.clock.now()
    house.parts.ledger.write(channels.refused, hook["webhook_id"], now)
    house.parts.ledger.write(channels.disable, hook["webhook_id"], now, "answered 500")
    shown = await told(house, f"{WEBHOOKS}/{hook['webhook_id']}")
    assert (shown["is_active"], shown["disabled_reason"]) == (False, "answered 500")
    assert None not in (shown["disabled_at"], shown["refused_since"])

    back = (await ask(house, "PATCH", f"{WEBHOOKS}/{hook['webhook_id']}", {"is_active": True})).json()

    assert (back["is_active"], back["disabled_at"], back["disabled_reason"], back["refused_since"]) == (True, None, None, None)
    assert await told(house, f"{WEBHOOKS}/{hook['webhook_id']}") == back
