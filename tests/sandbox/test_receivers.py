"""Receivers of messages: they verify as real ones do, behave as they are told, and show what came."""

import json
import ssl
from datetime import UTC, datetime

import httpx2
import pytest
from standardwebhooks import Webhook

from src.core.base.settings import Settings
from src.sandbox.receivers.http_sinks import slack_flaw
from src.sandbox.server import Sandbox
from tests.sandbox.conftest import HeldClock

SECRET = "whsec_bmV3LXNlY3JldC1vZi0yNC1ieXRlcw=="


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    sandbox = Sandbox(tmp_path_factory.mktemp("received") / "sandbox", HeldClock(), prefix="tests.fakes.sandbox")
    sandbox.start()
    yield sandbox
    sandbox.stop()


@pytest.fixture
def client(sandbox):
    with httpx2.Client(base_url=sandbox.address, trust_env=False, timeout=60) as client:
        yield client


def test_the_service_is_set_to_them_and_trusts_their_certificate(sandbox):
    settings = sandbox.stand_in(Settings(_env_file=None, smtp_host="smtp.example.com", notify_inside_hosts=("10.0.0.1:8025",)))

    assert settings.smtp_host == "127.0.0.1"
    assert settings.smtp_security == "starttls"
    assert settings.notify_inside_hosts == ("10.0.0.1:8025", sandbox.address.removeprefix("http://"))
    assert ssl.create_default_context(cafile=str(settings.smtp_ca_file)).get_ca_certs()
    assert not [flaw for flaw in settings.flaws() if str(flaw.field).startswith(("SMTP_", "NOTIFY_"))]
    credentials = settings.smtp_ca_file.parents[1] / "credentials"
    assert (credentials / "webhook-demo.txt").read_text() == f"{sandbox.address}/hooks/demo"
    assert (settings.smtp_ca_file.stat().st_mode & 0o777) == 0o600


def test_what_arrives_is_shown_as_json_and_as_a_page_in_which_nothing_runs(client):
    body = json.dumps({"type": "<script>alert(1)</script>", "data": {}})

    assert client.post("/hooks/shown", content=body, headers={"webhook-id": "msg_1"}).status_code == 204

    [arrived] = [one for one in client.get("/inbox").json()["arrived"] if one["to"] == ["shown"]]
    assert (arrived["kind"], arrived["id"], arrived["verified"], arrived["raw"]) == ("hooks", "msg_1", None, body)
    for path in ("/inbox", f"/inbox/{arrived['number']}"):
        page = client.get(path, headers={"Accept": "text/html"})
        assert "&lt;script&gt;" in page.text
        assert "<script>" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
    assert client.get("/inbox/999").status_code == 404


def test_a_signature_is_held_against_the_secrets_that_were_given(client):
    assert client.put("/receivers/hooks/signed", json={"secrets": [SECRET]}).status_code == 204
    # the library goes by the machine's own clock
    at, body = datetime.now(UTC), '{"type": "channel.test"}'
    signed = {
        "webhook-id": "msg_2",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_2", at, body),
    }

    assert client.post("/hooks/signed", content=body, headers=signed).status_code == 204
    assert client.post("/hooks/signed", content=body + " ", headers=signed).status_code == 401
    assert client.post("/hooks/signed", content=body).status_code == 401


def test_a_receiver_is_told_what_it_can_do(client):
    wrong = client.put("/receivers/hooks/x", json={"does": "dance"})

    assert wrong.status_code == 400
    assert "well, refused, later" in wrong.json()["error"]
    assert client.put("/receivers/pigeons/x", json={}).status_code == 400


@pytest.mark.parametrize(
    ("message", "flaw"),
    [
        ({"text": "hello"}, None),
        ({"text": "hello", "blocks": [{"type": "section", "text": {"type": "plain_text", "text": "x" * 3000}}]}, None),
        ({"text": "hello", "blocks": [{"type": "section", "text": {"type": "plain_text", "text": "x" * 3001}}]}, "invalid_blocks"),
        ({"text": "hello", "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]}, "invalid_blocks"),
        ({"text": "hello", "blocks": [{"type": "section", "text": {"type": "plain_text", "text": ""}}]}, "invalid_blocks"),
        ({"text": "hello", "blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ({"blocks": []}, "no_text"),
        ([], "no_text"),
    ],
)
def test_slack_refuses_what_the_real_one_refuses(message, flaw):
    assert slack_flaw(json.dumps(message).encode())[0] == flaw
    assert slack_flaw(b"{")[0] == "invalid_payload"
