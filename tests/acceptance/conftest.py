from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.fakes.running import RunningService


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """One bootstrapped service that tests share; each uses organisations of its own."""
    running = RunningService(tmp_path_factory.mktemp("shared") / "data").start()
    try:
        yield running.bootstrap()
    finally:
        running.stop()


@pytest.fixture(scope="session")
def sandboxed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """One with the sandbox's providers beside it, shared likewise."""
    running = RunningService(tmp_path_factory.mktemp("sandboxed") / "data", {"SANDBOX": "true"}).start()
    try:
        yield running.bootstrap()
    finally:
        running.stop()


@pytest.fixture
def fresh(tmp_path) -> Iterator[Callable[..., RunningService]]:
    """Services of a test's own, not bootstrapped, stopped at its end."""
    with ExitStack() as made:

        def make(name: str = "data", **settings: str) -> RunningService:
            running = RunningService(tmp_path / name, settings)
            made.callback(running.stop)
            return running.start()

        yield make
