from datetime import UTC, datetime
from types import SimpleNamespace

from src.core.costs.sight import CredentialSight
from src.core.step.counted import OpenedSource

READ, STORED = datetime(2026, 11, 12, tzinfo=UTC), datetime(2026, 11, 19, tzinfo=UTC)


def test_an_invoice_that_an_earlier_release_judged_is_not_whole_beside_a_new_credential():
    record = SimpleNamespace(credential_name="second", created_at=STORED)
    sight = CredentialSight({"gcp": [OpenedSource("proj.ds.other", "B", record)]})  # type: ignore[arg-type]
    invoice = {"provider": "gcp", "completeness": "complete", "completeness_reason": None}

    # a summary tells of when it was read as `spans`, a bridge as `reads`
    for column in ("spans", "reads"):
        [found] = sight.seen({"invoices": [invoice], column: [{"provider": "gcp", "read_at": READ}]})["invoices"]
        assert found["completeness"] == "partial"
