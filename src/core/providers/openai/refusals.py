"""What a refusal of OpenAI's means. Of an unknown key its words are not handed on: they show both ends of it."""

from datetime import datetime

from src.core.base.faults import Fault, Misconfigured
from src.core.providers.http.client import HttpAnswer, words
from src.core.providers.http.statuses import Refusals
from src.core.providers.openai.kinds import SCOPE, WANTED, WHERE

TITLE = "OpenAI"
UNKNOWN_KEY, NOT_THERE = 401, 404
NOT_SERVED = "unsupported_country_region_territory"
REFUSALS = Refusals(
    TITLE,
    needs=f"{WANTED[:1].upper()}{WANTED[1:]}. An admin key of a ChatGPT workspace is another thing and reads none of this",
    mends={
        "invalid_api_key": f"The key is wrong, was revoked or has ended: an owner makes a new admin key at {WHERE}",
        "scope": f"Give the key the permission to read usage ({SCOPE}) at {WHERE}, or make an admin key that has it",
    },
)
ELSEWHERE = "OpenAI serves nobody where this service runs: ask from elsewhere (PROVIDER_URLS)"
NOT_OFFERED = "This organisation is not offered it, or PROVIDER_URLS leads elsewhere: openai.api is the address before /v1"


def refusal(answer: HttpAnswer, now: datetime, asked: str) -> Fault:
    if answer.status == NOT_THERE:
        return Misconfigured(f"{TITLE} answered {NOT_THERE} to {asked}. {NOT_OFFERED}")
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    told = error if isinstance(error, dict) else {}
    said, reason = words(told.get("message") or ""), told.get("code")
    # any other key would be refused as well: it is the operator who mends it
    if reason == NOT_SERVED:
        return Misconfigured(f"{TITLE} answered {answer.status} to {asked}: {said}. {ELSEWHERE}")
    # a scope that lacks has come with 403 and with 401, and with no code at all
    if "scope" in said.lower():
        reason = "scope"
    elif answer.status == UNKNOWN_KEY:
        said = ""
    return REFUSALS.fault(answer, now, asked, said=said, reason=reason if isinstance(reason, str) else None)
