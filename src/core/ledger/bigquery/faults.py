"""What BigQuery's errors mean to a caller, and what mends them."""

import re
from dataclasses import dataclass

import requests.exceptions
from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError

from src.core.base.faults import Fault, Misconfigured, Throttled, Timeout, Unavailable
from src.core.google.errors import CROWDED, CROWDED_WORDS, reason_of, said_of

# All that Google's client raises of its own accord.
BigQueryErrors = (GoogleAPICallError, RetryError, GoogleAuthError, requests.exceptions.RequestException, ConnectionError, TimeoutError)

CROWD_SECONDS = 5.0
QUOTA_SECONDS = 60.0

# Whether it began is not known.
BROKEN = frozenset({"backendError", "internalError", "badGateway", "dontRetry"})
SERVER_ERROR = 500
TOO_OFTEN = 429
NOT_THERE = re.compile(
    r"unrecognized name|not found: (table|dataset)|no (such )?column|does not have a column|is not present in table|not found inside",
    re.IGNORECASE,
)

NOT_BOOTSTRAPPED = (
    "the management tables are not there, or older than this release; create them: POST /api/v1/admin/bootstrap "
    "(or LEDGER_URL, GCP_PROJECT_ID or BIGQUERY_LOCATION name another place than the one they are in). "
    "If they were there before, the ledger is lost: undelete its dataset within seven days (UNDROP SCHEMA), or restore its tables"
)
CROWD = "BigQuery has more changes of the ledger waiting than it takes; retry in a moment"
QUOTA = "a quota of BigQuery is used up; retry later, or raise it at IAM & Admin > Quotas of the project GCP_PROJECT_ID names"
DENIED = (
    "the platform's account may not use the ledger in BigQuery: grant it roles/bigquery.jobUser on the project and "
    "roles/bigquery.dataEditor on the dataset that LEDGER_URL names (roles/bigquery.user on the project, to create it)"
)
NO_ACCOUNT = "GOOGLE_APPLICATION_CREDENTIALS: Google does not accept the platform's account; name a key file that is valid, or attach one"
TOO_DEAR = "a statement of the ledger needs to scan more than BIGQUERY_MAXIMUM_BYTES_BILLED allows; raise it"
TOO_LONG = "a statement of the ledger took longer than BIGQUERY_JOB_SECONDS; retry, or raise it"
NO_BILLING = "the project that GCP_PROJECT_ID names has no billing, without which BigQuery changes no tables; link a billing account to it"
SILENT = "BigQuery did not answer the ledger; retry in a moment (PLATFORM_BIGQUERY_URL says where it is asked)"

TIMED_OUT = re.compile(r"job timed out|job execution was cancelled", re.IGNORECASE)
MENDS = {
    "bytesBilledLimitExceeded": TOO_DEAR,
    "billingNotEnabled": NO_BILLING,
    "accessDenied": DENIED,
    "forbidden": DENIED,
    "authError": NO_ACCOUNT,
    "required": NO_ACCOUNT,
}
MENDING_WORDS = ((NOT_THERE, NOT_BOOTSTRAPPED), (re.compile("limit for bytes billed"), TOO_DEAR))


@dataclass(frozen=True, slots=True)
class BigQueryRefusal:
    reason: str
    message: str
    status: int | None

    @property
    def crowded(self) -> bool:
        """Nothing was done, and the same may be done in a moment."""
        return self.reason in CROWDED or self.status == TOO_OFTEN or CROWDED_WORDS.search(self.message) is not None

    @property
    def broken(self) -> bool:
        """Whether it was done has to be looked up."""
        return not self.crowded and (self.reason in BROKEN or (self.status or 0) >= SERVER_ERROR)


def refusal_in(wrong: BaseException) -> BigQueryRefusal:
    if isinstance(wrong, RetryError) and wrong.cause is not None:
        return refusal_in(wrong.cause)
    if isinstance(wrong, GoogleAPICallError):
        return BigQueryRefusal(reason_of(wrong), said_of(wrong), int(wrong.code) if wrong.code else None)
    if isinstance(wrong, GoogleAuthError) and not isinstance(wrong, TransportError):
        return BigQueryRefusal("authError", str(wrong), None)
    return BigQueryRefusal("backendError", str(wrong), None)


def fault_of(wrong: BaseException) -> Fault | None:
    """None for what no caller can mend: a mistake in our own statements."""
    if isinstance(wrong, RefreshError):
        return Misconfigured(NO_ACCOUNT)
    said = refusal_in(wrong)
    if said.crowded:
        return Throttled(CROWD, retry_after=CROWD_SECONDS)
    if said.broken:
        return Unavailable(SILENT, retry_after=CROWD_SECONDS)
    return _lasting(said)


def _lasting(said: BigQueryRefusal) -> Fault | None:
    if said.reason in ("quotaExceeded", "resourcesExceeded"):
        return Throttled(QUOTA, retry_after=QUOTA_SECONDS)
    if said.reason == "timeout" or TIMED_OUT.search(said.message):
        return Timeout(TOO_LONG)
    mend = MENDS.get(said.reason) or next((mend for words, mend in MENDING_WORDS if words.search(said.message)), None)
    return Misconfigured(mend) if mend else None
