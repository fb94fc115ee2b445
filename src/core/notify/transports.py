from functools import cached_property

from src.core.base.clock import Clock, SystemClock
from src.core.base.events import Parcel
from src.core.base.faults import Misconfigured, Rejected, Unavailable
from src.core.base.settings import Settings
from src.core.notify.address import AddressGuard
from src.core.notify.destination import Destination
from src.core.notify.http_post import HttpPost
from src.core.notify.mail import Mailer
from src.core.notify.rendering import Renderer
from src.core.notify.slack import SlackSender
from src.core.notify.webhook import WebhookSender

EMAIL, SLACK = "email_notification", "slack_notification"


class Transports:
    """All ways out. One for the process: it holds threads that look up names."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._guard = AddressGuard(settings)
        self._post = HttpPost(self._guard, settings.notify_timeout_seconds)
        self._mailer = Mailer(settings, self._clock)

    async def send(self, destination: Destination, parcel: Parcel) -> tuple[str, ...]:
        """Raises a Fault where nobody got it; answers, in sentences, which recipients of a mail did not.

        What may pass says `retry`. `Missing` is a receiver that is no more; `Misconfigured` waits for the operator.
        """
        if not parcel.events:
            raise Misconfigured(f"the parcel {parcel.parcel_id} is empty")
        if destination.kind == "email":
            return await self._mailer.send(parcel.parcel_id, destination.recipients, self.emails.mail(parcel, destination))
        if destination.url is None:
            raise Rejected(f"the channel {destination.name} has no address; give it one")
        if destination.kind == "slack":
            await SlackSender(self._post, self.slack_messages, self._clock).send(parcel, destination, destination.url.reveal())
        else:
            await WebhookSender(self._post, self._clock).send(parcel, destination, destination.url.reveal())
        return ()

    @cached_property
    def emails(self) -> Renderer:
        return Renderer(self._settings.configs_dir, EMAIL, self._settings.public_url)

    @cached_property
    def slack_messages(self) -> Renderer:
        return Renderer(self._settings.configs_dir, SLACK, self._settings.public_url)

    def close(self) -> None:
        self._guard.close()


async def check_url(settings: Settings, url: str) -> None:
    """Before it is stored: raises Rejected with what to mend. At each sending the same is asked again."""
    guard = AddressGuard(settings)
    try:
        await guard.target(url)
    except Unavailable as unknown:
        raise Rejected(f"{unknown.detail}; mend the address") from None
    finally:
        guard.close()
