"""What BigQuery says, in the words of the fault tree: by what the caller does next, with what mends it."""

import concurrent.futures
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import grpc
import requests
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError, TransportError

from src.core.base.faults import Fault, Misconfigured, Missing, Rejected, Throttled, Timeout, TooLarge, Unavailable

SENTENCE: Final = 300
RETRY_SECONDS: Final = 2.0
QUOTA_SECONDS: Final = 60.0
# What a client of Google's may raise beyond its own tree: the wire's errors, and a deadline it kept itself.
RAISED: Final = (
    exceptions.GoogleAPIError,
    GoogleAuthError,
    requests.RequestException,
    grpc.RpcError,
    concurrent.futures.TimeoutError,
    ConnectionError,
)
LOST: Final = (
    exceptions.TooManyRequests,
    exceptions.InternalServerError,
    exceptions.BadGateway,
    exceptions.ServiceUnavailable,
    exceptions.GatewayTimeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    ConnectionError,
    TransportError,
)
"""The request may or may not have arrived; BigQuery is asked again under the same job id."""
AGAIN: Final = frozenset({"rateLimitExceeded", "backendError", "internalError", "badGateway", "jobRateLimitExceeded"})
CROWDED: Final = frozenset({"rateLimitExceeded", "jobRateLimitExceeded", "jobBackendError", "jobInternalError", "tableUnavailable"})
"""What failed so neither began nor left anything; the same again, as a new job, is right."""
# The last is the emulator's, which knows no other word for a transaction that came too late.
CROWDED_WORDS: Final = re.compile(
    r"could not serialize access|due to concurrent update|transaction is aborted due to|too many DML statements|concurrent transactions?"
    r"|too many .*(update|change) operations|DML statement has been queued for too long|failed to commit DuckLake transaction",
    re.IGNORECASE,
)
UNKNOWN_FUNCTION: Final = re.compile(r"function not found: ?(?P<name>\S*)", re.IGNORECASE)
REQUEST: Final = re.compile(r"^\d{3} (GET|POST|PUT|PATCH|DELETE) \S+: ")
IDENTIFIED: Final = re.compile(r"; reason: [\s\S]*$|\n\s*Location: [\s\S]*$|\n\s*Job ID: [\s\S]*$")

ROLES: Final = (
    "the platform's account (or the one ORG_SERVICE_ACCOUNT names) lacks a right: it needs roles/bigquery.jobUser on GCP_PROJECT_ID and "
    "roles/bigquery.dataEditor on the dataset, roles/bigquery.user on the project to make datasets, and roles/bigquery.readSessionUser "
    "to read in bulk"
)
CREDENTIALS: Final = (
    "Google gave no token; look at GOOGLE_APPLICATION_CREDENTIALS, and where ORG_SERVICE_ACCOUNT is set grant the platform's account "
    "roles/iam.serviceAccountTokenCreator on it"
)


def is_lost(error: BaseException) -> bool:
    """Whether asking again may help and can do no harm, the job's id being the same."""
    reason = reason_of(error)
    return reason in AGAIN or (not reason and isinstance(error, LOST)) or isinstance(error, requests.exceptions.ConnectionError)


def reason_of(error: BaseException) -> str:
    told = error.errors if isinstance(error, exceptions.GoogleAPICallError) else ()
    first = told[0] if told else None
    return str(first.get("reason") or "") if isinstance(first, dict) else ""


def said_of(error: BaseException) -> str:
    """BigQuery's own sentence, without the request's address and the job's id that Google's client puts around it."""
    if isinstance(error, exceptions.GoogleAPICallError):
        told = error.errors[0] if error.errors else None
        message = told.get("message") if isinstance(told, dict) else None
        text = str(message or error.message or "")
    else:
        text = str(error)
    return IDENTIFIED.sub("", REQUEST.sub("", text)).strip()[:SENTENCE]


Maker = Callable[[str], Fault]


def _billed(said: str) -> Fault:
    return Rejected(f"BigQuery would scan more than BIGQUERY_MAXIMUM_BYTES_BILLED allows; ask for fewer days, or raise it: {said}")


def _quota(said: str) -> Fault:
    return Throttled(f"a quota of BigQuery in GCP_PROJECT_ID is used up; wait, or ask Google for more: {said}", retry_after=QUOTA_SECONDS)


def _rate(said: str) -> Fault:
    return Throttled(f"BigQuery does not take this now; run it again: {said}", retry_after=RETRY_SECONDS)


