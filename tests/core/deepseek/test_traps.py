"""No trap of DeepSeek's balances and exports catches us."""

from pathlib import Path

import pytest

from tests.deepseek_traps import SAMPLED, deepseek_answers
from tests.fakes.served import served
from tests.trap_answers import shown


@pytest.mark.bill
async def test_no_trap_of_deepseek_catches_us_and_every_trap_is_one(tmp_path: Path) -> None:
    async with served(tmp_path, SAMPLED[0]) as service:
        answers, _ = await deepseek_answers(service)
    assert len(answers) == 15
    assert all(one.right for one in answers), shown(answers)
    assert all(one.trap.naive != one.trap.right for one in answers), shown(answers)
