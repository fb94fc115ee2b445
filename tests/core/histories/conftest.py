import asyncio

import pytest

from tests.core.histories.clouds import SINCE
from tests.fakes.billing import History, billing


@pytest.fixture(scope="session")
def onboarded_once(tmp_path_factory: pytest.TempPathFactory) -> History:
    with billing(tmp_path_factory.mktemp("histories"), SINCE, sandbox=False) as here:
        asyncio.run(here.begin())
    return here.history
