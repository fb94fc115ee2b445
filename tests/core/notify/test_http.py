"""Slack messages and webhooks over real connections: what arrives, and what each answer means."""

import json
import re
from typing import Any

import pytest

from src.core.base.faults import Misconfigured, Missing, Rejected, Throttled, Unavailable
from src.core.base.settings import ROOT
from tests.core.notify.conftest import event, parcel

OLD, NEW = "whsec_b2xkLXNlY3JldC1vZi0yNC1ieXRlcw==", "whsec_bmV3LXNlY3JldC1vZi0yNC1ieXRlcw=="


async def test_a_slack_message_arrives(receiving, transports):
    await transports.send(receiving.to("slack", "well"), parcel(event(pipeline_id="acme-cost", what_to_do="Ask <Anna> & Bob")))

    arrived = receiving.last("well")
    assert arrived.subject == "Acme Corp: acme-cost failed"
    assert "Ask <Anna> & Bob" in arrived.plain
    assert "Ask &lt;Anna&gt; &amp; Bob" in json.dumps(arrived.body)


@pytest.mark.parametrize(
    ("does", "fault", "told"),
    [
        ("refused", Rejected, "403 action_prohibited: look at the webhook in Slack"),
        ("gone", Missing, "404 no_service: the webhook is no more"),
        ("failing", Unavailable, "500 rollup_error"),
        ("throttled", Throttled, "429 rate_limited"),
        ("webpage", Unavailable, "Slack answered 200"),
        ("redirect", Rejected, "redirects are not followed; give the channel the address itself"),
    ],
)
async def test_what_slack_answers(receiving, transports, does, fault, told):
    receiving.behave("slack", does, does)

    with pytest.raises(fault) as raised:
        await transports.send(receiving.to("slack", does), parcel())

    assert type(raised.value) is fault
    assert told in raised.value.detail
    assert raised.value.retry_after == (20 if does == "throttled" else None)


async def test_the_body_of_a_webhook_is_the_event(receiving, transports):
    told = event("books.restated", provider="gcp", restatements=[{"period": "2026-11-03", "was": "7.38", "is": "3.69"}])
    receiving.behave("hooks", "body", "well", NEW)
    sent = parcel(told)

    await transports.send(receiving.to("webhook", "body", NEW), sent)

    (arrived,) = receiving.arrived(sent.parcel_id)
    assert arrived.verified
    assert arrived.headers["content-type"] == "application/json"
    assert arrived.body == {
        "id": told.event_id,
        "type": "books.restated",
        "timestamp": "2026-11-12T07:30:00+00:00",
        "org_slug": "acme_corp",
        "data": told.data,
    }


@pytest.mark.parametrize("known", [OLD, NEW])
async def test_while_a_secret_changes_the_receiver_may_know_either(receiving, transports, known):
    receiving.behave("hooks", "rotating", "well", known)
    sent = parcel()

    await transports.send(receiving.to("webhook", "rotating", NEW, OLD), sent)

    assert receiving.arrived(sent.parcel_id)[0].verified


async def test_another_secret_does_not_fit(receiving, transports):
    receiving.behave("hooks", "other", "well", OLD)

    with pytest.raises(Unavailable, match="401 the signature does not fit"):
        await transports.send(receiving.to("webhook", "other", NEW), parcel())


@pytest.mark.parametrize(
    ("does", "fault", "told"),
    [
        ("refused", Unavailable, "the receiver answered 400 no such event here"),
        ("failing", Unavailable, "500 it broke"),
        ("gone", Missing, "410 gone: it wants no more"),
        ("throttled", Throttled, "429 slow down"),
        ("redirect", Unavailable, "redirects are not followed"),
    ],
)
async def test_what_a_receiver_answers(receiving, transports, does, fault, told):
    receiving.behave("hooks", does, does)

    with pytest.raises(fault) as raised:
        await transports.send(receiving.to("webhook", does, NEW), parcel())

    assert type(raised.value) is fault
    assert told in raised.value.detail


async def test_where_a_redirect_leads_nobody_is_asked(receiving, transports):
    receiving.behave("hooks", "moved", "redirect")
    sent = parcel()

    with pytest.raises(Unavailable):
        await transports.send(receiving.to("webhook", "moved", NEW), sent)

    assert receiving.arrived(sent.parcel_id) == []


async def test_a_receiver_that_hangs_is_given_up(receiving):
    receiving.behave("hooks", "slow", "slow")

    with pytest.raises(Unavailable, match=r"did not answer within 0.5 s \(NOTIFY_TIMEOUT_SECONDS\)"):
        await receiving.ways_out(notify_timeout_seconds=0.5).send(receiving.to("webhook", "slow", NEW), parcel())


async def test_a_webhook_without_a_secret_or_with_several_events_is_a_mistake_of_ours(receiving, transports):
    with pytest.raises(Misconfigured, match="no signing secret"):
        await transports.send(receiving.to("webhook", "well"), parcel())
    with pytest.raises(Misconfigured, match="each event by itself"):
        await transports.send(receiving.to("webhook", "well", NEW), parcel(event(), event()))


async def test_a_receiver_verifies_as_the_page_says(receiving, transports):
    (snippet,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/reference/notifications.md").read_text(), re.DOTALL)
    page: dict[str, Any] = {}
    exec(snippet.replace("whsec_...", NEW), page)
    sent = parcel(event("quota.exceeded", limit="daily"))
    await transports.send(receiving.to("webhook", "as-the-page-says", NEW), sent)
    (arrived,) = receiving.arrived(sent.parcel_id)

    assert page["receive"](arrived.raw.encode(), dict(arrived.headers))["data"] == {"limit": "daily"}
    with pytest.raises(page["WebhookVerificationError"]):
        page["receive"](arrived.raw.encode() + b" ", dict(arrived.headers))


async def test_an_answer_that_names_the_address_gives_its_secret_away_to_nobody(receiving, transports):
    receiving.behave("slack", "T0/B0/hush-hush", "echo")

    with pytest.raises(Rejected) as raised:
        await transports.send(receiving.to("slack", "T0/B0/hush-hush"), parcel())

    assert "hush" not in raised.value.detail
    assert "no route for ****" in raised.value.detail
