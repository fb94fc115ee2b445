from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.running_parts import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House.build(tmp_path)
    made.organisation("acme_corp")
    yield made
    made.parts.close()
