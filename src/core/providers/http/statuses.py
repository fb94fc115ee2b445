"""What an answer that is no success means for whoever asked: one table for all providers, and what each adds to it.

CredentialRefused  401, 403                       the customer mends the credential or what it may
Missing            404                            the customer names something that is there
Throttled          429, or a reason to slow down  the same again after a while
Unavailable        408, 500, 502, 503, 504, 529   the same again: the provider is in trouble
StepFailed         anything else                  the request itself does not suit the provider
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from src.core.base.faults import CredentialRefused, Fault, Missing, Rejected, StepFailed, Throttled, Unavailable
from src.core.providers.http.client import HttpAnswer

LETS_NOBODY_IN = (401, 403)
MEANINGS: Mapping[int, type[Fault]] = {
    **dict.fromkeys(LETS_NOBODY_IN, CredentialRefused),
    404: Missing,
    429: Throttled,
    **dict.fromkeys((408, 500, 502, 503, 504, 529), Unavailable),  # 529: overloaded, which no standard knows and model providers say
}


NOT_ITS_OWN = (
    "the answer is no JSON, so it says nothing of the credential; ask again, and if it stays so look at the network's proxy and at where "
    "PROVIDER_URLS leads"
)


@dataclass(frozen=True, slots=True)
class Refusals:
    """What one provider adds to the table."""

    provider: str
    """As people call it."""
    needs: str
    """What the credential lacks when it is not let in, as a sentence without its full stop."""
    slow_down: frozenset[str] = frozenset()
    """Reasons that ask for patience, whatever status they come with."""
    mends: Mapping[str, str] = field(default_factory=dict)
    """What else the customer can do, by the reason of a refusal; no patience helps with these."""
    elsewhere: frozenset[str] = frozenset()
    """Those reasons that say nothing of the credential, which would be refused as any other."""
    patience: float | None = None
    """In seconds: how long to wait where the provider asks for patience and does not say for how long."""

    def fault(self, answer: HttpAnswer, now: datetime, asked: str, *, said: str = "", reason: str | None = None) -> Fault:
        """`said` and `reason` are what the provider's own shape of an error holds."""
        if answer.body is None and answer.status in LETS_NOBODY_IN:
            # a proxy that lets nobody out would else make every organisation's credential INVALID
            return Unavailable(f"{self.provider} answered {answer.status} to {asked}, or something in its place did: {NOT_ITS_OWN}")
        told = f"{self.provider} answered {answer.status} to {asked}" + (f": {said}" if said else "")
        meaning = MEANINGS.get(answer.status, StepFailed)
        mend = self.mends.get(reason or "")
        if mend and meaning in (CredentialRefused, Throttled):
            of_the_credential = meaning is CredentialRefused and reason not in self.elsewhere
            return (CredentialRefused if of_the_credential else Rejected)(f"{told}. {mend}")
        if reason in self.slow_down or meaning is Throttled:
            told_wait = answer.retry_after(now)
            return Throttled(told, retry_after=self.patience if told_wait is None else told_wait)
        if meaning is CredentialRefused:
            return CredentialRefused(f"{told}. {self.needs}")
        return meaning(told, retry_after=answer.retry_after(now) if meaning.retry else None)
