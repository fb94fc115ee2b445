"""Every message, with all there may be to say, with next to nothing, and with what an enemy would write."""

import json
import re
import unicodedata
from datetime import UTC, datetime
from email import message_from_bytes, policy
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.core.base.clock import SystemClock
from src.core.base.events import EVENT_TYPES, Event, EventType, Parcel
from src.core.base.settings import Settings
from src.core.notify.address import AddressGuard
from src.core.notify.destination import Destination
from src.core.notify.http_post import HttpPost
from src.core.notify.mail import Mailer
from src.core.notify.rendering import Renderer
from src.core.notify.slack import SlackSender
from src.core.notify.text import one_line
from src.sandbox.receivers.http_sinks import slack_flaw, slack_words

SETTINGS = Settings(_env_file=None, smtp_host="localhost", smtp_from="costs@example.com", public_url="https://costs.example.com")
MAILS = Renderer(SETTINGS.configs_dir, "email_notification", SETTINGS.public_url)
SLACK = SlackSender(
    HttpPost(AddressGuard(SETTINGS), 1), Renderer(SETTINGS.configs_dir, "slack_notification", SETTINGS.public_url), SystemClock()
)
AT = datetime(2026, 11, 12, 7, 30, tzinfo=UTC)
RUN: dict[str, Any] = {
    "pipeline_logging_id": "run-0001",
    "pipeline_id": "acme_corp-gcp-cost-billing",
    "document": "gcp/cost/billing",
    "provider": "gcp",
    "domain": "cost",
    "trigger_type": "SCHEDULE",
    "window_start": "2026-11-01",
    "window_end": "2026-11-11",
    "ended_at": "2026-11-12T07:29:58+00:00",
    "duration_ms": 73120,
    "rows_processed": 15234,
    "error_code": "credential-refused",
    "error_message": "Google refused the key",
    "totals": [{"currency": "USD", "amount": "12345.678901", "figure": "reported_cost"}],
    "completeness": [{"status": "COMPLETE", "days": 9, "reason": None}, {"status": "PROVISIONAL", "days": 1, "reason": "rows may come"}],
    "changes": ["3 November went from 812.10 to 815.33 USD."],
    "what_to_do": "Store another key.",
}
FULL: dict[EventType, dict[str, Any]] = {
    "run.succeeded": {**RUN, "error_code": None, "error_message": None},
    "run.failed": RUN,
    "run.recovered": {**RUN, "failed_since": "2026-11-10T03:00:00+00:00", "failures": 7},
    "quota.exceeded": {"limit": "daily", "used": 50, "allowed": 50, "resets_at": "2026-11-13T00:00:00+00:00"},
    "credential.invalid": {"provider": "openai", "credential_name": "default", "reason": "it was revoked"},
    "books.restated": {
        "provider": "gcp",
        "restatements": [
            {
                "period": "2026-11-03",
                "currency": "USD",
                "was": "7.38",
                "is": "3.69",
                "change": "-3.69",
                "reason": "late rows",
                "changed_at": None,
            },
            {
                "period": "2026-10",
                "currency": "EUR",
                "was": "99",
                "is": "100.5",
                "change": "1.5",
                "reason": "late rows",
                "changed_at": None,
            },
        ],
    },
    "reconciliation.failed": {
        "provider": "openai",
        "days": [
            {"usage_date": "2026-11-03", "currency": "USD", "reported": "9.0", "computed": "7.5", "difference": "1.5", "cause": "no price"}
        ],
    },
    "data.stale": {
        "provider": "gcp",
        "days": [{"usage_date": "2026-11-10", "was": "COMPLETE", "now": "PARTIAL", "reason": "it is gone"}],
    },
    "plan.blocked": {"billing_status": "PAST_DUE", "reason": "an invoice is open", "since": "2026-11-10T00:00:00+00:00"},
    "channel.disabled": {
        "channel_id": "chn_1",
        "name": "finance",
        "kind": "webhook",
        "refused_since": "2026-11-07T00:00:00+00:00",
        "reason": "500",
    },
    "channel.test": {"name": "finance"},
}
SAID: dict[EventType, tuple[str, ...]] = {
    "run.succeeded": ("acme_corp-gcp-cost-billing succeeded for 1 November 2026 to 11 November 2026", "12,345.678901 USD", "15,234"),
    "run.failed": ("Google refused the key (credential-refused)", "9 days: complete", "1 day: provisional (rows may come)", "1 min 13 s"),
    "run.recovered": ("acme_corp-gcp-cost-billing works again", "failed 7 times since 10 November 2026, 04:00 (Europe/Berlin)"),
    "quota.exceeded": ("The daily limit of runs is reached", "13 November 2026, 01:00 (Europe/Berlin)"),
    "credential.invalid": ("The credential of openai is refused", "it was revoked"),
    "books.restated": ("Costs of gcp were restated", "3 November 2026", "-3.69 USD", "2026-10", "late rows"),
    "reconciliation.failed": ("Costs of openai do not add up", "1.5 USD", "no price"),
    "data.stale": ("10 November 2026: was complete, is partial (it is gone)",),
    "plan.blocked": ("past due", "an invoice is open"),
    "channel.disabled": ("The webhook channel finance is switched off", "chn_1"),
    "channel.test": ("This is a test", "12 November 2026, 08:30 (Europe/Berlin)"),
}
# what lists its members, written as others would write them
MEMBERS = ("totals", "completeness", "changes", "restatements", "days")


