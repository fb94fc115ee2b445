from datetime import UTC, datetime

import pytest

from src.core.base.faults import CredentialRefused, Fault, Missing, Rejected, StepFailed, Throttled, Unavailable
from src.core.providers.http.client import HttpAnswer
from src.core.providers.http.statuses import Refusals

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ACME = Refusals(
    "Acme",
    needs="The key needs the right to read usage",
    slow_down=frozenset({"ThrottlingException"}),
    mends={"insufficient_quota": "Settle the account's bill at Acme", "closed": "Acme is closed here"},
    elsewhere=frozenset({"closed"}),
)

TABLE: list[tuple[int, str | None, type[Fault], str]] = [
    (401, None, CredentialRefused, "Acme answered 401 to usage: said. The key needs the right to read usage"),
    (403, None, CredentialRefused, "Acme answered 403 to usage: said. The key needs the right to read usage"),
    (403, "insufficient_quota", CredentialRefused, "Acme answered 403 to usage: said. Settle the account's bill at Acme"),
    (403, "closed", Rejected, "Acme answered 403 to usage: said. Acme is closed here"),
    (404, None, Missing, "Acme answered 404 to usage: said"),
    (429, None, Throttled, "Acme answered 429 to usage: said"),
    (429, "insufficient_quota", Rejected, "Acme answered 429 to usage: said. Settle the account's bill at Acme"),
    (400, "ThrottlingException", Throttled, "Acme answered 400 to usage: said"),
    (403, "ThrottlingException", Throttled, "Acme answered 403 to usage: said"),
    *((status, None, Unavailable, f"Acme answered {status} to usage: said") for status in (408, 500, 502, 503, 504, 529)),
    *((status, None, StepFailed, f"Acme answered {status} to usage: said") for status in (302, 400, 405, 418, 501)),
]


@pytest.mark.parametrize(("status", "reason", "kind", "told"), TABLE)
def test_a_status_means_the_same_of_every_provider(status: int, reason: str | None, kind: type[Fault], told: str):
    fault = ACME.fault(HttpAnswer(status, {"retry-after": "9"}, {}), NOW, "usage", said="said", reason=reason)

    assert type(fault) is kind
    assert fault.detail == told
    assert fault.retry_after == (9.0 if fault.retry else None)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_that_is_no_json_is_another_s_and_refuses_no_credential(status: int):
    fault = ACME.fault(HttpAnswer(status, {}, None), NOW, "usage")

    assert type(fault) is Unavailable
    assert "says nothing of the credential" in fault.detail
