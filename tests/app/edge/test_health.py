import threading

import httpx2
import pytest

from src.app.routers import health
from src.core.base.faults import Misconfigured, Unavailable
from tests.app.edge.conftest import build, client


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that begins late is no check that hangs."""
    monkeypatch.setattr(health, "CHECK_SECONDS", 60.0)


async def test_health_says_what_runs(caller: httpx2.AsyncClient) -> None:
    answer = await caller.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "healthy", "version": "1.2.3", "environment": "development"})


async def test_live_needs_no_part_to_work() -> None:
    def down() -> None:
        raise Unavailable("down")

    async with client(build({"ledger": down})) as caller:
        assert (await caller.get("/health/live")).status_code == 200


async def test_ready_when_every_check_passes() -> None:
    async with client(build({"ledger": lambda: None, "vault": lambda: None})) as caller:
        answer = await caller.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "checks": {"ledger": {"status": "ok"}, "vault": {"status": "ok"}}}


async def test_not_ready_names_what_fails_and_its_mend() -> None:
    def bootstrapped() -> None:
        raise Misconfigured("not bootstrapped: POST /api/v1/admin/bootstrap")

    async with client(build({"ledger": lambda: None, "bootstrap": bootstrapped})) as caller:
        answer = await caller.get("/health/ready")
    body = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert body["type"] == "/problems#not-ready"
    assert body["detail"] == "bootstrap: not bootstrapped: POST /api/v1/admin/bootstrap"
    assert body["checks"]["ledger"] == {"status": "ok"}
    assert body["checks"]["bootstrap"]["status"] == "failed"


async def test_many_probes_cost_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[None] = []
    monkeypatch.setattr(health, "FRESH_SECONDS", 60.0)
    async with client(build({"ledger": lambda: looks.append(None)})) as caller:
        for _ in range(5):
            assert (await caller.get("/health/ready")).status_code == 200
        assert len(looks) == 1
        monkeypatch.setattr(health, "FRESH_SECONDS", 0.0)
        await caller.get("/health/ready")
    assert len(looks) == 2


async def test_a_check_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.05)
    let_go = threading.Event()

    def hanging() -> None:
        let_go.wait(30)

    try:
        async with client(build({"ledger": hanging})) as caller:
            answer = await caller.get("/health/ready")
    finally:
        let_go.set()
    assert answer.status_code == 503
    assert "did not answer" in answer.json()["checks"]["ledger"]["detail"]


async def test_every_route_declares_that_anyone_may_call(caller: httpx2.AsyncClient) -> None:
    paths = (await caller.get("/openapi.json")).json()["paths"]
    declared = {path: paths[path]["get"].get("x-access") for path in ("/health", "/health/live", "/health/ready", "/metrics")}
    assert set(declared.values()) == {"anyone"}


async def test_metrics_are_prometheus_text(caller: httpx2.AsyncClient) -> None:
    await caller.get("/health")
    answer = await caller.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "# TYPE http_requests_total counter" in answer.text
    assert "# TYPE http_request_duration_seconds histogram" in answer.text
    assert "process_resident_memory_bytes" in answer.text
