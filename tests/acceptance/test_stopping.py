"""A stopping service waits neither for callers who take nothing, nor with handing its runs back until they have gone."""

import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from src.app.edge.connections import LEAVE_SECONDS
from src.core.base.clock import SystemClock
from src.core.base.identity import Tenant
from src.core.base.names import Environment, org_slug
from src.core.base.schema import Field, TableSchema
from src.core.base.settings import Settings
from src.core.engine import open_warehouse
from src.core.engine.port import Fence
from tests.fakes.google import service_account
from tests.fakes.running import PRINTED, RunningService

TENANT = Tenant(org_slug("slow_corp"), Environment.DEVELOPMENT)
# 40 MB as CSV; what is left of it while it moves, too, is more than all buffers between the two together
FILL = """INSERT INTO texts (text)
SELECT CONCAT(REPEAT('x', 90), CAST(a * 1000 + b AS STRING))
FROM UNNEST(GENERATE_ARRAY(1, 400)) AS a, UNNEST(GENERATE_ARRAY(1, 1000)) AS b"""
DOWNLOAD = "/api/v1/costs/slow_corp/tables/texts?format=csv"
TAKEN_BEFORE = 28_000_000
PATIENCE = 60.0


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    service = RunningService(tmp_path_factory.mktemp("stopping") / "data").start().bootstrap()
    key = service.key_of("slow_corp")
    service.stop()
    warehouse = open_warehouse(Settings(_env_file=None).model_copy(update={"embedded_data_dir": service.data}), SystemClock())
    warehouse.ensure_table(TENANT, TableSchema("texts", (Field("text", "STRING"),)))
    with warehouse.publication(TENANT, "run", Fence("tests", 1)) as publication:
        publication.execute(FILL)
    warehouse.close()
    return service.data, key


@pytest.fixture
def running(kept) -> Iterator[RunningService]:
    service = RunningService(kept[0])
    service.log.unlink(missing_ok=True)
    try:
        yield service.start()
    finally:
        service.kill()


def caller(service: RunningService, request: str, buffer: int = 4096) -> socket.socket:
    """One who asks, and reads nothing by itself."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    line.connect(("127.0.0.1", service.port))
    line.sendall(request.encode())
    return line


def until_heard(service: RunningService) -> None:
    """What was sent before this call is in the server's hands after it."""
    assert service.call("GET", "/health/live").status_code == 200


def stopped_after(service: RunningService) -> float:
    assert service.process is not None
    began = time.monotonic()
    service.process.send_signal(signal.SIGTERM)
    service.process.wait(PATIENCE)
    return time.monotonic() - began


def events(service: RunningService) -> list[str]:
    return [json.loads(line)["event"] for line in service.log.read_text().splitlines() if line.startswith("{")]


def test_without_callers_it_stops_at_once(running):
    assert stopped_after(running) < LEAVE_SECONDS


@pytest.mark.parametrize(
    "begun",
    [
        "GET {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n\r\n",
        "POST /api/v1/pipelines/run/slow_corp/gcp/cost/billing HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Length: 50\r\n\r\n{{",
    ],
    ids=["takes nothing of its download", "never ends its body"],
)
def test_a_caller_who_stands_still_is_cut_off(running, kept, begun):
    with caller(running, begun.format(path=DOWNLOAD, key=kept[1])):
        until_heard(running)
        time.sleep(1.0)
        took = stopped_after(running)

    assert took >= LEAVE_SECONDS
    told = [event for event in events(running) if event in ("worker.stopped", "connections.cut", "service.stopped")]
    assert told == ["worker.stopped", "connections.cut", "service.stopped"]
    assert "Traceback" not in running.log.read_text()


def test_a_download_that_moves_ends_whole(running, kept):
    with caller(running, f"GET {DOWNLOAD} HTTP/1.1\r\nHost: x\r\nX-API-Key: {kept[1]}\r\n\r\n", 1 << 20) as line:
        line.settimeout(PATIENCE)
        taken = 0
        while taken < TAKEN_BEFORE:
            taken += len(line.recv(1 << 20))
        assert running.process is not None
        running.process.send_signal(signal.SIGTERM)
        tail = b""
        while piece := line.recv(1 << 20):
            tail = (tail + piece)[-100:]
        running.process.wait(PATIENCE)

    assert tail.endswith(b"\r\n0\r\n\r\n")
    assert "connections.cut" not in events(running)


def test_started_as_printed_it_ends_in_its_time_while_a_provider_says_nothing(kept):
    """Uvicorn by itself waits for its callers, and Python for its threads, to the end of days."""
    data, key = kept
    with ExitStack() as held:
        silent = held.enter_context(socket.create_server(("127.0.0.1", 0)))
        times = {"STOP_SECONDS": "0.5", "WORKER_DRAIN_SECONDS": "0", "PROVIDER_TIMEOUT_SECONDS": "600"}
        service = RunningService(data, {**times, "GCP_TOKEN_URL": f"http://127.0.0.1:{silent.getsockname()[1]}/token"})
        service.log.unlink(missing_ok=True)
        service.start_by(f"exec {PRINTED}")
        try:
            body = json.dumps({"credential": service_account()})
            request = f"POST /api/v1/integrations/slow_corp/gcp/setup HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n"
            request += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
            held.enter_context(caller(service, request))
            held.enter_context(silent.accept()[0])
            assert service.process is not None
            service.process.send_signal(signal.SIGTERM)
            assert service.process.wait(PATIENCE) == 128 + signal.SIGTERM
        finally:
            service.kill()

    [forced] = [json.loads(line) for line in service.log.read_text().splitlines() if '"stop.forced"' in line]
    assert forced["after_seconds"] == 0.5
    assert any("worker thread" in name for name in forced["threads"])
