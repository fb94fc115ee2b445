"""What BigQuery says, in the words of the fault tree: by what the caller does next, with what mends it."""

import concurrent.futures
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import requests
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError, TransportError

from src.core.base.faults import Fault, Misconfigured, Missing, Rejected, Throttled, Timeout, TooLarge, Unavailable
from src.core.google.errors import CROWDED, CROWDED_WORDS, RAISED, reason_of, said_of

RETRY_SECONDS: Final = 2.0
QUOTA_SECONDS: Final = 60.0
UNKNOWN_FUNCTION: Final = re.compile(r"function not found: ?(?P<name>\S*)", re.IGNORECASE)
ROLES: Final = (
    "the platform's account (or the one ORG_SERVICE_ACCOUNT names) lacks a right: it needs roles/bigquery.jobUser on GCP_PROJECT_ID and "
    "roles/bigquery.dataEditor on the dataset, roles/bigquery.user on the project to make datasets, and roles/bigquery.readSessionUser "
    "to read in bulk"
)
CREDENTIALS: Final = (
    "Google gave no token; look at GOOGLE_APPLICATION_CREDENTIALS, and where ORG_SERVICE_ACCOUNT is set grant the platform's account "
    "roles/iam.serviceAccountTokenCreator on it"
)


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
    # the account is the platform's: its operator mends this, whoever called
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


def lost_dataset(project: str, dataset: str) -> Fault:
    """It is made before its organisation stands in the ledger, and dropped before the organisation leaves it."""
    return Misconfigured(
        f"the dataset {dataset} is lost: BigQuery has no {project}.{dataset}. Within seven days of its deletion undelete it (UNDROP SCHEMA "
        f"`{project}.{dataset}`), later restore its tables from their snapshots; or let GCP_PROJECT_ID and ENVIRONMENT name what it was "
        "made with. An organisation that was just off-boarded has none and needs none"
    )


def fault_of(error: BaseException) -> Fault:
    if isinstance(error, exceptions.RetryError) and error.cause:
        # by what stood in the way, not by the time that ran out meanwhile
        return fault_of(error.cause)
    return _of_the_wire(error) or _of_the_text(said_of(error)) or _of_the_reason(error)


def _of_the_wire(error: BaseException) -> Fault | None:
    if isinstance(error, exceptions.RetryError | concurrent.futures.TimeoutError):
        return Unavailable("BigQuery did not answer in time; run this again")
    # before GoogleAuthError, which a TransportError is too: who was not reached has refused nobody
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
def as_faults() -> Iterator[None]:
    """What Google's client raises in the block leaves it as a fault."""
    try:
        yield
    except RAISED as error:
        raise fault_of(error) from error
