"""What a refusal of Google's means: its words, its reasons, and the roles that an account needs."""

from collections.abc import Mapping
from datetime import datetime

from src.core.base.faults import Fault
from src.core.providers.http.client import HttpAnswer, words
from src.core.providers.http.statuses import Refusals

SLOW_DOWN = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"})
ROLES = (
    "roles/bigquery.dataViewer on the dataset of the export, and roles/bigquery.jobUser and roles/bigquery.readSessionUser in the project "
    "that runs queries"
)
REFUSALS = Refusals(
    "Google",
    needs=f"The service account needs {ROLES}",
    slow_down=SLOW_DOWN,
    mends={"accessNotConfigured": "Enable the BigQuery API in that project"},
    elsewhere=frozenset({"accessNotConfigured"}),
)


def refusal(answer: HttpAnswer, now: datetime, asked: str) -> Fault:
    said, reason = error_of(answer.body)
    return REFUSALS.fault(answer, now, asked, said=said, reason=reason)


def error_of(body: object) -> tuple[str, str | None]:
    """Google's words and its reason, from either of the shapes it uses."""
    error = body.get("error") if isinstance(body, Mapping) else None
    if isinstance(error, str):
        return words(text_at(body, "error_description") or error), None
    if not isinstance(error, Mapping):
        return "", None
    listed = error.get("errors")
    first = listed[0] if isinstance(listed, list) and listed else {}
    return words(error.get("message") or ""), text_at(first, "reason")


def text_at(body: object, name: str) -> str | None:
    value = body.get(name) if isinstance(body, Mapping) else None
    return value if isinstance(value, str) else None
