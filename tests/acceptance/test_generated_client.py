"""A client that a generator makes from the OpenAPI document onboards, runs and reads; the generator has nothing to complain of."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from src.app.version import VERSION
from tests.engines import places
from tests.fakes.running import ROOT, ROOT_KEY, RunningService

HOME = ROOT / ".venv-client"
CALLS = Path(__file__).with_name("generated_calls.py")


@pytest.fixture(scope="module")
def generator() -> Path:
    path = HOME / "bin" / "openapi-python-client"
    if not path.exists():
        (pytest.fail if places.required() else pytest.skip)("the generator of clients is not there; `make client` installs it")
    return path


def test_a_generated_client_onboards_runs_and_reads(service: RunningService, generator: Path, tmp_path: Path):
    document = tmp_path / "openapi.json"
    document.write_bytes(service.call("GET", "/openapi.json").content)
    # it has its own formatter beside it, and complains where that is not found
    found = {**os.environ, "PATH": f"{generator.parent}:{os.environ['PATH']}", "PYTHONPATH": str(tmp_path)}
    how = ["--meta", "none", "--output-path", str(tmp_path / "convergence_client"), "--config", str(ROOT / "scripts/client.yml")]
    made = subprocess.run(
        [generator, "generate", "--path", document, "--fail-on-warning", *how], env=found, capture_output=True, text=True, check=False
    )
    assert (made.returncode, made.stderr) == (0, ""), made.stdout + made.stderr
    assert "WARNING" not in made.stdout

    python = generator.with_name("python")
    called = subprocess.run([python, CALLS, service.address, ROOT_KEY], env=found, capture_output=True, text=True, check=False)
    assert called.returncode == 0, called.stderr

    told = json.loads(called.stdout)
    assert told.pop("pipelines") > 5
    assert told.pop("plans") > 0
    assert told.pop("steps") > 0
    assert told == {
        "version": VERSION,
        "again": "Conflict",
        "whoami": "generated",
        "plan": "SCALE",
        "run": "SUCCESS",
        "newest": True,
        "seats": "list",
    }
