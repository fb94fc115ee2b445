"""What a refusal of Anthropic's means."""

from datetime import datetime

from src.core.base.faults import Fault, Misconfigured
from src.core.providers.anthropic.kinds import WHERE
from src.core.providers.http.client import HttpAnswer, words
from src.core.providers.http.statuses import Refusals

TITLE = "Anthropic"
UNKNOWN_KEY, NOT_THERE = 401, 404
SPENT = "enforced_spend_limit_reached"
REFUSALS = Refusals(
    TITLE,
    needs=f"Needed is an admin key (sk-ant-, then admin): a member with the admin role makes one at {WHERE}",
    mends={
        "unknown key": f"The key is wrong, was revoked or has ended: an administrator makes a new admin key at {WHERE}",
        SPENT: "The organisation has reached its spend limit of the month: raise it in the Console, or wait for the next month",
    },
    # one request a minute is what Anthropic bears for long
    patience=90.0,
)
NOT_OFFERED = "This organisation is not offered it, or PROVIDER_URLS leads elsewhere: anthropic.api is the address before /v1"


def refusal(answer: HttpAnswer, now: datetime, asked: str) -> Fault:
    if answer.status == NOT_THERE:
        return Misconfigured(f"{TITLE} answered {NOT_THERE} to {asked}. {NOT_OFFERED}")
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    told = error if isinstance(error, dict) else {}
    details = told.get("details")
    reason = details.get("error_code") if isinstance(details, dict) else None
    # of an unknown key its words are not handed on: others have quoted it
    known = answer.status != UNKNOWN_KEY
    said = words(told.get("message") or "") if known else ""
    reason = reason if isinstance(reason, str) else None
    return REFUSALS.fault(answer, now, asked, said=said, reason=reason if known else "unknown key")
