"""The frame: one loopback port for all providers, quick to start, quiet, and light until the export is touched."""

import logging
import stat
import subprocess
import sys
import time
from datetime import date

import httpx2
import pytest

from src.core.base.faults import Misconfigured, Missing, Unavailable
from src.core.base.settings import Settings
from src.sandbox.server import Sandbox
from tests.fakes.sandbox.acme_cloud.provider import AcmeCloud
from tests.sandbox.conftest import HeldClock

LIGHT = """
import sys
from pathlib import Path
from src.core.base.clock import SystemClock
from src.sandbox.server import Sandbox

sandbox = Sandbox(Path(sys.argv[1]), SystemClock())
sandbox.start()
sandbox.stop()
print([name for name in ("pyarrow", "duckdb", "numpy", "google.cloud") if name in sys.modules])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("served") / "sandbox"


@pytest.fixture
def sandbox(folder):
    sandbox = Sandbox(folder, HeldClock())
    sandbox.start()
    yield sandbox
    sandbox.stop()


def get(address: str) -> httpx2.Response:
    return httpx2.get(address, timeout=60, trust_env=False)


def test_every_provider_is_at_its_name(sandbox):
    assert {"gcp_token_url": f"{sandbox.address}/gcp/token", "bigquery_url": f"{sandbox.address}/gcp"}.items() <= sandbox.endpoints.items()
    assert sandbox.endpoints["bigquery_storage_url"].startswith("http://127.0.0.1:")  # gRPC has a port of its own
    assert get(f"{sandbox.address}/gcp/bigquery/v2/projects/sandbox-billing/datasets").status_code == 401
    unknown = get(f"{sandbox.address}/nobody/token")
    assert unknown.status_code == 404
    assert f"it has {', '.join(sandbox.providers)}" in unknown.json()["error"]
    assert get(sandbox.address).status_code == 404


def test_a_provider_is_a_folder_with_a_class_of_its_name(tmp_path):
    sandbox = Sandbox(tmp_path / "sandbox", HeldClock(), date(2026, 11, 21), rows_per_hour=7, prefix="tests.fakes.sandbox")
    sandbox.start()
    try:
        (acme,) = sandbox.providers.values()
        assert isinstance(acme, AcmeCloud)
        assert acme.prepared
        assert acme.preparing_more.wait(60)
        assert sandbox.endpoints == {"acme_cloud.api": f"{sandbox.address}/acme_cloud"}
        assert Settings(_env_file=None).asking_at(sandbox.endpoints).provider_urls == sandbox.endpoints
        assert get(f"{sandbox.address}/acme_cloud/usage").json() == {"key": None, "rows": 7, "today": "2026-11-21"}
        assert "it has acme_cloud" in get(f"{sandbox.address}/gcp/token").json()["error"]
    finally:
        sandbox.stop()


def test_a_folder_without_a_class_of_its_name_is_told(tmp_path):
    with pytest.raises(Misconfigured, match=r"tests/fakes/unfit_sandbox/nobody/provider.py has no class Nobody"):
        Sandbox(tmp_path / "sandbox", HeldClock(), prefix="tests.fakes.unfit_sandbox")


def test_it_starts_once_and_stops_for_good(folder):
    sandbox = Sandbox(folder, HeldClock())
    sandbox.start()
    address = sandbox.address
    sandbox.start()
    assert sandbox.address == address

    sandbox.stop()
    sandbox.stop()
    with pytest.raises(httpx2.TransportError):
        get(address)
    with pytest.raises(Unavailable):
        _ = sandbox.endpoints

    sandbox.start()
    assert get(f"{sandbox.address}/nobody").status_code == 404
    sandbox.stop()


def test_starting_again_takes_no_time(folder):
    Sandbox(folder, HeldClock()).service_account("demo")
    sandbox = Sandbox(folder, HeldClock())

    # of the processor's time, which other processes do not take from it
    began = time.process_time()
    sandbox.start()
    took = time.process_time() - began
    sandbox.stop()

    assert took < 1.0  # some hundredths of a second


@pytest.mark.process
def test_nothing_heavy_is_imported_until_the_export_is_touched(tmp_path):
    answer = subprocess.run([sys.executable, "-c", LIGHT, str(tmp_path)], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "[]"


def test_its_server_says_nothing_in_the_log_of_the_service(folder, caplog):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "uvicorn.error")  # a test of a service's log may have left it at another
    sandbox = Sandbox(folder, HeldClock())
    sandbox.start()
    get(f"{sandbox.address}/nobody")
    sandbox.stop()

    assert [record.message for record in caplog.records if record.name.startswith("uvicorn")] == []
    logging.getLogger("uvicorn.error").warning("of another server")
    assert "of another server" in caplog.text


def test_key_files_are_made_once_and_for_their_owner_alone(tmp_path):
    sandbox = Sandbox(tmp_path / "sandbox", HeldClock())
    sandbox.start()
    path = tmp_path / "sandbox/credentials/gcp-demo.json"
    assert path.exists()
    text = sandbox.service_account("demo")
    sandbox.stop()

    assert text == path.read_text() == Sandbox(tmp_path / "sandbox", HeldClock()).service_account("demo")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not list(path.parent.glob("*.draft"))
    with pytest.raises(Missing, match="demo, second, narrow, empty, revoked"):
        sandbox.service_account("nobody")
