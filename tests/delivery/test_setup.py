"""setup_bigquery_datasets.py, with a Resource Manager of ours that says which rights the account has."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from setup_bigquery_datasets import project_roles
from src.core.base.faults import Misconfigured
from src.core.base.settings import Settings
from tests.delivery.stand_ins import ROOT
from tests.fakes.running import ROOT_KEY, environment, free_port

SETUP = str(ROOT / "setup_bigquery_datasets.py")
ALL = ["bigquery.datasets.create", "bigquery.jobs.create", "bigquery.readsessions.create", "bigquery.readsessions.getData"]


def set_up(data, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, SETUP, *arguments],
        env=environment(data, **settings), cwd=data.parent, text=True, capture_output=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture
def resource_manager() -> Iterator[Callable[..., str]]:
    """Starts one that grants these permissions, or answers with this status."""
    running: list[HTTPServer] = []

    def start(granted: list[str], status: int = 200) -> str:
        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["permissions"]
                found = {"permissions": [each for each in asked if each in granted]}
                said = found if status == 200 else {"error": {"message": f"no for {self.path}"}}
                body = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Answer)
        running.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def test_a_check_says_what_is_missing_and_changes_nothing(tmp_path):
    data = tmp_path / "data"
    data.mkdir()

    done = set_up(data, "--check")

    assert done.returncode == 1
    assert "FAIL ledger" in done.stdout
    assert "FAIL vault" in done.stdout
    assert list(data.iterdir()) == []


def test_it_makes_the_tables_and_once_more_makes_none(tmp_path):
    first = set_up(tmp_path / "data")
    again = set_up(tmp_path / "data")
    check = set_up(tmp_path / "data", "--check")

    assert [done.returncode for done in (first, again, check)] == [0, 0, 0], first.stdout + first.stderr
    assert "14 tables and 3 views made, 0 tables and 0 views were there" in first.stdout
    assert "0 tables and 0 views made, 14 tables and 3 views were there" in again.stdout
    assert "all tables and views are there" in check.stdout


def test_settings_that_would_not_start_are_told(tmp_path):
    done = set_up(tmp_path / "data", CA_ROOT_API_KEY="")

    assert done.returncode == 2
    assert "CA_ROOT_API_KEY: is not set" in done.stderr


def project(url: str) -> dict[str, str]:
    return {"WAREHOUSE": "bigquery", "GCP_PROJECT_ID": "some-project", "PLATFORM_BIGQUERY_URL": url, "PLATFORM_BIGQUERY_STORAGE_URL": url}


def test_roles_that_lack_are_named_with_the_command(tmp_path, resource_manager):
    url = resource_manager(["bigquery.jobs.create"])

    done = set_up(tmp_path / "data", "--check", "--resource-manager-url", url, **project(url))

    [roles] = [line for line in done.stdout.splitlines() if line[5:].startswith("roles ")]
    assert done.returncode == 1
    assert roles.startswith("FAIL")
    assert "grant it roles/bigquery.readSessionUser and roles/bigquery.user" in roles
    assert "roles/bigquery.jobUser" not in roles
    assert "gcloud projects add-iam-policy-binding some-project" in roles


def test_roles_that_are_all_there_are_said(resource_manager):
    settings = Settings(_env_file=None, gcp_project_id="some-project")

    assert "roles/bigquery.jobUser" in project_roles(settings, resource_manager(ALL))


def test_rights_that_cannot_be_looked_at_are_a_failure_with_a_mend(resource_manager):
    settings = Settings(_env_file=None, gcp_project_id="some-project")

    with pytest.raises(Misconfigured, match=r"403: no for /v1/projects/some-project:testIamPermissions.*cloudresourcemanager") as refused:
        project_roles(settings, resource_manager([], 403))

    assert "GCP_PROJECT_ID" in str(refused.value)


def test_a_resource_manager_that_does_not_answer_is_told():
    settings = Settings(_env_file=None, gcp_project_id="some-project")

    with pytest.raises(Misconfigured, match="were not looked at"):
        project_roles(settings, f"http://127.0.0.1:{free_port()}")


def test_it_makes_a_ledger_in_bigquery(tmp_path, bigquery_emulator):
    dataset = f"setup_{os.getpid()}"
    settings = {
        **bigquery_emulator.settings,
        "LEDGER_URL": f"bigquery://{bigquery_emulator.project}/{dataset}",
        "CA_ROOT_API_KEY": ROOT_KEY,
    }

    try:
        first = set_up(tmp_path / "data", **settings)
        again = set_up(tmp_path / "data", **settings)
    finally:
        bigquery_emulator.drop(dataset)

    assert (first.returncode, again.returncode) == (0, 0), first.stdout + first.stderr
    assert "bigquery: 14 tables and 3 views made" in first.stdout
    assert "bigquery: 0 tables and 0 views made, 14 tables and 3 views were there" in again.stdout
