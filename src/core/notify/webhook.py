"""Webhooks by the Standard Webhooks convention, signed by its own library."""

import json
from datetime import datetime
from typing import Final

from standardwebhooks import Webhook

from src.core.base.clock import Clock
from src.core.base.events import Event, Parcel
from src.core.base.faults import Fault, Misconfigured, Missing, Throttled, Unavailable
from src.core.base.retry_after import retry_after
from src.core.notify.destination import Destination
from src.core.notify.http_post import HttpPost, PostAnswer

THROTTLED: Final = 429
GONE: Final = 410


class WebhookSender:
    def __init__(self, post: HttpPost, clock: Clock) -> None:
        self._post = post
        self._clock = clock

    async def send(self, parcel: Parcel, destination: Destination, url: str) -> None:
        if len(parcel.events) != 1:
            raise Misconfigured("a webhook gets each event by itself")
        body = body_of(parcel.events[0])
        headers = {"Content-Type": "application/json", **signed(parcel.parcel_id, body, destination, self._clock.now())}
        answer = await self._post.send(url, body.encode(), headers)
        if not answer.ok:
            raise self._fault(answer)

    def _fault(self, answer: PostAnswer) -> Fault:
        """All but one may pass: who receives it mends the receiver, and the convention asks to be patient."""
        said = f"the receiver answered {answer.status} {answer.words}".rstrip()
        if answer.status == GONE:
            return Missing(f"{said}: it wants no more")
        if answer.redirected:
            return Unavailable(f"{said}: redirects are not followed; give the webhook the address itself")
        wait = retry_after(answer.headers, self._clock.now())
        return (Throttled if answer.status == THROTTLED else Unavailable)(said, retry_after=wait)


def body_of(event: Event) -> str:
    body = {
        "id": event.event_id,
        "type": event.type,
        "timestamp": event.occurred_at.isoformat(),
        "org_slug": event.org_slug,
        "data": event.data,
    }
    return json.dumps(body, separators=(",", ":"), sort_keys=True)


def signed(parcel_id: str, body: str, destination: Destination, at: datetime) -> dict[str, str]:
    if not destination.signing_secrets:
        raise Misconfigured(f"the webhook {destination.name} has no signing secret")
    signatures = [Webhook(secret.reveal()).sign(parcel_id, at, body) for secret in destination.signing_secrets]
    return {"webhook-id": parcel_id, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": " ".join(signatures)}
