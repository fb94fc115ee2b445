"""Every code that a problem may have: those of the faults, and those of the edge itself."""

from dataclasses import dataclass
from typing import Final

from src.core.base.faults import Fault

REFERENCE: Final = "/problems"


@dataclass(frozen=True, slots=True)
class Code:
    status: int
    name: str
    title: str
    mend: str

    @property
    def address(self) -> str:
        """Where the reference tells of it; without scheme and host, which behind a proxy are not those that this service sees."""
        return f"{REFERENCE}#{self.name}"


MALFORMED: Final = Code(400, "malformed", "Malformed request", "look at what sends it: it is not HTTP/1.1, or can be read in two ways")
DOUBLED_HEADER: Final = Code(400, "doubled-header", "Doubled header", "send the key, or the `Idempotency-Key`, once")
METHOD_NOT_ALLOWED: Final = Code(405, "method-not-allowed", "Method not allowed", "use a method that `Allow` names")
NOT_ACCEPTABLE: Final = Code(406, "not-acceptable", "Not acceptable", "name in `Accept`, or in `format`, a form that there is")
TOO_SLOW: Final = Code(
    408, "too-slow", "Request too slow", "send the request again, at once and without a break (`HEADER_SECONDS`, `BODY_SECONDS`)"
)
URL_TOO_LONG: Final = Code(414, "url-too-long", "Address too long", "send a shorter address; 16 kB are the most")
UNSUPPORTED_MEDIA_TYPE: Final = Code(
    415, "unsupported-media-type", "Unsupported media type", "send the body in a form that `detail` names, and say which in `Content-Type`"
)
HEAD_TOO_LARGE: Final = Code(
    431, "head-too-large", "Headers too large", "send fewer and shorter headers; 64 kB and 200 headers are the most"
)
UNEXPECTED: Final = Code(500, "unexpected", "Internal error", "our fault; quote the `request_id`")
NOT_READY: Final = Code(503, "not-ready", "Not ready", "wait, or mend what `checks` names")

OF_THE_EDGE: Final = (
    MALFORMED,
    DOUBLED_HEADER,
    METHOD_NOT_ALLOWED,
    NOT_ACCEPTABLE,
    TOO_SLOW,
    URL_TOO_LONG,
    UNSUPPORTED_MEDIA_TYPE,
    HEAD_TOO_LARGE,
    UNEXPECTED,
    NOT_READY,
)


def code_of(fault: type[Fault]) -> Code:
    return Code(fault.status, fault.code, fault.title, fault.mend)


def every_code() -> list[Code]:
    """By status, then by name. Faults that share a code, as kinds of one that programs tell apart, are one."""
    named = {code.name: code for code in (*map(code_of, _kinds_of(Fault)), *OF_THE_EDGE)}
    return sorted(named.values(), key=lambda code: (code.status, code.name))


def _kinds_of(fault: type[Fault]) -> list[type[Fault]]:
    return [kind for child in fault.__subclasses__() for kind in (child, *_kinds_of(child))]
