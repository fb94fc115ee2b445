import os
import tempfile
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

from tests.fakes.billing import Billing, billing

TODAY = date(2026, 11, 20)


@pytest.fixture(scope="session")
def made_once() -> Path:
    """Days of the sandbox's export are the same in every process, so every worker of this test run may use them."""
    folder = Path(tempfile.gettempdir()) / f"convergence-sandbox-{os.getuid()}-{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@pytest.fixture
async def acme(tmp_path, made_once) -> AsyncIterator[Billing]:
    with billing(tmp_path, TODAY, made_once) as here:
        yield await here.onboard()
