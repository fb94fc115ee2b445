"""What BigQuery says to an organisation's own account, and what its owner does about it."""

import concurrent.futures
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import requests
from google.api_core import exceptions
from google.auth.exceptions import RefreshError, TransportError

from src.core.base.faults import CredentialRefused, Fault, Misconfigured, Missing, Rejected, StepFailed, Throttled, Timeout, Unavailable
from src.core.engine.reader.port import RemoteTable
from src.core.google.errors import RAISED, reason_of, said_of

QUOTA_SECONDS: Final = 60.0
SLOW_DOWN: Final = frozenset({"rateLimitExceeded", "quotaExceeded", "jobRateLimitExceeded", "userRateLimitExceeded"})
BROKEN: Final = frozenset({"backendError", "internalError"})
VALIDATE: Final = "POST .../integrations/{org}/gcp/validate looks for its tables again"


@dataclass(frozen=True, slots=True)
class Reading:
    """Who reads what: a table, or what a query names. `project` is the one that the account works in."""

    account: str
    table: RemoteTable | None
    project: str

    @property
    def what(self) -> str:
        return str(self.table) if self.table else "what source_query names"

    @property
    def datasets(self) -> str:
        return f"the dataset {self.table.project}.{self.table.dataset}" if self.table else "every dataset that source_query names"


@contextmanager
def as_reading_faults(reading: Reading) -> Iterator[None]:
    """What Google's client raises in the block leaves it as a fault."""
    try:
        yield
    except RAISED as error:
        raise fault_of(error, reading) from error


def fault_of(error: BaseException, reading: Reading) -> Fault:
    said, reason = said_of(error), reason_of(error)
    if isinstance(error, TransportError | requests.RequestException | ConnectionError):
        return Unavailable("BigQuery cannot be reached; see that this service reaches BIGQUERY_URL, BIGQUERY_STORAGE_URL and GCP_TOKEN_URL")
    if isinstance(error, RefreshError):
        return _no_token(error, reading.account, said)
    if reason in SLOW_DOWN or isinstance(error, exceptions.TooManyRequests):
        return Throttled(f"project {reading.project} has used up a quota of BigQuery: {said}", retry_after=QUOTA_SECONDS)
    # before ServerError, which a deadline is too
    if isinstance(error, exceptions.DeadlineExceeded | exceptions.RetryError | concurrent.futures.TimeoutError):
        return Timeout(f"BigQuery did not give {reading.what} within BIGQUERY_JOB_SECONDS")
    if reason in BROKEN or isinstance(error, exceptions.ServerError):
        return Unavailable(f"BigQuery failed within itself at {reading.what}: {said}")
    return _refusal(error, reason, said, reading)


def _no_token(error: RefreshError, account: str, said: str) -> Fault:
    # Google's library says so of a token endpoint in trouble; a key that was deleted or disabled is refused for good
    if error.retryable:
        return Unavailable(f"GCP_TOKEN_URL gave no token for {account}: {said}")
    if "in a reasonable timeframe" in said:
        return Misconfigured(f"this machine's clock is wrong, and Google gives no token to {account}: {said}. Set it right")
    return CredentialRefused(
        f"Google refuses this key of {account}: {said}. See in IAM & Admin > Service Accounts that account and key are enabled and the key "
        "was not deleted, and that this machine's clock is right; else make a new key"
    )


def _refusal(error: BaseException, reason: str, said: str, reading: Reading) -> Fault:
    account, project = reading.account, reading.project
    if reason == "accessNotConfigured" or "has not been used in project" in said:
        return Rejected(f"the BigQuery API, or the BigQuery Storage API, is off in project {project}; enable both there: {said}")
    if reason == "bytesBilledLimitExceeded":
        return Rejected(f"BigQuery would scan more than BIGQUERY_MAXIMUM_BYTES_BILLED for {reading.what}; raise it: {said}")
    if isinstance(error, exceptions.Unauthorized):
        return CredentialRefused(f"Google does not let {account} in: {said}. Make a new key of it")
    if reason == "accessDenied" or isinstance(error, exceptions.Forbidden):
        # a query may name what nobody has granted, and other refusals are of the project's bill
        lost = reason == "accessDenied" and reading.table is not None
        return (CredentialRefused if lost else Rejected)(
            f"{account} may not read {reading.what}: {_role(said, reading)}. BigQuery says: {said}"
        )
    if reason == "notFound" or isinstance(error, exceptions.NotFound):
        return _absent(said, reading.table)
    # the question about a table is ours, and what is wrong with it is too
    refused = StepFailed(f"BigQuery refused a question about {reading.table}: {said}")
    return refused if reading.table else Misconfigured(f"BigQuery refuses source_query: {said}")


def _role(said: str, reading: Reading) -> str:
    lowered, project = said.lower(), reading.project
    if "readsessions" in lowered:
        return f"grant it roles/bigquery.readSessionUser in project {project}"
    if "jobs.create" in lowered:
        return f"grant it roles/bigquery.jobUser in project {project}"
    if "tables." in lowered or "table " in lowered or "dataset " in lowered:
        return f"grant it roles/bigquery.dataViewer on {reading.datasets}"
    return (
        f"it needs roles/bigquery.dataViewer on {reading.datasets}, and roles/bigquery.jobUser and "
        f"roles/bigquery.readSessionUser in project {project}"
    )


def _absent(said: str, table: RemoteTable | None) -> Fault:
    if table is None:
        return Missing(f"source_query names what is not there, or lies in another location than the rest of it: {said}")
    if "in location" in said:
        return Missing(f"{table} is not where its dataset was when it was looked at; {VALIDATE}. BigQuery says: {said}")
    return Missing(f"there is no table {table}; was the export switched to another dataset? {VALIDATE}")
