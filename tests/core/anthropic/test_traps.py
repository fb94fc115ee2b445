"""No trap of Anthropic's reports catches us."""

import asyncio

import pytest

from tests.anthropic_traps import LATE, anthropic_answers
from tests.fakes.served import served
from tests.trap_answers import Answer, shown


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[Answer]:
    async def load() -> list[Answer]:
        async with served(tmp_path_factory.mktemp("anthropic"), LATE) as service:
            return (await anthropic_answers(service))[0]

    return asyncio.run(load())


@pytest.mark.proof
def test_no_trap_of_anthropic_s_catches_us_and_every_trap_is_one(answers: list[Answer]):
    assert len(answers) >= 30
    assert all(one.right for one in answers), shown(answers)
    assert all(one.trap.naive != one.trap.right for one in answers), shown(answers)
