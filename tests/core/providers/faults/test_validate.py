"""Every fault met by the call that asks about a credential: what is told, and how the credential stands."""

import pytest

from src.core.base.settings import ROOT
from src.core.providers.directory import known_providers
from tests.core.providers.faults.conftest import HASTY_SECONDS, Faulty
from tests.core.providers.faults.drives import DRIVES, Drive
from tests.core.providers.faults.table import BY_NAME, LONG_WAIT, WireFault
from tests.fakes.spoiling_proxy import SpoilRule

CASES = [(drive, row) for drive in DRIVES for row in drive.rows if row.validate]


def test_every_provider_that_is_served_is_driven_through_the_table():
    served = {one.name for one in known_providers(ROOT / "configs").by_name.values() if one.served}

    assert {drive.provider for drive in DRIVES} == served
    assert {name for drive in DRIVES for name in {*drive.cannot, *drive.otherwise}} <= BY_NAME.keys()


@pytest.mark.parametrize(("drive", "row"), [pytest.param(*one, id=f"{one[0].provider}-{one[1].name}") for one in CASES])
def test_what_validate_meets_is_told_and_written_down(faulty: Faulty, drive: Drive, row: WireFault):
    acme, provider = faulty.acme, drive.provider
    faulty.connected(provider, drive.credential)
    assert faulty.run(acme.ask("POST", f"integrations/{{org}}/{provider}/validate")).json()["validation_status"] == "VALID"
    before = faulty.stands(provider)

    faulty.slept.clear()
    if row.hasty:
        faulty.patience(HASTY_SECONDS)
    with faulty.proxy.spoiling(SpoilRule(drive.asked, drive.spoils(row))) as rule:
        answer = faulty.run(acme.ask("POST", f"integrations/{{org}}/{provider}/validate"))
    faulty.patience(30)

    assert rule.sent
    if row.fault is None or row.validate == "INVALID":
        assert answer.status_code == 200
    else:
        assert (answer.status_code, row.says in answer.json()["detail"]) == (row.fault.status, True), answer.text
    # two attempts, as the document says
    assert len(faulty.slept) == row.retried
    if "Retry-After" in row.name:
        assert faulty.slept == [LONG_WAIT]
    after = faulty.stands(provider)
    assert after["validation_status"] == row.validate
    assert (after["validation_error"] is not None) == (row.validate != "VALID")
    assert row.validate == "VALID" or row.says in after["validation_error"]
    assert (after["credential_fingerprint"], after["subject"]) == (before["credential_fingerprint"], before["subject"])
