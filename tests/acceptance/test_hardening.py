"""What a reviewer broke once: each of these answered wrongly before it was mended."""

import json
import socket
import sqlite3
import time
from contextlib import ExitStack, closing
from pathlib import Path

import duckdb

from src.core.ledger.sqlite.engine import BUSY_SECONDS
from tests.acceptance.observed import audits, new_slug, problem
from tests.acceptance.test_start import uvicorn
from tests.fakes.running import PRINTED, ROOT, RunningService

PATIENCE = 30.0


def test_a_valid_key_opens_while_the_ledger_cannot_be_written(fresh):
    service: RunningService = fresh().bootstrap()
    key = service.key_of("locked_out")
    with closing(sqlite3.connect(service.data / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()

        answer = service.call("GET", "/api/v1/whoami", key=key)

        assert answer.status_code == 200
        assert time.monotonic() - started < BUSY_SECONDS
        other.execute("ROLLBACK")


def test_the_use_of_a_key_is_written_down_soon_after(fresh):
    service: RunningService = fresh().bootstrap()
    key = service.key_of("seen_org")
    assert service.call("GET", "/api/v1/whoami", key=key).status_code == 200
    service.stop()

    with closing(sqlite3.connect(service.data / "ledger.db")) as connection:
        [(seen,)] = connection.execute("SELECT last_used_at FROM org_api_keys").fetchall()

    assert seen is not None


def test_a_rotation_without_grace_names_what_it_replaced(service: RunningService):
    slug = new_slug("emergency")
    service.key_of(slug)
    before = service.admin("GET", f"/api/v1/organizations/{slug}/keys").json()["keys"][0]["api_key_fingerprint"]

    answer = service.admin("POST", f"/api/v1/organizations/{slug}/keys/rotate", {"grace_hours": 0})

    assert [key["api_key_fingerprint"] for key in answer.json()["replaced"]] == [before]
    assert answer.json()["replaced"][0]["state"] == "expired"
    [row] = audits(service, answer.headers["x-request-id"])
    assert before in row["details"]


def test_a_key_that_is_being_replaced_makes_and_revokes_no_keys(service: RunningService):
    slug = new_slug("leaked")
    leaked = service.key_of(slug)
    answer = service.admin("POST", f"/api/v1/organizations/{slug}/keys/rotate", {"grace_hours": 1}).json()
    path = f"/api/v1/organizations/{slug}/keys"

    problem(service.call("POST", f"{path}/rotate", key=leaked, json={}), 403, "not-yours")
    problem(service.call("DELETE", f"{path}/{answer['api_key_fingerprint']}", key=leaked), 403, "not-yours")

    assert service.call("GET", "/api/v1/whoami", key=leaked).status_code == 200
    assert service.call("POST", f"{path}/rotate", key=answer["api_key"], json={}).status_code == 201


def test_costs_of_an_earlier_organisation_are_not_handed_to_a_new_one(fresh):
    service: RunningService = fresh().bootstrap()
    service.key_of("heirloom")
    service.stop()
    with duckdb.connect(service.data / "warehouse" / "heirloom_dev" / "heirloom_dev.duckdb") as dataset:
        dataset.execute(
            "INSERT INTO x_cost_daily (usage_date, provider, currency, billed_cost, completeness, pipeline_logging_id, published_at) "
            "VALUES ('2026-11-01', 'gcp', 'USD', 42, 'complete', 'run', now())"
        )
    service.start()
    assert service.admin("POST", "/api/v1/admin/bootstrap", {"force_recreate_dataset": True}).status_code == 200
    body = {"org_slug": "heirloom", "company_name": "Second Ltd", "admin_email": "a@example.com"}

    checks = service.admin("POST", "/api/v1/organizations/dryrun", body).json()["checks"]
    refused = problem(service.admin("POST", "/api/v1/organizations/onboard", body), 409, "conflict")
    adopted = service.admin("POST", "/api/v1/organizations/onboard", {**body, "adopt_dataset": True})

    assert [check["name"] for check in checks if check["result"] == "failed"] == ["dataset_is_free"]
    assert "adopt_dataset" in refused["detail"]
    assert adopted.status_code == 201
    assert adopted.json()["dataset_created"] is False


def test_readiness_names_a_warehouse_that_cannot_be_used(fresh):
    service: RunningService = fresh().bootstrap()
    assert service.call("GET", "/health/ready").status_code == 200
    folder: Path = service.data / "warehouse"
    folder.rename(service.data / "moved")
    folder.write_text("in the way")
    time.sleep(1.1)  # good news may be a second old

    document = problem(service.call("GET", "/health/ready"), 503, "not-ready")

    assert document["checks"]["warehouse"]["status"] == "failed"
    assert {name for name, check in document["checks"].items() if check["status"] == "failed"} == {"warehouse"}


def test_a_mistake_in_what_a_dataset_holds_is_told_at_the_start(tmp_path):
    folder = tmp_path / "configs"
    for source in (ROOT / "configs").rglob("*"):
        if source.is_file():
            (folder / source.relative_to(ROOT / "configs")).parent.mkdir(parents=True, exist_ok=True)
            (folder / source.relative_to(ROOT / "configs")).write_text(source.read_text())
    config = folder / "setup" / "organizations" / "onboarding" / "config.yml"
    config.write_text(config.read_text().replace("cluster: [provider]", "clustre: [provider]"))

    answer = uvicorn(tmp_path, CONFIGS_DIR=str(folder))

    assert answer.returncode != 0
    assert "did you mean 'cluster'" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_silent_connections_and_heads_without_end_hold_nobody_up(tmp_path):
    """Started as the README has it, where it may open 300 files."""
    service = RunningService(tmp_path / "data").start_by(f"ulimit -n 300; exec {PRINTED}")
    try:
        with ExitStack() as held:
            silent = [held.enter_context(socket.create_connection(("127.0.0.1", service.port), PATIENCE)) for _ in range(290)]

            assert service.call("GET", "/health").status_code == 200

            endless = held.enter_context(socket.create_connection(("127.0.0.1", service.port), PATIENCE))
            endless.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000)
            assert endless.recv(100).startswith(b"HTTP/1.1 431 ")
            # the one that came first had to go, the last one is still there
            assert silent[0].recv(1) == b""
            silent[-1].sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert silent[-1].recv(100).startswith(b"HTTP/1.1 200 ")
            # it is told with the next step of the service's own time
            within = time.monotonic() + PATIENCE
            while '"connections.full"' not in service.log.read_text():
                assert time.monotonic() < within
                time.sleep(0.05)
    finally:
        service.stop()
    full = [json.loads(line) for line in service.log.read_text().splitlines() if '"connections.full"' in line]
    assert [event["most"] for event in full] == [225]
