"""Slack's incoming webhooks. All text goes as plain text, with Slack's three signs escaped: nothing that others wrote is markup there."""

import json
from collections.abc import Iterator
from typing import Any, Final

from src.core.base.clock import Clock
from src.core.base.events import Parcel
from src.core.base.faults import Fault, Missing, Rejected, Throttled, Unavailable
from src.core.base.retry_after import retry_after
from src.core.notify.destination import Destination
from src.core.notify.http_post import HttpPost, PostAnswer
from src.core.notify.rendering import Renderer

# Slack's own limits of a message, a section and a header
MOST_BLOCKS: Final = 50
LONGEST_SECTION: Final = 3000
LONGEST_HEADER: Final = 150
LONGEST_TEXT: Final = 3000
THROTTLED, SERVER_ERROR = 429, 500
GONE: Final = (404, 410)


class SlackSender:
    def __init__(self, post: HttpPost, renderer: Renderer, clock: Clock) -> None:
        self._post = post
        self._renderer = renderer
        self._clock = clock

    async def send(self, parcel: Parcel, destination: Destination, url: str) -> None:
        body = json.dumps(self.payload(parcel, destination)).encode()
        answer = await self._post.send(url, body, {"Content-Type": "application/json; charset=utf-8"})
        # a page of HTML, which a proxy puts in Slack's place, is no success whatever its status
        if not answer.ok or answer.words != "ok":
            raise self._fault(answer)

    def payload(self, parcel: Parcel, destination: Destination) -> dict[str, Any]:
        message = self._renderer.message(parcel, destination)
        blocks: list[dict[str, Any]] = []
        for told in message.told:
            blocks.append({"type": "header", "text": plain_text(told.headline, LONGEST_HEADER)})
            said = self._renderer.plain("event.txt", {**message.values, "one": told})
            blocks += [{"type": "section", "text": {"type": "plain_text", "text": part, "emoji": False}} for part in sections(said)]
        footer = self._renderer.plain("footer.txt", message.values)
        # the end of a long message is left out, its footer is not
        blocks = blocks[: MOST_BLOCKS - 1]
        blocks.append({"type": "context", "elements": [plain_text(footer.strip(), LONGEST_SECTION)]})
        return {
            # what a notification shows; without it Slack would read the blocks aloud
            "text": cut(message.subject, LONGEST_TEXT),
            "mrkdwn": False,
            "unfurl_links": False,
            "unfurl_media": False,
            "blocks": blocks,
        }

    def _fault(self, answer: PostAnswer) -> Fault:
        said = f"Slack answered {answer.status} {escaped(answer.words) or 'without a word'}"
        if answer.status == THROTTLED:
            return Throttled(said, retry_after=retry_after(answer.headers, self._clock.now()))
        if answer.status in GONE:
            return Missing(f"{said}: the webhook is no more; make another one in Slack and give its address to the channel")
        if answer.ok or answer.status >= SERVER_ERROR:
            return Unavailable(said)
        if answer.redirected:
            return Rejected(f"{said}: redirects are not followed; give the channel the address itself")
        return Rejected(f"{said}: look at the webhook in Slack, and give the channel its address")


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def cut(text: str, longest: int) -> str:
    """Escaped, and no longer than that: an escape is never cut through."""
    done = escaped(text)
    while len(done) > longest:
        text = text[: max(0, len(text) - (len(done) - longest) - 1)]
        done = escaped(text) + "…"
    return done


def plain_text(text: str, longest: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": cut(text, longest), "emoji": False}


def sections(text: str) -> Iterator[str]:
    """Its paragraphs, each escaped and as short as Slack takes one."""
    for paragraph in text.split("\n\n"):
        lines = paragraph.strip("\n")
        if lines.strip():
            yield cut(lines, LONGEST_SECTION)
