from datetime import UTC, date, datetime
from types import SimpleNamespace

from src.core.base.window import Window
from src.core.costs.sight import CredentialSight, SeenDays, UnreadSource
from src.core.step.books.reasons import Remedy

READ, STORED = datetime(2026, 11, 12, tzinfo=UTC), datetime(2026, 11, 19, tzinfo=UTC)
READ_THEN = {"provider": "gcp", "first_day": date(2026, 10, 1), "read_at": READ}
OCTOBER = SeenDays([Window(date(2026, 10, 1), date(2026, 10, 31))], date(2026, 11, 20))


def test_an_invoice_that_an_earlier_release_judged_is_not_whole_beside_a_new_credential():
    record = SimpleNamespace(credential_name="second", created_at=STORED, org_slug="acme", provider="gcp")
    remedies = {"gcp": Remedy("acme", "gcp/cost/billing")}
    sight = CredentialSight({"gcp": [UnreadSource("proj.ds.other", record)]}, remedies=remedies)  # type: ignore[arg-type]
    invoice = {"provider": "gcp", "completeness": "complete", "completeness_reason": None}

    # a summary tells of when it was read as `spans`, a bridge as `reads`
    for column in ("spans", "reads"):
        [found] = sight.seen({"invoices": [invoice], column: [{**READ_THEN}]}, OCTOBER)["invoices"]
        assert found["completeness"] == "partial"
    assert found["completeness_reason"].endswith(
        "; run the pipeline from 2026-10-01 to 2026-10-31: POST /api/v1/pipelines/run/acme/gcp/cost/billing "
        '{"start_date": "2026-10-01", "end_date": "2026-10-31", "credential_name": "second"}'
    )
    # of a month that goes on a run reads the days so far, and of what nobody has asked the provider is asked first
    unasked = CredentialSight({"gcp": [UnreadSource(None, record)]}, remedies=remedies)  # type: ignore[arg-type]
    [found] = unasked.seen({"invoices": [{**invoice, "invoice_month": "202611"}], "spans": [{**READ_THEN}]}, OCTOBER)["invoices"]
    asked = "POST /api/v1/integrations/acme/gcp/validate?credential_name=second, then run the pipeline from 2026-11-01 to 2026-11-20: "
    assert asked in found["completeness_reason"]
