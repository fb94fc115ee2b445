"""What a test sees of a running service besides its answers: its ledger file, its datasets, its problem documents."""

import json
import os
import sqlite3
import stat
import time
import uuid
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import httpx2

from tests.fakes.running import RunningService

TABLES = (
    "org_api_keys",
    "org_audit_logs",
    "org_cost_tracking",
    "org_integration_credentials",
    "org_kms_keys",
    "org_meta_dq_results",
    "org_meta_pipeline_runs",
    "org_meta_step_logs",
    "org_pipeline_configs",
    "org_pipeline_execution_queue",
    "org_profiles",
    "org_scheduled_pipeline_runs",
    "org_subscriptions",
    "org_usage_quotas",
)
VIEWS = ("org_consolidated_view", "pipeline_logs_view", "step_logs_view")
PLATFORM_TABLES = (
    "org_counted_sources",
    "org_events",
    "org_imported_files",
    "org_invoices",
    "org_notification_channels",
    "org_notifications",
)
PLATFORM_VIEWS = ("org_cloud_credentials",)

Row = dict[str, Any]


def new_slug(stem: str = "org") -> str:
    """A slug no other test has."""
    return f"{stem}_{uuid.uuid4().hex[:12]}"


def until(seen: Callable[[], bool], seconds: float = 120.0) -> float:
    """How long it took."""
    began = time.monotonic()
    while not seen():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - began


def afternoon() -> tuple[str, timezone]:
    """A zone in which no midnight comes while a test runs."""
    hours = 12 - datetime.now(UTC).hour
    return f"Etc/GMT{-hours:+d}" if hours else "UTC", timezone(timedelta(hours=hours))


def rows(service: RunningService, statement: str, *values: Any) -> list[Row]:
    with closing(sqlite3.connect(service.data / "ledger.db", timeout=30)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(statement, values).fetchall()]


def change(service: RunningService, *statements: str) -> None:
    """What an operator's hand does to the file."""
    with closing(sqlite3.connect(service.data / "ledger.db", timeout=30)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def audits(service: RunningService, request_id: str) -> list[Row]:
    return rows(service, "SELECT * FROM org_audit_logs WHERE request_id = ? ORDER BY audit_id", request_id)


def runs(service: RunningService, request_id: str) -> list[Row]:
    return rows(service, "SELECT * FROM org_meta_pipeline_runs WHERE request_id = ?", request_id)


def steps(service: RunningService, run_id: str) -> list[Row]:
    return rows(service, "SELECT * FROM org_meta_step_logs WHERE pipeline_logging_id = ?", run_id)


def files_of(service: RunningService, dataset_id: str) -> list[Path]:
    return [path for path in (service.data / "warehouse").rglob("*") if dataset_id in path.parts or path.stem == dataset_id]


class File(NamedTuple):
    mode: int
    content: bytes


def held(service: RunningService) -> dict[Path, File]:
    """Every file in its folder. Those of its engines come and go meanwhile."""
    found: dict[Path, File] = {}
    for folder, _, names in os.walk(service.data):
        for path in (Path(folder, name) for name in names):
            with suppress(FileNotFoundError), path.open("rb") as file:
                found[path] = File(stat.S_IMODE(os.fstat(file.fileno()).st_mode), file.read())
    return found


def dataset(service: RunningService, dataset_id: str) -> duckdb.DuckDBPyConnection:
    """The dataset's file; its service must have stopped, for it belongs to one process."""
    (path,) = [path for path in files_of(service, dataset_id) if path.suffix in (".duckdb", ".db")]
    return duckdb.connect(str(path), read_only=True)


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The answer as a problem document, with what every one of them must have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = json.loads(answer.text)
    assert document["status"] == status
    assert document["type"].endswith(f"#{code}")
    assert document["title"]
    assert document["detail"]
    assert document["request_id"] == answer.headers["x-request-id"]
    return document


def send(service: RunningService, method: str, path: str, content: Any = None, **headers: str) -> httpx2.Response:
    """A request whose body is exactly these bytes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with httpx2.Client(base_url=service.address, timeout=60, trust_env=False, verify=False) as client:
        return client.request(method, path, headers=named, content=content)
