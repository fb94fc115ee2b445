"""What the demo has told of its runs: a mail, a message in Slack and a signed webhook each, to the sandbox's receivers."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2

from src.cli.demo_calls import DemoCalls
from src.core.base.faults import Unavailable

MAILBOX: Final = "finops@example.com"
MAIL, SLACK, HOOK = "Demo mail", "Demo Slack", "Demo webhook"
# people are not told of runs that ended well, unless they ask for it
EVENTS: Final = ["run.succeeded", "run.failed", "run.recovered", "books.restated", "data.stale"]
PATIENCE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Notices:
    calls: DemoCalls
    credentials: Path
    process: Callable[[], object]
    """Has what waits sent, where no process looks for it by itself."""

    def begin(self) -> None:
        """Anew at each demo: the sandbox's receivers have other addresses, and nobody knows the secret of before."""
        for many, one in (("channels", "channel_id"), ("webhooks", "webhook_id")):
            for there in self._ask("GET", many)[many]:
                if there["name"] in (MAIL, SLACK, HOOK):
                    self._ask("DELETE", f"{many}/{there[one]}")
        self._ask("POST", "channels", {"kind": "email", "name": MAIL, "recipients": [MAILBOX], "events": EVENTS})
        self._ask("POST", "channels", {"kind": "slack", "name": SLACK, "url": self._address("slack-demo"), "events": EVENTS})
        made = self._ask("POST", "webhooks", {"name": HOOK, "url": self._address("webhook-demo")})
        # its receiver is given the secret, as a person would set it there
        receiver = urlsplit(self._address("webhook-demo"))
        with httpx2.Client(trust_env=False) as client:
            told = client.put(f"{receiver.scheme}://{receiver.netloc}/receivers{receiver.path}", json={"secrets": [made["secret"]]})
        if not told.is_success:
            raise Unavailable(f"the sandbox's receiver answered {told.status_code}: {told.text}")

    def show(self) -> None:
        self._wait()
        inbox = self._address("inbox")
        with httpx2.Client(trust_env=False) as client:
            arrived = client.get(inbox).json()["arrived"]
        mails, messages, hooks = ([one for one in arrived if one["kind"] == kind] for kind in ("mail", "slack", "hooks"))
        fits = sum(one["verified"] is True for one in hooks)
        self.calls.say(
            f"\nWhat was told of these runs, to receivers in the sandbox (all of it: {inbox}):\n"
            f"\n  {'e-mail':<11}{len(mails)} to {MAILBOX}{_last(mails)}"
            f"\n  {'Slack':<11}{len(messages)}{_last(messages)}"
            f"\n  {'webhook':<11}{len(hooks)}; the signatures of {fits} fit, by the library of Standard Webhooks"
        )

    def _wait(self) -> None:
        ends = time.monotonic() + PATIENCE_SECONDS
        # first: what just happened may be no notification yet
        self.process()
        while self._ask("GET", "notifications?state=WAITING&limit=1")["notifications"]:
            if time.monotonic() > ends:
                raise Unavailable(f"what the demo tells was not sent within {PATIENCE_SECONDS:.0f} s; GET .../notifications says why")
            time.sleep(0.1)
            self.process()

    def _address(self, name: str) -> str:
        return (self.credentials / f"{name}.txt").read_text().strip()

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        return self.calls.ask(method, f"/api/v1/organizations/{{org}}/{path}", body)


def _last(arrived: list[Mapping[str, Any]]) -> str:
    return f", the last: {arrived[-1]['subject']}" if arrived else ""
