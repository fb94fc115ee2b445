"""Every row of the table met by a load in the midst of its pages: a day keeps what it was told, and is never told cheap."""

from decimal import Decimal

import pytest

from tests.core.providers.faults.conftest import Faulty
from tests.core.providers.faults.drives import DRIVES, Drive
from tests.core.providers.faults.met import failed, run, set_up
from tests.core.providers.faults.table import BY_NAME, LONG_WAIT, WireFault
from tests.fakes.spoiling_proxy import SpoilRule

OPENAI, ANTHROPIC = (next(one for one in DRIVES if one.provider == name) for name in ("openai", "anthropic"))
DRIVEN = (pytest.param(OPENAI, id="openai", marks=pytest.mark.bill), pytest.param(ANTHROPIC, id="anthropic", marks=pytest.mark.proof))


@pytest.fixture(scope="module", params=DRIVEN)
def drive(request: pytest.FixtureRequest, faulty: Faulty) -> Drive:
    """Loaded once."""
    found: Drive = request.param
    set_up(faulty, found)
    assert faulty.load(found)[1]["status"] == "SUCCESS"
    return found


@pytest.fixture
def changed(faulty: Faulty, drive: Drive) -> Faulty:
    """Days that were told have grown since, and a new one has begun."""
    faulty.a_day_passes()
    return faulty


def test_a_load_that_stops_at_a_page_leaves_days_as_they_were_told(changed: Faulty, drive: Drive):
    seen, expected = {}, {}
    before = changed.told(drive)
    for row in (row for row in drive.rows if row.fault):
        set_up(changed, drive)
        with changed.meeting(row, _at_a_page(drive, row)):
            seen[row.name] = run(changed, drive)
        seen[row.name].figures = "as before" if changed.told(drive) == before else "others"
        expected[row.name] = failed(row, seen[row.name])
        if "Retry-After" in row.name:
            assert set(changed.slept) == {LONG_WAIT}
        if row.run == "INVALID":
            # it is told to be so, and no run is counted for it
            assert changed.load(drive)[0] == 409

    assert seen == expected
    assert before[str(changed.theirs.today)] == (None, "missing")


def test_what_comes_once_is_mended_by_the_step_and_what_is_no_fault_changes_nothing(changed: Faulty, drive: Drive):
    before, once = changed.told(drive), BY_NAME["server error"]
    with changed.meeting(once, SpoilRule(drive.read, drive.spoils(once), first=_page(drive), times=1, page=1)):
        assert run(changed, drive).said == ""

    right = changed.told(drive)
    assert len(changed.slept) == 1
    assert right != before
    assert all(Decimal(str(right[day][0])) >= Decimal(cost) for day, (cost, _) in before.items() if cost)
    # by a clock that is behind a day more is read, which the load before did not read
    read = sorted(right)[-drive.pages :]
    for row in (row for row in drive.rows if row.fault is None):
        with changed.meeting(row, _at_a_page(drive, row)):
            assert run(changed, drive).said == "", row.name
        told = changed.told(drive)
        assert {day: told[day][0] for day in read} == {day: right[day][0] for day in read}, row.name


def _at_a_page(drive: Drive, row: WireFault) -> SpoilRule:
    return SpoilRule(row.path or drive.read, drive.spoils(row), first=_page(drive), page=1)


def _page(drive: Drive) -> int:
    """In the midst of those that a load reads, and late enough for days to have been told."""
    return drive.pages - 2
