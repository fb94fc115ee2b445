from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.fakes.billing import Billing, billing


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Billing]:
    with billing(tmp_path, date(2026, 11, 20), sandbox=False) as here:
        here.parts.warehouse.ensure_dataset(here.tenant)
        yield here
