"""What is answered before there is a request that anything inside could answer."""

import json
from dataclasses import dataclass
from typing import Final

from src.app.process import codes
from src.app.process.codes import Code
from src.core.base.faults import Unavailable

MEDIA_TYPE: Final = "application/problem+json"
HEAD_BYTES: Final = 65_536
HEADERS: Final = 200
URL_BYTES: Final = 16_384
RETRY_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Refusal:
    code: Code
    phrase: str
    detail: str
    retry_after: int | None = None

    @property
    def status(self) -> int:
        return self.code.status

    def encoded(self) -> bytes:
        document = {"type": self.code.address, "title": self.code.title, "status": self.status, "detail": self.detail}
        body = json.dumps(document, separators=(",", ":")).encode()
        retry = f"Retry-After: {self.retry_after}\r\n" if self.retry_after else ""
        head = (
            f"HTTP/1.1 {self.status} {self.phrase}\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n"
            f"{retry}Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body


MALFORMED: Final = Refusal(
    codes.MALFORMED, "Bad Request", "what came cannot be read as HTTP/1.1; look at what sends it, or at the proxy between"
)
HEAD_TOO_LARGE: Final = Refusal(
    codes.HEAD_TOO_LARGE,
    "Request Header Fields Too Large",
    f"the head of a request, or what follows its body, may have {HEAD_BYTES} bytes and {HEADERS} headers; send fewer and shorter ones",
)
URL_TOO_LONG: Final = Refusal(codes.URL_TOO_LONG, "URI Too Long", f"an address may have {URL_BYTES} bytes; send a shorter one")
FULL: Final = Refusal(
    codes.code_of(Unavailable),
    "Service Unavailable",
    "every connection this process keeps (MAX_CONNECTIONS) is in use; try again, and keep fewer open at once",
    RETRY_SECONDS,
)


def head_too_slow(seconds: float) -> Refusal:
    return _too_slow(f"the head of a request must have come {seconds:g} seconds after it began (HEADER_SECONDS); send it again, at once")


def body_too_slow(seconds: float) -> Refusal:
    return _too_slow(f"nothing more of the body came for {seconds:g} seconds (BODY_SECONDS); send the request again, without a break in it")


def _too_slow(detail: str) -> Refusal:
    return Refusal(codes.TOO_SLOW, "Request Timeout", detail)
