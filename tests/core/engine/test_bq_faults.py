import concurrent.futures

import pytest
import requests
from google.api_core import exceptions
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError

from src.core.base.faults import Misconfigured, Missing, Rejected, Throttled, Timeout, TooLarge, Unavailable
from src.core.engine.bigquery.faults import as_faults, fault_of
from src.core.google.errors import is_lost


def answered(status: int, reason: str, message: str) -> exceptions.GoogleAPICallError:
    told_as = [{"reason": reason, "message": message}]
    error: exceptions.GoogleAPICallError = exceptions.from_http_status(status, f"POST https://x/jobs: {message}", errors=told_as)
    return error


@pytest.mark.parametrize(
    ("status", "reason", "message", "fault", "said"),
    [
        (403, "accessDenied", "Access Denied: Dataset p:d", Misconfigured, r"roles/bigquery\.dataEditor.*Dataset p:d"),
        (404, "notFound", "Not found: Table p:d.t", Missing, "Table p:d.t"),
        (400, "invalidQuery", "Unrecognized name: price at [1:8]", Rejected, r"price at \[1:8\]"),
        (400, "invalidQuery", "Function not found: NOPE at [1:8]", Rejected, "function NOPE is not known"),
        (403, "rateLimitExceeded", "Exceeded rate limits", Throttled, "does not take this now"),
        (403, "quotaExceeded", "Quota exceeded: your project", Throttled, "GCP_PROJECT_ID"),
        (400, "bytesBilledLimitExceeded", "Query exceeded limit for bytes billed: 10", Rejected, "BIGQUERY_MAXIMUM_BYTES_BILLED"),
        (500, "invalidQuery", "Query exceeded limit for bytes billed: 10", Rejected, "BIGQUERY_MAXIMUM_BYTES_BILLED"),
        (403, "responseTooLarge", "Response too large to return", TooLarge, "fewer days"),
        (400, "resourcesExceeded", "Resources exceeded during query execution", TooLarge, "fewer days"),
        (503, "backendError", "Error encountered", Unavailable, "run this again"),
        (500, "internalError", "An internal error", Unavailable, "run this again"),
        (400, "stopped", "Job execution was cancelled: User requested", Timeout, "BIGQUERY_JOB_SECONDS"),
        (400, "stopped", "Job execution was cancelled: Job timed out after 900s", Timeout, "BIGQUERY_JOB_SECONDS"),
        (400, "invalidQuery", "Could not serialize access to table p:d.t due to concurrent update", Throttled, "came first"),
        (400, "invalidQuery", "Transaction is aborted due to concurrent update against table p:d.t", Throttled, "came first"),
        (400, "invalidQuery", "Resources exceeded: Too many DML statements outstanding against table", Throttled, "came first"),
        (400, "invalidQuery", "DML statement has been queued for too long", Throttled, "came first"),
        (400, "invalidQuery", "Too many concurrent transactions", Throttled, "came first"),
        (400, "tableUnavailable", "The table is temporarily unavailable", Throttled, "does not take this now"),
        (400, "jobBackendError", "The job failed within BigQuery", Throttled, "does not take this now"),
        (412, "conditionNotMet", "Precondition check failed.", Throttled, "came first"),
        (403, "billingNotEnabled", "Billing has not been enabled", Misconfigured, "billing account"),
        (401, "", "Request had invalid authentication credentials", Misconfigured, "GOOGLE_APPLICATION_CREDENTIALS"),
        (400, "teapot", "I am new here", Rejected, "I am new here"),
    ],
)
def test_what_bigquery_says_is_told_by_what_to_do_next(status, reason, message, fault, said):
    found = fault_of(answered(status, reason, message))
    assert type(found) is fault
    with pytest.raises(fault, match=said):
        raise found
    assert "https://" not in found.detail


@pytest.mark.parametrize(
    ("error", "fault", "said"),
    [
        (DefaultCredentialsError("no file"), Misconfigured, "GOOGLE_APPLICATION_CREDENTIALS"),
        (RefreshError("iam: denied"), Misconfigured, "serviceAccountTokenCreator"),
        (TransportError("down"), Unavailable, "PLATFORM_BIGQUERY_URL"),
        (requests.exceptions.ConnectionError("refused"), Unavailable, "PLATFORM_BIGQUERY_URL"),
        (concurrent.futures.TimeoutError(), Unavailable, "in time"),
        (exceptions.RetryError("late", answered(503, "backendError", "again")), Unavailable, "failed within itself"),
        (exceptions.PermissionDenied("read sessions"), Misconfigured, "readSessionUser"),
        (exceptions.ResourceExhausted("slow"), Throttled, "slow"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_client_and_the_wire_say_is_told_too(error, fault, said):
    with pytest.raises(fault, match=said), as_faults():
        raise error


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (requests.exceptions.ConnectionError("reset"), True),
        (requests.exceptions.ReadTimeout("late"), True),
        (answered(503, "backendError", "x"), True),
        (answered(403, "rateLimitExceeded", "x"), True),
        (exceptions.ServiceUnavailable("grpc"), True),
        (answered(403, "quotaExceeded", "x"), False),
        (answered(400, "invalidQuery", "x"), False),
        (answered(409, "duplicate", "x"), False),
        (RefreshError("x"), False),
    ],
    ids=repr,
)
def test_only_what_may_help_and_do_no_harm_is_asked_again(error, lost):
    assert is_lost(error) is lost
