"""Every row of the table, met at every provider that is asked over HTTP. One test for all rows: what starts is started once."""

import pytest

from src.core.base.settings import ROOT
from src.core.providers.directory import known_providers
from tests.core.providers.faults.conftest import Faulty
from tests.core.providers.faults.drives import DRIVES, Drive
from tests.core.providers.faults.met import Met, failed, run, said_of, set_up
from tests.core.providers.faults.table import BY_NAME
from tests.fakes.spoiling_proxy import SpoilRule

GCP = DRIVES[1]


def test_every_provider_that_is_served_is_driven_through_the_table():
    served = {one.name for one in known_providers(ROOT / "configs").by_name.values() if one.served}

    assert {drive.provider for drive in DRIVES} == served
    assert {name for drive in DRIVES for name in drive.cannot} <= BY_NAME.keys()


@pytest.mark.parametrize("drive", DRIVES, ids=[drive.provider for drive in DRIVES])
def test_what_validate_meets_is_told_and_written_down(faulty: Faulty, drive: Drive):
    seen, expected = {}, {}
    for row in (row for row in drive.rows if row.validate):
        set_up(faulty, drive)
        with faulty.meeting(row, SpoilRule(drive.asked, drive.spoils(row))):
            _, answer = faulty.validate(drive)
        status, error = faulty.stands(drive)
        refused = row.validate == "INVALID"
        code = None if refused or row.fault is None else f"/problems#{row.fault.code}"
        said = str(answer.get("detail") or answer.get("validation_error") or "")
        seen[row.name] = Met(said, answer.get("type"), bool(faulty.slept), status, error)
        written = said if row.validate in ("INVALID", "UNREACHABLE") else None
        expected[row.name] = Met(said_of(row, said), code, row.retried, str(row.validate), written)

    assert seen == expected


def test_a_run_that_is_refused_before_it_reads_says_so_of_its_credential(faulty: Faulty):
    """Google's export itself is read by a client of Google's own, whose faults are its adapter's."""
    seen, expected = {}, {}
    for row in (BY_NAME[name] for name in ("wrong or revoked key", "right that lacks", "refused by a proxy")):
        set_up(faulty, GCP)
        with faulty.meeting(row, SpoilRule(GCP.read, GCP.spoils(row))):
            seen[row.name] = run(faulty, GCP)
        expected[row.name] = failed(row, seen[row.name])

    assert seen == expected
    assert set(faulty.told(GCP).values()) == {(None, "missing")}
