import pytest

from tests.books_traps import OF_SOURCES
from tests.fakes.billing import Billing, billing
from tests.trap_answers import shown
from tests.traps import TODAY, answers, lost, restated, taken_back, undelivered


@pytest.mark.bill
async def test_no_trap_catches_us_and_every_trap_is_one(tmp_path, exports, bare):
    with billing(tmp_path / "traps", TODAY, exports) as here:
        found = [*await answers(here), restated(bare), taken_back(bare), undelivered(bare), lost(bare)]

    assert len(found) >= 17
    assert all(one.right for one in found), shown(found)
    assert all(one.trap.naive != one.trap.right for one in found), shown(found)


@pytest.mark.parametrize("answering", OF_SOURCES)
def test_no_source_that_begins_meets_another_or_goes_catches_us(bare: Billing, answering):
    found = answering(bare)

    assert found.right, shown([found])
    assert found.trap.naive != found.trap.right
