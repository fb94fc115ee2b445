"""What is answered before there is a request that anything inside could answer."""

import json
from dataclasses import dataclass
from typing import Final

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:convergence:problem:"
HEAD_BYTES: Final = 65_536
HEADERS: Final = 200
URL_BYTES: Final = 16_384
RETRY_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    phrase: str
    code: str
    title: str
    detail: str
    retry_after: int | None = None

    def encoded(self) -> bytes:
        document = {"type": f"{TYPE_PREFIX}{self.code}", "title": self.title, "status": self.status, "detail": self.detail}
        body = json.dumps(document, separators=(",", ":")).encode()
        retry = f"Retry-After: {self.retry_after}\r\n" if self.retry_after else ""
        head = (
            f"HTTP/1.1 {self.status} {self.phrase}\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n"
            f"{retry}Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body


MALFORMED: Final = Refusal(
    400,
    "Bad Request",
    "malformed",
    "This is not HTTP",
    "what came cannot be read as HTTP/1.1; look at what sends it, or at the proxy between",
)
HEAD_TOO_LARGE: Final = Refusal(
    431,
    "Request Header Fields Too Large",
    "head-too-large",
    "The headers are too large",
    f"the head of a request, or what follows its body, may have {HEAD_BYTES} bytes and {HEADERS} headers; send fewer and shorter ones",
)
URL_TOO_LONG: Final = Refusal(
    414, "URI Too Long", "url-too-long", "The address is too long", f"an address may have {URL_BYTES} bytes; send a shorter one"
)
FULL: Final = Refusal(
    503,
    "Service Unavailable",
    "unavailable",
    "Too many are connected",
    "every connection this process keeps (MAX_CONNECTIONS) is in use; try again, and keep fewer open at once",
    RETRY_SECONDS,
)


def head_too_slow(seconds: float) -> Refusal:
    return _too_slow(f"the head of a request must have come {seconds:g} seconds after it began (HEADER_SECONDS); send it again, at once")


def body_too_slow(seconds: float) -> Refusal:
    return _too_slow(f"nothing more of the body came for {seconds:g} seconds (BODY_SECONDS); send the request again, without a break in it")


def _too_slow(detail: str) -> Refusal:
    return Refusal(408, "Request Timeout", "too-slow", "The request came too slowly", detail)
