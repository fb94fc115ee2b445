"""Every failure this system names, by what the caller does next.

Fault
├── Rejected           the request is wrong: change it                      422
│   ├── CredentialRefused  mend the credential at its provider, or store another 422
│   ├── Unauthenticated  send a valid key                                   401
│   ├── NotYours         use a key that may                                 403
│   ├── Missing          name something that exists                         404
│   ├── Conflict         look at what is there already                      409
│   │   └── Superseded     a newer publication won; nothing was written     409
│   └── TooLarge         send less                                          413
├── QuotaExceeded      wait for the reset, or change the plan               429
├── PaymentNeeded      settle the subscription                              402
├── Throttled          slow down, retry after a while                       429
├── Unavailable        retry: the other side did not answer                 503
├── Misconfigured      an operator mends the settings and restarts          503
├── Timeout            the step ran out of its time                         504
├── StepFailed         a pipeline's step broke: its run's log says where    500
├── QualityFailed      look at the data: a critical expectation did not hold 500
├── BooksNotClosed     look at the source: what was loaded is not what it says 500
├── LeaseLost          nothing: another worker has the run                  500
└── Tampered           stored data fails its own seal: stop and look        500

The HTTP edge renders all of them as problem+json; the step runner reads `.retry`; nobody else catches them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, TypeVar

T = TypeVar("T")

# A body may hold as many mistakes as it has bytes, and to tell of each takes longer than to make it.
MOST_FLAWS: Final = 20


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing wrong with an input, and where."""

    message: str
    field: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = self.file or ""
        if self.line is not None:
            place = f"{place}:{self.line}"
        spot = ": ".join(part for part in (place, self.field) if part)
        return f"{spot}: {self.message}" if spot else self.message


def first_flaws(wrong: Sequence[T], tell: Callable[[T], Flaw]) -> tuple[list[Flaw], int]:
    """Tells of the first; the number is of those that are left out."""
    told = [tell(one) for one in wrong[:MOST_FLAWS]]
    return told, len(wrong) - len(told)


class Fault(Exception):
    status: ClassVar[int] = 500
    code: ClassVar[str] = "fault"
    title: ClassVar[str] = "Failed"
    mend: ClassVar[str] = "quote the request id"
    """What whoever gets it does next, as the reference of problems says it."""
    retry: ClassVar[bool] = False

    def __init__(
        self,
        detail: str,
        *,
        flaws: Sequence[Flaw] = (),
        left_out: int = 0,
        retry_after: float | None = None,
        **facts: str | int | None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.flaws = tuple(flaws)
        self.left_out = left_out
        self.retry_after = retry_after
        self.facts = facts

    def __str__(self) -> str:
        more = [f"  and {self.left_out:,} more"] if self.left_out else []
        return "\n".join([self.detail, *(f"  {flaw}" for flaw in self.flaws), *more])


class Rejected(Fault):
    status, code, title = 422, "rejected", "Invalid request"
    mend = "change the request; `errors` names fields"


class CredentialRefused(Rejected):
    """By its provider, and for its own sake: it is wrong, was revoked, or may not read what is asked."""


class Unauthenticated(Rejected):
    status, code, title = 401, "unauthenticated", "Authentication required"
    mend = "send a valid key"


class NotYours(Rejected):
    status, code, title = 403, "not-yours", "Forbidden"
    mend = "use the key that `detail` names"


class Missing(Rejected):
    status, code, title = 404, "missing", "Not found"
    mend = "name something that exists"


class Conflict(Rejected):
    status, code, title = 409, "conflict", "Conflict"
    mend = "look at what is there"


class Superseded(Conflict):
    code, title = "superseded", "Superseded"
    mend = "a newer publication won; nothing was written"


class TooLarge(Rejected):
    status, code, title = 413, "too-large", "Too large"
    mend = "send less"


class QuotaExceeded(Fault):
    status, code, title = 429, "quota-exceeded", "Quota exceeded"
    mend = "wait for the reset, or change the plan"


class PaymentNeeded(Fault):
    status, code, title = 402, "payment-needed", "Payment required"
    mend = "the subscription is suspended, or its trial is over; settle it"


class Throttled(Fault):
    status, code, title, retry = 429, "throttled", "Too many requests", True
    mend = "retry after `Retry-After`"


class Unavailable(Fault):
    status, code, title, retry = 503, "unavailable", "Unavailable", True
    mend = "retry"


class Misconfigured(Fault):
    status, code, title = 503, "misconfigured", "Misconfigured"
    mend = "an operator mends what `detail` names"


class Timeout(Fault):
    status, code, title, retry = 504, "timeout", "Timed out", True
    mend = "retry"


class StepFailed(Fault):
    status, code, title = 500, "step-failed", "Step failed"
    mend = "a pipeline's step broke; quote the run id, the service's log says where"


class QualityFailed(Fault):
    status, code, title = 500, "quality-failed", "Data quality failed"
    mend = "a run's `error`: a critical expectation did not hold, what was there stays"


class BooksNotClosed(Fault):
    status, code, title = 500, "books-not-closed", "Books not closed"
    mend = "a run's `error`: what was written is not what was read, what was there stays"


class LeaseLost(Fault):
    status, code, title = 500, "lease-lost", "Lease lost"
    mend = "a step's `error`: another attempt has the run"


class Tampered(Fault):
    status, code, title = 500, "tampered", "Seal broken"
    mend = "stored data does not match its seal; tell the operator"
