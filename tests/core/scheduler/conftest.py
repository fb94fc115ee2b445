import anyio.to_thread
import pytest

from tests.core.scheduler.parts import CALLS, floor, stage


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.setattr(anyio.to_thread, "run_sync", CALLS.run_sync)
    stage()
    made = floor(tmp_path)
    yield made
    CALLS.ended()
    made.close()
