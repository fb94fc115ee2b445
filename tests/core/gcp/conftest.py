from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

from tests.fakes import made_once
from tests.fakes.billing import Billing, billing

TODAY = date(2026, 11, 20)


@pytest.fixture(scope="session")
def exports() -> Path:
    """Days of the sandbox's export are the same in every process, so every worker of this test run may use them."""
    return made_once.sandbox()


@pytest.fixture
async def acme(tmp_path, exports) -> AsyncIterator[Billing]:
    with billing(tmp_path, TODAY, exports) as here:
        yield await here.onboard()
