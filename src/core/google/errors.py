"""What Google's clients raise, whoever calls them: which errors, for which reason, in BigQuery's own words.

What it means to a caller is said where the caller is: by the warehouse, by the ledger, by who reads a customer's tables.
"""

import concurrent.futures
import re
from typing import Final

import grpc
import requests
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError, TransportError

SENTENCE: Final = 300
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
REQUEST: Final = re.compile(r"^\d{3} (GET|POST|PUT|PATCH|DELETE) \S+: ")
IDENTIFIED: Final = re.compile(r"; reason: [\s\S]*$|\n\s*Location: [\s\S]*$|\n\s*Job ID: [\s\S]*$")


def is_lost(error: BaseException) -> bool:
    """Whether asking again may help and can do no harm, the job's id being the same."""
    reason = reason_of(error)
    # a reason counts before the status: 403 stands for too many at once and for a quota that is used up
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
