"""What a refusal of OpenAI's means. Of an unknown key its words are not handed on: they show both ends of it."""

from datetime import datetime

from src.core.base.faults import Fault, Rejected, Unavailable
from src.core.providers.http.client import HttpAnswer, words
from src.core.providers.http.statuses import Refusals
from src.core.providers.openai.kinds import SCOPE, WANTED, WHERE

TITLE = "OpenAI"
UNKNOWN_KEY, FORBIDDEN, NOT_THERE = 401, 403, 404
NOT_SERVED = "unsupported_country_region_territory"
REFUSALS = Refusals(
    TITLE,
    needs=f"{WANTED[:1].upper()}{WANTED[1:]}. An admin key of a ChatGPT workspace is another thing and reads none of this",
    mends={
        "invalid_api_key": f"The key is wrong, was revoked or has ended: an owner makes a new admin key at {WHERE}",
        "scope": f"Give the key the permission to read usage ({SCOPE}) at {WHERE}, or make an admin key that has it",
        NOT_SERVED: "OpenAI serves nobody where this service runs: ask from elsewhere (PROVIDER_URLS)",
    },
    elsewhere=frozenset({NOT_SERVED}),
)
# a proxy that lets nobody out would else make every key of every organisation invalid
NOT_OPENAI = (
    "in words that are not its own, so something between here and OpenAI answered in its place: look at the network's proxy and at "
    "PROVIDER_URLS; it says nothing of the key"
)
NOT_OFFERED = "This organisation is not offered it, or PROVIDER_URLS leads elsewhere: openai.api is the address before /v1"


def refusal(answer: HttpAnswer, now: datetime, asked: str) -> Fault:
    if answer.status == NOT_THERE:
        return Rejected(f"{TITLE} answered {NOT_THERE} to {asked}. {NOT_OFFERED}")
    if answer.body is None and answer.status in (UNKNOWN_KEY, FORBIDDEN):
        return Unavailable(f"{TITLE} answered {answer.status} to {asked} {NOT_OPENAI}")
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    told = error if isinstance(error, dict) else {}
    said, reason = words(told.get("message") or ""), told.get("code")
    # a scope that lacks has come with 403 and with 401, and with no code at all
    if "scope" in said.lower():
        reason = "scope"
    elif answer.status == UNKNOWN_KEY:
        said = ""
    return REFUSALS.fault(answer, now, asked, said=said, reason=reason if isinstance(reason, str) else None)
