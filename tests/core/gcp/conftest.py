import asyncio
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.fakes import made_once
from tests.fakes.billing import Billing, History, billing

TODAY = date(2026, 11, 20)
OCTOBER = date(2026, 10, 1), date(2026, 10, 31)


@pytest.fixture(scope="session")
def exports() -> Path:
    """Days of the sandbox's export are the same in every process, so every worker of this test run may use them."""
    return made_once.sandbox()


@pytest.fixture(scope="session")
def begun(exports: Path, tmp_path_factory: pytest.TempPathFactory) -> History:
    with billing(tmp_path_factory.mktemp("begun"), TODAY, exports) as here:
        asyncio.run(here.begin())
    return here.history


@pytest.fixture(scope="session")
def onboarded(begun: History, tmp_path_factory: pytest.TempPathFactory) -> History:
    with billing(tmp_path_factory.mktemp("onboarded"), TODAY, history=begun) as here:
        asyncio.run(here.connect())
    return here.history


@pytest.fixture(scope="session")
def october_loaded(onboarded: History, tmp_path_factory: pytest.TempPathFactory) -> History:
    with billing(tmp_path_factory.mktemp("october"), TODAY, history=onboarded) as here:
        asyncio.run(here.load(*OCTOBER))
    return here.history


@pytest.fixture
def bare(tmp_path: Path, begun: History) -> Iterator[Billing]:
    """An organisation without a credential, in a place of its own."""
    with billing(tmp_path, TODAY, history=begun) as here:
        yield here


@pytest.fixture
def acme(tmp_path: Path, onboarded: History) -> Iterator[Billing]:
    """The same with a credential."""
    with billing(tmp_path, TODAY, history=onboarded) as here:
        yield here


@pytest.fixture
def october(tmp_path: Path, october_loaded: History) -> Iterator[Billing]:
    """And once October was loaded."""
    with billing(tmp_path, TODAY, history=october_loaded) as here:
        yield here
