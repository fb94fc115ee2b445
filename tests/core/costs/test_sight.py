from datetime import UTC, date, datetime
from types import SimpleNamespace

from src.core.base.window import Window
from src.core.costs.sight import CredentialSight, SeenDays, UnreadSource

READ, STORED = datetime(2026, 11, 12, tzinfo=UTC), datetime(2026, 11, 19, tzinfo=UTC)
READ_THEN = {"provider": "gcp", "first_day": date(2026, 10, 1), "read_at": READ}
OCTOBER = SeenDays([Window(date(2026, 10, 1), date(2026, 10, 31))], date(2026, 11, 20))


def test_an_invoice_that_an_earlier_release_judged_is_not_whole_beside_a_new_credential():
    record = SimpleNamespace(credential_name="second", created_at=STORED)
    sight = CredentialSight({"gcp": [UnreadSource("proj.ds.other", record)]})  # type: ignore[arg-type]
    invoice = {"provider": "gcp", "completeness": "complete", "completeness_reason": None}

    # a summary tells of when it was read as `spans`, a bridge as `reads`
    for column in ("spans", "reads"):
        [found] = sight.seen({"invoices": [invoice], column: [{**READ_THEN}]}, OCTOBER)["invoices"]
        assert found["completeness"] == "partial"
