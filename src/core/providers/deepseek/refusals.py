"""What a refusal of DeepSeek's means."""

from datetime import datetime

from src.core.base.faults import Fault, Misconfigured
from src.core.providers.http.client import HttpAnswer, words
from src.core.providers.http.statuses import Refusals

TITLE = "DeepSeek"
KEY_REFUSED, NOT_THERE = 401, 404
WHERE = "platform.deepseek.com > API keys"
REFUSALS = Refusals(TITLE, needs=f"The key is wrong or was deleted: make another at {WHERE}")


def refusal(answer: HttpAnswer, now: datetime, asked: str) -> Fault:
    if answer.status == NOT_THERE:
        where = "DeepSeek has moved it, or PROVIDER_URLS leads elsewhere: deepseek.api is the address before /user"
        return Misconfigured(f"{TITLE} answered {NOT_THERE} to {asked}. {where}")
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    said = words(error.get("message") or "") if isinstance(error, dict) else ""
    # what it says of an unknown key shows the end of it
    return REFUSALS.fault(answer, now, asked, said="" if answer.status == KEY_REFUSED else said)
