"""Mails over a real connection with TLS: what arrives, and what each answer of the server means."""

from email.utils import parseaddr

import pytest
from pydantic import SecretStr

from src.core.base.faults import Misconfigured, Rejected, Unavailable
from src.sandbox.receivers.mail_server import MailServer
from tests.core.notify.conftest import event, parcel


async def test_it_arrives_with_both_forms_and_an_id_that_stays(receiving, transports):
    sent = parcel(event(pipeline_id="acme-gcp-cost", error_message="Google refused <the> key"))

    for _ in range(2):
        assert await transports.send(receiving.to("email", "anna", recipients=("anna@acme.example", "bob@acme.example")), sent) == ()

    first, again = receiving.arrived(sent.parcel_id)
    assert first.message_id == again.message_id == f"<{sent.parcel_id}@convergence.example>"
    assert first.to == ("anna@acme.example", "bob@acme.example")
    assert first.subject == "Acme Corp: acme-gcp-cost failed"
    assert first.headers["Auto-Submitted"] == "auto-generated"
    assert parseaddr(first.headers["From"]) == ("Convergence", "costs@convergence.example")
    assert "Google refused <the> key" in first.plain
    assert "Google refused &lt;the&gt; key" in first.html


@pytest.mark.parametrize(
    ("does", "fault", "told"),
    [
        ("refused", Rejected, "refused@acme.example was refused (550 5.1.1 no such mailbox here)"),
        ("later", Unavailable, "later@acme.example was refused (451 4.7.1 greylisted"),
        ("failing", Rejected, "refused the mail (554 5.7.1 this mail is not wanted)"),
        ("throttled", Unavailable, "refused the mail (452 4.3.1 no room for it now)"),
    ],
)
async def test_what_an_answer_means(receiving, transports, does, fault, told):
    receiving.behave("mail", f"{does}@acme.example", does)

    with pytest.raises(fault) as raised:
        await transports.send(receiving.to("email", does), parcel())

    assert told in raised.value.detail
    assert type(raised.value) is fault


async def test_one_recipient_of_two_that_is_refused_is_named_and_the_other_gets_it(receiving, transports):
    receiving.behave("mail", "gone@acme.example", "refused")
    sent = parcel()

    refused = await transports.send(receiving.to("email", "", recipients=("gone@acme.example", "anna@acme.example")), sent)

    assert refused == ("gone@acme.example was refused (550 5.1.1 no such mailbox here)",)
    (arrived,) = receiving.arrived(sent.parcel_id)
    assert arrived.to == ("anna@acme.example",)


async def test_a_server_that_hangs_is_given_up(receiving):
    receiving.behave("mail", "slow@acme.example", "slow")

    with pytest.raises(Unavailable, match=r"took longer than 0.5 s \(SMTP_TIMEOUT_SECONDS\)"):
        await receiving.ways_out(smtp_timeout_seconds=0.5).send(receiving.to("email", "slow"), parcel())


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"smtp_host": None}, "SMTP_HOST is not set"),
        ({"smtp_password": SecretStr("wrong")}, "did not let SMTP_USERNAME in"),
        ({"smtp_username": None, "smtp_password": None}, "does not take mails from SMTP_FROM"),
        ({"smtp_ca_file": None}, "is not trusted; mend SMTP_HOST, or name its issuer in SMTP_CA_FILE"),
    ],
)
async def test_what_the_operator_has_to_mend_is_said(receiving, changed, told):
    with pytest.raises(Misconfigured) as raised:
        await receiving.ways_out(**changed).send(receiving.to("email", "anna"), parcel())

    assert told in raised.value.detail


async def test_a_server_that_speaks_tls_at_once_is_spoken_to_so(receiving):
    receivers, sent = receiving.sandbox.receivers, parcel()
    server = MailServer(receivers.arrivals, receivers.certificate, "sandbox", receivers.password, tls_at_once=True)
    server.start()

    await receiving.ways_out(smtp_security="tls", smtp_port=server.port).send(receiving.to("email", "anna"), sent)
    server.stop()

    assert receiving.arrived(sent.parcel_id)


async def test_a_server_that_asks_for_tls_gets_no_password_in_clear(receiving):
    with pytest.raises(Misconfigured, match="mend SMTP_SECURITY"):
        await receiving.ways_out(smtp_security="none").send(receiving.to("email", "anna"), parcel())


async def test_nobody_there(receiving, unused_tcp_port):
    with pytest.raises(Unavailable, match="could not be reached"):
        await receiving.ways_out(smtp_port=unused_tcp_port).send(receiving.to("email", "anna"), parcel())


@pytest.mark.parametrize(
    "recipient", ["anna", "anna@acme.example\r\nBcc: all@evil.example", "=?utf-8?b?DQpCY2M6?=@acme.example", "a b@acme.example"]
)
async def test_a_recipient_that_is_no_address_is_refused_by_name(receiving, transports, recipient):
    with pytest.raises(Rejected, match="is no address of mail; mend the channel's recipients"):
        await transports.send(receiving.to("email", "", recipients=(recipient,)), parcel())
