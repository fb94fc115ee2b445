"""Whether Google lets the platform in is asked of Google, where the warehouse is its own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from src.app.wiring import Parts
from src.core.base.settings import Settings
from src.core.step.onboarding.plan import Check, OnboardingRequest, plan

ASKED = OnboardingRequest("rehearsed", "Rehearsed", "a@rehearsed.example", "STARTER", "UTC")
DONE = {
    "jobReference": {"projectId": "proj", "jobId": "j", "location": "US"},
    "configuration": {"dryRun": True, "query": {"query": "SELECT 1"}, "jobType": "QUERY"},
    "status": {"state": "DONE"},
    "statistics": {"query": {"statementType": "SELECT", "totalBytesProcessed": "0"}},
}
REFUSED = {"error": {"code": 403, "message": "Permission bigquery.jobs.create denied", "errors": [{"reason": "accessDenied"}]}}


@contextmanager
def google(status: int, answer: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """BigQuery as far as a query is tried."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.path.partition("?")[0])
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the library's name

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def checked(tmp_path: Path, url: str) -> Check:
    settings = Settings(ca_root_api_key="admin_key", embedded_data_dir=tmp_path, gcp_project_id="proj", _env_file=None)
    known = {"warehouse": "bigquery", "platform_bigquery_url": url, "ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}"}
    parts = Parts(settings.model_copy(update=known))
    try:
        return next(check for check in plan(ASKED, parts, None).checks if check.name == "gcp")
    finally:
        parts.close()


@pytest.mark.parametrize(
    ("status", "answer", "result", "said"),
    [
        (200, DONE, "passed", "Google lets the platform's own service account run queries in project proj"),
        (403, REFUSED, "failed", "bigquery.jobs.create"),
    ],
)
def test_the_check_says_what_google_says(tmp_path: Path, status: int, answer: dict[str, Any], result: str, said: str) -> None:
    with google(status, answer) as (url, asked):
        found = checked(tmp_path, url)

    assert found.result == result
    assert said in found.detail
    assert len(asked) >= 2
    assert {path.rpartition("/v2")[2] for path in asked} == {"/projects/proj/jobs"}
