"""Who called, in the words of the caller: request ids and W3C trace context."""

import os
import re
import time
from dataclasses import dataclass

from src.core.base.redaction import redacted_text

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# Version 00 has exactly these fields; later versions may have more behind another dash.
TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?")
NOT_SAMPLED = "00"


@dataclass(slots=True)
class Trace:
    request_id: str
    trace_id: str
    span_id: str
    flags: str

    @property
    def header(self) -> str:
        """For the answer, and for calls made on behalf of this request."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def read_trace(request_id: bytes | None, traceparent: bytes | None) -> Trace:
    drawn = os.urandom(34).hex()  # 16 bytes of trace, 8 of span, 10 of request id
    known = TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if known and (traceparent or b"")[:2] == b"00" and len(traceparent or b"") != 55:  # noqa: PLR2004 - the length of version 00
        known = None
    return Trace(
        request_id=_said_id(request_id) or _made_id(drawn[48:]),
        trace_id=known[1].decode("ascii") if known else drawn[:32],
        span_id=drawn[32:48],
        flags=known[2].decode("ascii") if known else NOT_SAMPLED,
    )


def _said_id(request_id: bytes | None) -> str | None:
    if not request_id or not REQUEST_ID.fullmatch(request_id):
        return None
    text = request_id.decode("ascii")
    # a key sent by mistake would stand in every line of the request, and in its answer
    return text if redacted_text(text) == text else None


def _made_id(drawn: str) -> str:
    # the time first, so that ids sort as their requests came
    return f"{time.time_ns() // 1_000_000:012x}{drawn}"
