import re
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

from src.core.base.faults import Flaw
from src.core.base.names import url_flaw

SENDER = re.compile(r"[^@\s]+@[^@\s]+")


class NotifySettings(BaseSettings):
    """How mails, Slack messages and webhooks leave this service."""

    smtp_host: str | None = Field(default=None, description="The server that mails are handed to; unset, no mail is sent")
    smtp_port: int = Field(default=587, ge=1, le=65_535, description="Its port: 587 for starttls, 465 for tls")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="starttls, tls, or none, which sends in clear and is refused in production"
    )
    smtp_username: str | None = Field(default=None, description="Who signs in there; unset, nobody does")
    smtp_password: SecretStr | None = Field(default=None, description="With which password")
    smtp_from: str | None = Field(default=None, description="Sender of mails: costs@example.com, or Costs <costs@example.com>")
    smtp_timeout_seconds: float = Field(default=30.0, gt=0, le=300, description="How long one mail may take, from connecting to its end")
    smtp_ca_file: Path | None = Field(
        default=None, description="Certificates (PEM) that the server's is checked against; unset, those of the system"
    )
    notify_timeout_seconds: float = Field(
        default=15.0, gt=0, le=120, description="How long one Slack message or webhook may take, from connecting to the answer's end"
    )
    notify_inside_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Receivers inside this network that may be sent to, also in clear: host:port, separated by commas; not in production",
    )
    public_url: str | None = Field(default=None, description="Where this service is reached; stands in messages before the paths of calls")

    @field_validator("notify_inside_hosts", mode="before")
    @classmethod
    def _hosts(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        hosts = tuple(host.strip().lower() for host in value.split(",") if host.strip())
        for host in hosts:
            if not _is_host_and_port(host):
                raise ValueError(f"{host!r} is not host:port; write it like 127.0.0.1:8025, several separated by commas")
        return hosts

    @field_validator("smtp_from")
    @classmethod
    def _sender(cls, value: str | None) -> str | None:
        if value is not None and not (value.isprintable() and SENDER.fullmatch(parseaddr(value)[1])):
            raise ValueError("is no address of mail; write it like costs@example.com or Costs <costs@example.com>")
        return value

    @field_validator("public_url")
    @classmethod
    def _public(cls, value: str | None) -> str | None:
        flaw = url_flaw(value) if value is not None else None
        if flaw:
            raise ValueError(flaw)
        return value.rstrip("/") if value is not None else None

    @property
    def sender_host(self) -> str:
        """Stands behind the @ of a mail's Message-ID."""
        return parseaddr(self.smtp_from or "")[1].rpartition("@")[2] or "localhost"

    def notify_flaws(self) -> list[Flaw]:
        found = []
        if self.smtp_host and not self.smtp_from:
            found.append(Flaw("is not set; mails need a sender, like costs@example.com", "SMTP_FROM"))
        if (self.smtp_username is None) != (self.smtp_password is None):
            missing = "SMTP_PASSWORD" if self.smtp_password is None else "SMTP_USERNAME"
            found.append(Flaw("is not set; set both SMTP_USERNAME and SMTP_PASSWORD, or neither", missing))
        if self.smtp_ca_file is not None and not self.smtp_ca_file.is_file():
            found.append(Flaw("names no file; name one with certificates in PEM, or unset it", "SMTP_CA_FILE"))
        return found

    def notify_flaws_in_production(self) -> list[Flaw]:
        found = []
        if self.smtp_security == "none":
            found.append(Flaw("must be starttls or tls in production: mails and the password would travel in clear", "SMTP_SECURITY"))
        if self.notify_inside_hosts:
            found.append(Flaw("must be unset in production: organisations could reach what stands inside", "NOTIFY_INSIDE_HOSTS"))
        if self.public_url and not self.public_url.startswith("https://"):
            found.append(Flaw("must begin with https:// in production: whoever follows it sends a key along", "PUBLIC_URL"))
        return found


def _is_host_and_port(text: str) -> bool:
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port
    except ValueError:
        return False
    return bool(parts.hostname) and port is not None and parts.netloc == text and "@" not in text
