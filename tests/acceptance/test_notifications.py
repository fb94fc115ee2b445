"""People and systems hear of it: a running service, a mail server with TLS and a password, a Slack and a receiver of signed webhooks."""

import email
from collections.abc import Iterator
from email import policy
from typing import Any

import httpx2
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.acceptance.observed import afternoon, change, new_slug, rows, until
from tests.acceptance.test_bill_journey import credential
from tests.fakes.running import RunningService

# each does something where it is taken for more than a name
HOSTILE = "Evil <script>alert(1)</script> & *Co* <!channel> <https://evil.example|click>"


@pytest.fixture(scope="module")
def sandboxed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    running = RunningService(tmp_path_factory.mktemp("notified") / "data", {"SANDBOX": "true"}).start()
    try:
        yield running.bootstrap()
    finally:
        running.stop()


class Told:
    """An organisation with a channel of each kind at the sandbox's receivers, known there by its slug."""

    def __init__(self, service: RunningService, **more: Any) -> None:
        self.service, self.slug = service, new_slug("told")
        self.key = service.key_of(self.slug, **more)
        self.mailbox = f"{self.slug}@acme.com"
        self.mail = self.made("channels", {"kind": "email", "name": "Finance team", "recipients": [self.mailbox]})
        self.slack = self.made("channels", {"kind": "slack", "name": "Costs in Slack", "url": self.address("slack")})
        self.hook = self.made("webhooks", {"name": "Billing system", "url": self.address("webhook")})

    def address(self, of: str) -> str:
        """One of the sandbox's own, ending in the organisation's name."""
        url = (self.service.data / "sandbox" / "credentials" / f"{of}-demo.txt").read_text().strip()
        return f"{url.rpartition('/')[0]}/{self.slug}"

    def ask(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        return self.service.call(method, f"/api/v1/organizations/{self.slug}/{path}", key=self.key, json=body)

    def made(self, path: str, body: Any) -> dict[str, Any]:
        answer = self.ask("POST", path, body)
        assert answer.status_code == 201, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def arrived(self) -> list[dict[str, Any]]:
        inbox = (self.service.data / "sandbox" / "credentials" / "inbox.txt").read_text().strip()
        with httpx2.Client(timeout=30, trust_env=False, verify=False) as client:
            found = client.get(inbox).json()["arrived"]
        return [one for one in found if set(one["to"]) & {self.slug, self.mailbox}]

    def of(self, kind: str, type_: str = "") -> list[dict[str, Any]]:
        """A webhook's says its type; a message for people names what happened."""
        return [one for one in self.arrived() if one["kind"] == kind and type_ in str(one["subject"])]

    def run(self) -> str:
        answer = self.service.call(
            "POST", f"/api/v1/pipelines/run/{self.slug}/gcp/cost/billing?wait=true", key=self.key, json={"date": "2026-09-01"}
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["status"])

    def states(self, type_: str) -> dict[str, list[str]]:
        found = self.ask("GET", f"notifications?type={type_}").json()["notifications"]
        kinds = ("email", "slack", "webhook")
        return {kind: sorted(one["state"] for one in found if one["channel_kind"] == kind) for kind in kinds}


def test_a_failure_is_told_at_once_the_next_are_gathered_and_the_recovery_is_told_once(sandboxed):
    # where it is noon: the day's message is hours away
    told = Told(sandboxed, company_name=HOSTILE, timezone=afternoon()[0])
    stored = sandboxed.call(
        "POST", f"/api/v1/integrations/{told.slug}/gcp/setup", key=told.key, json={"credential": credential(sandboxed, "demo")}
    )
    assert stored.status_code == 200, stored.text
    own = f"WHERE org_slug = '{told.slug}'"
    sealed = rows(sandboxed, f"SELECT encrypted_credential AS text FROM org_integration_credentials {own}")[0]["text"]
    # as a torn disk leaves it: it is there, and does not open
    change(sandboxed, f"UPDATE org_integration_credentials SET encrypted_credential = 'torn' {own}")

    assert told.run() == "FAILED"
    until(lambda: told.states("run.failed") == {"email": ["SENT"], "slack": ["SENT"], "webhook": ["SENT"]})
    assert told.run() == "FAILED"
    gathered = {"email": ["GATHERED", "SENT"], "slack": ["GATHERED", "SENT"], "webhook": ["SENT", "SENT"]}
    until(lambda: told.states("run.failed") == gathered)
    change(sandboxed, f"UPDATE org_integration_credentials SET encrypted_credential = '{sealed}' {own}")
    for _ in range(2):
        assert told.run() == "SUCCESS"
    until(lambda: told.states("run.succeeded")["webhook"] == ["SENT", "SENT"])
    until(lambda: told.states("run.recovered") == {"email": ["SENT"], "slack": ["SENT"], "webhook": ["SENT"]})

    hooks = told.of("hooks")
    assert sorted(one["body"]["type"] for one in hooks if one["body"]["type"].startswith("run.")) == [
        "run.failed", "run.failed", "run.recovered", "run.succeeded", "run.succeeded",
    ]  # fmt: skip
    for one in hooks:
        event = Webhook(told.hook["secret"]).verify(one["raw"], one["headers"])
        assert event["org_slug"] == told.slug
        assert event["data"]["company_name"] == HOSTILE
    failure, recovery = told.of("mail", "failed"), told.of("mail", "works again")
    assert (len(failure), len(recovery)) == (1, 1), [one["subject"] for one in told.of("mail")]
    assert (len(told.of("slack", "failed")), len(told.of("slack", "works again"))) == (1, 1)
    does_nothing(failure[0], told.of("slack", "failed")[0])
    sent = told.ask("GET", "notifications?type=run.failed&state=SENT").json()["notifications"]
    ids = {one["channel_kind"]: one["parcel_id"] for one in sent}
    assert failure[0]["id"] == f"<{ids['email']}@{failure[0]['id'].rpartition('@')[2]}"
    assert {one["parcel_id"] for one in sent if one["channel_kind"] == "webhook"} == {
        one["headers"]["webhook-id"] for one in hooks if one["body"]["type"] == "run.failed"
    }


def does_nothing(mail: dict[str, Any], slack: dict[str, Any]) -> None:
    """What a name holds is read as a name."""
    read = email.message_from_string(mail["raw"], policy=policy.default)
    assert HOSTILE in mail["plain"].replace("\n", " ")
    assert "<script" not in mail["html"]
    assert "&lt;script&gt;" in mail["html"]
    assert read["Subject"].count("\n") == 0
    assert read["Auto-Submitted"] == "auto-generated"
    for said in ("<!channel>", "<https://evil", "<script"):
        assert said not in slack["raw"]
    assert "&lt;!channel&gt;" in slack["raw"]


def test_a_test_call_is_answered_with_what_the_receiver_says_and_both_secrets_sign(sandboxed):
    told = Told(sandboxed)
    for path in (f"channels/{told.mail['channel_id']}", f"channels/{told.slack['channel_id']}", f"webhooks/{told.hook['webhook_id']}"):
        tested = told.ask("POST", f"{path}/test").json()
        assert (tested["delivered"], tested["reason"]) == (True, None), tested
    assert sorted(one["kind"] for one in told.arrived()) == ["hooks", "mail", "slack"]
    hook, old = f"webhooks/{told.hook['webhook_id']}", told.hook["secret"]

    new = told.ask("POST", f"{hook}/rotate-secret", {"grace_hours": 1}).json()["secret"]

    told.ask("POST", f"{hook}/test")
    during = told.of("hooks")[-1]
    assert verifies(new, during)
    assert verifies(old, during)
    newest = told.ask("POST", f"{hook}/rotate-secret", {"grace_hours": 0}).json()["secret"]
    told.ask("POST", f"{hook}/test")
    after = told.of("hooks")[-1]
    assert verifies(newest, after)
    assert not verifies(new, after)
    assert not verifies(old, after)


def verifies(secret: str, arrived: dict[str, Any]) -> bool:
    try:
        Webhook(secret).verify(arrived["raw"], arrived["headers"])
    except WebhookVerificationError:
        return False
    return True
