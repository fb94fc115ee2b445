from collections.abc import Iterator

import pytest

from tests.delivery.stand_ins import Checkout, StandIns
from tests.fakes.running import RunningService


@pytest.fixture
def stand_ins(tmp_path) -> StandIns:
    settings = {
        "GCP_PROJECT_ID": "some-project",
        "KMS_KEY_NAME": "projects/some-project/locations/us/keyRings/convergence/cryptoKeys/credentials",
        "CORS_ORIGINS": '["https://console.some-company.example"]',
    }
    return StandIns(tmp_path / "stand-ins", settings)


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    return Checkout(tmp_path / "checkout")


@pytest.fixture(scope="session")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service on the sandbox as it should be."""
    running = RunningService(tmp_path_factory.mktemp("closed") / "data", {"SANDBOX": "true", "WORKER_POLL_SECONDS": "0.1"}).start()
    try:
        yield running.bootstrap()
    finally:
        running.stop()


@pytest.fixture(scope="session")
def wide_open(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """One that lets everybody through."""
    running = RunningService(tmp_path_factory.mktemp("open") / "data", {"DISABLE_AUTH": "true", "WORKER_POLL_SECONDS": "0.1"}).start()
    try:
        yield running.bootstrap()
    finally:
        running.stop()