def destination(company: str = "Acme Corp", channel: str = "finance") -> Destination:
    return Destination(kind="email", name=channel, org_slug="acme_corp", company_name=company, timezone="Europe/Berlin")


def parcel(*told: tuple[EventType, dict[str, Any]]) -> Parcel:
    events = [
        Event(event_id=f"evt_{place}", type=of, org_slug="acme_corp", occurred_at=AT, data=data) for place, (of, data) in enumerate(told)
    ]
    return Parcel(parcel_id="msg_1", events=tuple(events), gathered=len(events) > 1)


class Reader(HTMLParser):
    """What a mail's reader sees, and every tag that there is."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.seen.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.seen).split())


TAGS = {"html", "head", "meta", "title", "body", "table", "tr", "td", "th", "h1", "h2", "p", "ul", "li"}
ATTRIBUTES = {"lang", "charset", "name", "content", "style", "role", "width", "cellpadding", "cellspacing", "align", "scope"}


def test_every_type_is_tried():
    assert set(FULL) == set(SAID) == set(EVENT_TYPES)


@pytest.mark.parametrize("of", EVENT_TYPES)
def test_all_there_is_to_say_is_said_in_each_form(of):
    sent = parcel((of, FULL[of]))
    mail, slack = MAILS.mail(sent, destination()), SLACK.payload(sent, destination())
    html = Reader(mail.html)
    plain = " ".join(mail.plain.split())

    for said in SAID[of]:
        assert said in plain
        assert said in html.words
        assert said in " ".join(slack_words(slack).split())
    assert html.tags <= TAGS
    assert mail.subject.startswith("Acme Corp: ")
    assert "None" not in mail.plain
    assert slack_flaw(json.dumps(slack).encode())[0] is None


@pytest.mark.parametrize("of", EVENT_TYPES)
def test_next_to_nothing_to_say_is_still_a_message(of):
    sent = parcel((of, {}))
    mail, slack = MAILS.mail(sent, destination()), SLACK.payload(sent, destination())

    assert len(mail.subject) > len("Acme Corp: ")
    assert "None" not in mail.plain + mail.html
    assert slack_flaw(json.dumps(slack).encode())[0] is None


def test_what_was_gathered_is_one_message_that_tells_each():
    mail = MAILS.mail(parcel(*FULL.items()), destination())

    assert mail.subject == f"Acme Corp: {len(FULL)} things since the last message"
    for headline in ("Costs of gcp were restated", "acme_corp-gcp-cost-billing works again", "The daily limit of runs is reached"):
        assert headline in mail.plain
        assert headline in Reader(mail.html).words


def test_of_very_many_the_rest_is_counted():
    failed: tuple[EventType, dict[str, Any]] = ("run.failed", {**RUN, "changes": [f"change {number}" for number in range(50)]})
    many = parcel(*[failed] * 300)
    mail, slack = MAILS.mail(many, destination()), SLACK.payload(many, destination())

    assert "And 30 more." in mail.plain
    assert "And 275 more, which GET https://costs.example.com/api/v1/organizations/acme_corp/notifications tells." in mail.plain
    assert len(slack["blocks"]) == 50
    assert "And 290 more" in slack["blocks"][-1]["elements"][0]["text"]
    assert slack_flaw(json.dumps(slack).encode())[0] is None


HOSTILE = st.one_of(
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "</td></tr></table><form action=https://evil.example>",
            "{{ 7 * 7 }}{% include 'message.txt' %}",
            "x\r\nBcc: everybody@evil.example\r\n\r\n<p>body",
            "x\nBcc: everybody@evil.example",
            "=?utf-8?q?Bcc=3A_everybody=40evil.example?=",
            "=?utf-8?b?DQpCY2M6IGV2aWxAZXZpbC5leGFtcGxl?=",
            "<!channel> <!here> <@U024BE7LH> <https://evil.example|your bank>",
            "*bold* _it_ ~no~ `code` ```block``` > quote &lt;!channel&gt;",
            "\u202egpj.exe\u2066 \u200b\ufeff \x00\x1b[31m \u2028\u2029 \ud800",
            "[click](javascript:alert(1))",
            "&amp;lt;b&amp;gt;",
            "\u0130" * 4000,
        ]
    ),
    st.text(max_size=60),
    st.text(alphabet="<>&\"'\r\n\0*_~`=?|@!{}%#\u202e\ud800", max_size=30),
)


def poisoned(data: dict[str, Any], text: str) -> dict[str, Any]:
    def member(one: Any) -> Any:
        return text if isinstance(one, str) else dict.fromkeys(one, text)

    return {name: [member(one) for one in value] if name in MEMBERS else text for name, value in data.items()}


@given(of=st.sampled_from(EVENT_TYPES), text=HOSTILE)
@settings(max_examples=60, deadline=None)
def test_what_others_wrote_does_nothing(of, text):
    sent, to = parcel((of, poisoned(FULL[of], text)), ("run.failed", {"pipeline_id": text})), destination(text, text)
    mail, slack = MAILS.mail(sent, to), SLACK.payload(sent, to)

    # HTML: no tag and no attribute that is not the layout's; the text is there to be read
    html = Reader(mail.html)
    assert html.tags <= TAGS
    assert html.attributes <= ATTRIBUTES
    assert one_line(text, 100).rstrip(".")[:60].strip() in html.words or not one_line(text)

    # headers: those that this service sets, whatever the text says
    raw = Mailer(SETTINGS, SystemClock())._message("msg_1", ["anna@acme.example"], mail).as_bytes()
    read = message_from_bytes(raw, policy=policy.default)
    assert sorted(set(read.keys())) == sorted(
        ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress", "MIME-Version", "Content-Type"]
    )
    assert str(read["Subject"]).strip() == mail.subject.replace("=?", "= ?")
    assert [part.get_content_type() for part in read.walk()] == ["multipart/alternative", "text/plain", "text/html"]

    # Slack: plain text in every block, its three signs escaped, within its limits
    body = json.dumps(slack)
    assert slack_flaw(body.encode())[0] is None
    for block in slack["blocks"]:
        for part in block.get("elements", [block.get("text")]):
            assert part["type"] == "plain_text"
            assert not re.search(r"[<>]|&(?!(amp|lt|gt);)", part["text"])
    assert not re.search(r"[<>]|&(?!(amp|lt|gt);)", slack["text"])


@given(text=HOSTILE)
@settings(deadline=None)
def test_a_line_is_one_line_of_what_can_be_seen(text):
    line = one_line(text)

    assert line == line.strip()
    assert len(line) <= 180
    assert all(unicodedata.category(sign) not in ("Cc", "Cf", "Cs", "Zl", "Zp") or sign in "\u200c\u200d" for sign in line)


def test_a_secret_that_somebody_quoted_is_masked():
    mail = MAILS.mail(parcel(("run.failed", {"error_message": "refused sk-abcdefghijklmnopqrstuvwx"})), destination())

    assert "sk-abc" not in mail.plain + mail.html
