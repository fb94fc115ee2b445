"""`python -m src.cli.main worker`: a process that only works."""

import subprocess
import sys

from tests.fakes.running import ROOT, environment


def worker(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "src.cli.main", "worker", *arguments]
    return subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=180, check=False)


def test_beside_an_embedded_warehouse_it_refuses_and_says_what_to_do(tmp_path):
    ended = worker(**environment(tmp_path / "data"))

    assert ended.returncode == 78
    assert "WAREHOUSE=bigquery" in ended.stderr
    assert not (tmp_path / "data").exists()


def test_on_a_ledger_that_is_not_looked_at_again_and_again_it_refuses_and_says_what_to_do(tmp_path):
    settings = {"LEDGER_URL": "bigquery://acme-billing/organizations", "WAREHOUSE": "bigquery", "GCP_PROJECT_ID": "acme-billing"}
    ended = worker(**environment(tmp_path / "data", **settings))

    assert ended.returncode == 78
    assert "process-queue" in ended.stderr
    assert "postgresql+psycopg://" in ended.stderr
