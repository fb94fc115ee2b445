import pytest

from tests.core.scheduler.parts import floor, stage


@pytest.fixture
def work(tmp_path):
    stage()
    made = floor(tmp_path)
    yield made
    made.close()
