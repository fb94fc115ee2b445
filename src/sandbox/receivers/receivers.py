"""Where mails, Slack messages and webhooks go while the sandbox runs, instead of to people."""

from pathlib import Path
from secrets import token_urlsafe

from pydantic import SecretStr
from starlette.types import ASGIApp

from src.core.base.clock import Clock
from src.core.base.settings import Settings
from src.sandbox.credential_file import laid_once
from src.sandbox.receivers.arrivals import Arrivals
from src.sandbox.receivers.certificate import made_for_loopback
from src.sandbox.receivers.http_sinks import HttpSinks
from src.sandbox.receivers.mail_server import LOOPBACK, MailServer

USERNAME = "sandbox"
ADDRESSES = {"inbox": "/inbox", "slack-demo": "/slack/demo", "webhook-demo": "/hooks/demo"}


class Receivers:
    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self.arrivals = Arrivals(clock)
        self.app: ASGIApp = HttpSinks(self.arrivals).app
        self._mail: MailServer | None = None

    @property
    def certificate(self) -> Path:
        return self._folder / "receivers" / "mail-server.pem"

    @property
    def password(self) -> str:
        return laid_once(self._folder / "credentials" / "mail.txt", lambda: token_urlsafe(24))

    def start(self) -> None:
        laid_once(self.certificate, made_for_loopback)
        self._mail = MailServer(self.arrivals, self.certificate, USERNAME, self.password)
        self._mail.start()

    def tell(self, address: str) -> None:
        """Lays the addresses where the sandbox's credentials lie: they are others each time it starts."""
        for name, path in ADDRESSES.items():
            file = self._folder / "credentials" / f"{name}.txt"
            draft = file.with_suffix(f".{token_urlsafe(6)}.draft")
            draft.write_text(f"{address}{path}")
            draft.replace(file)

    def stop(self) -> None:
        if self._mail is not None:
            self._mail.stop()

    def stand_in(self, settings: Settings, address: str) -> Settings:
        """No mail leaves this machine from there on. `address` is the sandbox's own, http://host:port."""
        changed = {
            "smtp_host": LOOPBACK,
            "smtp_port": self._mail.port if self._mail else 0,
            "smtp_security": "starttls",
            "smtp_username": USERNAME,
            "smtp_password": SecretStr(self.password),
            "smtp_from": "Convergence <costs@convergence.example>",
            "smtp_ca_file": self.certificate,
            "notify_inside_hosts": (*settings.notify_inside_hosts, address.removeprefix("http://")),
        }
        return settings.model_copy(update=changed)