def _again(said: str) -> Fault:
    return Unavailable(f"BigQuery failed within itself; run this again: {said}")


def _billing(said: str) -> Fault:
    return Misconfigured(f"GCP_PROJECT_ID has no active billing account; attach one in the Google Cloud console: {said}")


REASONS: Final[dict[str, Maker]] = {
    "accessDenied": lambda said: Misconfigured(f"{ROLES}. BigQuery says: {said}"),
    "notFound": Missing,
    "invalidQuery": Rejected,
    "invalid": Rejected,
    "duplicate": Rejected,
    "conditionNotMet": lambda said: Throttled(f"another change came first; run this again: {said}", retry_after=RETRY_SECONDS),
    "notImplemented": Rejected,
    **dict.fromkeys(CROWDED, _rate),
    "quotaExceeded": _quota,
    "billingNotEnabled": _billing,
    "billingTierLimitExceeded": _billed,
    "bytesBilledLimitExceeded": _billed,
    "responseTooLarge": lambda said: TooLarge(f"the answer is larger than BigQuery gives at once; ask for fewer days: {said}"),
    "resourcesExceeded": lambda said: TooLarge(f"the statement needs more than BigQuery gives one; ask for fewer days: {said}"),
    "resourceInUse": lambda said: Throttled(f"what is to be changed is in use; run this again: {said}", retry_after=RETRY_SECONDS),
    "stopped": lambda said: Timeout(f"BigQuery stopped the job, by hand or after BIGQUERY_JOB_SECONDS; run it again: {said}"),
    "timeout": lambda said: Timeout(f"the job took longer than BIGQUERY_JOB_SECONDS: {said}"),
    "backendError": _again,
    "internalError": _again,
}


def fault_of(error: BaseException) -> Fault:
    if isinstance(error, exceptions.RetryError) and error.cause:
        return fault_of(error.cause)
    return _of_the_wire(error) or _of_the_text(said_of(error)) or _of_the_reason(error)


def _of_the_wire(error: BaseException) -> Fault | None:
    if isinstance(error, exceptions.RetryError | concurrent.futures.TimeoutError):
        return Unavailable("BigQuery did not answer in time; run this again")
    if isinstance(error, TransportError | requests.RequestException | ConnectionError):
        return Unavailable("BigQuery cannot be reached; look at the network and at PLATFORM_BIGQUERY_URL, and run this again")
    if isinstance(error, GoogleAuthError):
        return Misconfigured(f"{CREDENTIALS}: {said_of(error)}")
    return None


def _of_the_text(said: str) -> Fault | None:
    """Where several failures share one reason, `invalidQuery` above all, and only the sentence tells them apart."""
    lowered = said.lower()
    if CROWDED_WORDS.search(said):
        return Throttled(f"other changes came first; run this again: {said}", retry_after=RETRY_SECONDS)
    if "bytes billed" in lowered and "limit" in lowered:
        return _billed(said)
    if "job timed out" in lowered:
        return REASONS["timeout"](said)
    unknown = UNKNOWN_FUNCTION.search(said)
    return Rejected(f"the function {unknown['name']} is not known") if unknown else None


def _of_the_reason(error: BaseException) -> Fault:
    maker = REASONS.get(reason_of(error))
    return maker(said_of(error)) if maker else _by_class(error, said_of(error))


def _by_class(error: BaseException, said: str) -> Fault:
    """For gRPC, and for errors whose reason is none of those documented."""
    kinds: tuple[tuple[tuple[type[BaseException], ...], Maker], ...] = (
        ((exceptions.Forbidden, exceptions.PermissionDenied), REASONS["accessDenied"]),
        ((exceptions.Unauthorized,), lambda text: Misconfigured(f"{CREDENTIALS}: {text}")),
        ((exceptions.NotFound,), Missing),
        ((exceptions.TooManyRequests, exceptions.ResourceExhausted), _rate),
        ((exceptions.PreconditionFailed,), REASONS["conditionNotMet"]),
        ((exceptions.GatewayTimeout, exceptions.DeadlineExceeded), lambda text: Timeout(f"BigQuery did not answer in time: {text}")),
        ((exceptions.ServerError,), _again),
        ((exceptions.ClientError,), Rejected),
    )
    for classes, maker in kinds:
        if isinstance(error, classes):
            return maker(said)
    return Unavailable("BigQuery did not answer as it should; run this again")


@contextmanager
def told() -> Iterator[None]:
    """What Google's client raises in the block leaves it as a fault."""
    try:
        yield
    except RAISED as error:
        raise fault_of(error) from error
