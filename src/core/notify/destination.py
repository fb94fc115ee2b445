from dataclasses import dataclass

from src.core.base.events import ChannelKind
from src.core.base.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A channel with its secrets open, for the time of one sending."""

    kind: ChannelKind
    name: str
    org_slug: str
    company_name: str
    timezone: str
    recipients: tuple[str, ...] = ()
    """Of e-mail."""
    url: Secret | None = None
    """Of Slack and of a webhook."""
    signing_secrets: tuple[Secret, ...] = ()
    """Of a webhook: the newest first; two while they are being changed."""
