"""Every row of the table met by a load in the midst of its pages: a day keeps what it was told, and is never told cheap."""

from decimal import Decimal

import pytest

from tests.core.providers.faults.conftest import PAGES, Faulty
from tests.core.providers.faults.drives import DRIVES
from tests.core.providers.faults.met import failed, run, set_up
from tests.core.providers.faults.table import BY_NAME, LONG_WAIT, PAGE, WireFault
from tests.fakes.spoiling_proxy import SpoilRule

OPENAI = DRIVES[0]
pytestmark = pytest.mark.bill


@pytest.fixture(scope="module")
def loaded(faulty: Faulty) -> Faulty:
    set_up(faulty, OPENAI)
    assert faulty.load(OPENAI)[1]["status"] == "SUCCESS"
    return faulty


@pytest.fixture
def changed(loaded: Faulty) -> Faulty:
    """Days that were told have grown since, and a new one has begun."""
    loaded.a_day_passes()
    return loaded


def test_a_load_that_stops_at_a_page_leaves_days_as_they_were_told(changed: Faulty):
    seen, expected = {}, {}
    before = changed.told(OPENAI)
    for row in (row for row in OPENAI.rows if row.fault):
        set_up(changed, OPENAI)
        with changed.meeting(row, _at_a_page(row)):
            seen[row.name] = run(changed, OPENAI)
        seen[row.name].figures = "as before" if changed.told(OPENAI) == before else "others"
        expected[row.name] = failed(row, seen[row.name])
        if "Retry-After" in row.name:
            assert set(changed.slept) == {LONG_WAIT}
        if row.run == "INVALID":
            # it is told to be so, and no run is counted for it
            assert changed.load(OPENAI)[0] == 409

    assert seen == expected
    assert before[str(changed.theirs.today)] == (None, "missing")


def test_what_comes_once_is_mended_by_the_step_and_what_is_no_fault_changes_nothing(changed: Faulty):
    before, once = changed.told(OPENAI), BY_NAME["server error"]
    with changed.meeting(once, SpoilRule(OPENAI.read, OPENAI.spoils(once), first=PAGE, times=1, page=1)):
        assert run(changed, OPENAI).said == ""

    right = changed.told(OPENAI)
    assert len(changed.slept) == 1
    assert right != before
    assert all(Decimal(str(right[day][0])) >= Decimal(cost) for day, (cost, _) in before.items() if cost)
    # by a clock that is behind a day more is read, which the load before did not read
    read = sorted(right)[-PAGES:]
    for row in (row for row in OPENAI.rows if row.fault is None):
        with changed.meeting(row, _at_a_page(row)):
            assert run(changed, OPENAI).said == "", row.name
        told = changed.told(OPENAI)
        assert {day: told[day][0] for day in read} == {day: right[day][0] for day in read}, row.name


def _at_a_page(row: WireFault) -> SpoilRule:
    return SpoilRule(row.path or OPENAI.read, OPENAI.spoils(row), first=PAGE, page=1)
