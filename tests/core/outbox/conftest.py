import pytest

from tests.core.outbox.parts import Outbox


@pytest.fixture
def outbox(tmp_path):
    made = Outbox.open(tmp_path)
    yield made
    made.parts.close()
