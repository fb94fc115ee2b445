"""The BigQuery emulator in a process of its own, spoken to through Google's client."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from tests.engines.places import HOME, MEND, ROOT, emulator
from tests.fakes.running import free_port

PROGRAM = ROOT / "tests" / "engines" / "emulator_program.py"
START_SECONDS = 60.0
CALL_SECONDS = 60.0
PROJECT = "local"
IN_MEMORY = "/dev/shm"


@dataclass(frozen=True)
class BigQueryEmulator:
    project: str
    url: str
    storage_url: str
    process: subprocess.Popen[bytes]

    @property
    def settings(self) -> dict[str, str]:
        """What settings are to say, by their names in the environment."""
        return {
            "GCP_PROJECT_ID": self.project,
            "PLATFORM_BIGQUERY_URL": self.url,
            "PLATFORM_BIGQUERY_STORAGE_URL": self.storage_url,
        }

    @property
    def named(self) -> dict[str, str]:
        """The same by the names of their fields."""
        return {name.lower(): value for name, value in self.settings.items()}

    def emptied(self, project: str) -> str:
        """The project's name, with nothing in it.

        The emulator lists all tables of all projects many times for each job, and a project that it has held it holds for good: so tests
        share a few, and leave nothing in them.
        """
        with urllib.request.urlopen(self._datasets(project), timeout=CALL_SECONDS) as answer:
            found = json.load(answer).get("datasets", [])
        for dataset in found:
            self.drop(dataset["datasetReference"]["datasetId"], project)
        return project

    def drop(self, dataset: str, project: str | None = None) -> None:
        address = f"{self._datasets(project or self.project)}/{dataset}?deleteContents=true"
        try:
            urllib.request.urlopen(urllib.request.Request(address, method="DELETE"), timeout=CALL_SECONDS).close()
        except urllib.error.HTTPError as wrong:
            if wrong.code != HTTPStatus.NOT_FOUND:
                raise

    def forget_jobs(self) -> None:
        """Of all projects, with what they answered."""
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/forget-jobs", method="POST"), timeout=CALL_SECONDS).close()

    def _datasets(self, project: str) -> str:
        return f"{self.url}/bigquery/v2/projects/{project}/datasets"


@contextlib.contextmanager
def running_emulator(folder: Path | None = None) -> Iterator[BigQueryEmulator]:
    """A folder that is named is kept, with what was stored in it."""
    python = emulator()
    if python is None:
        raise RuntimeError(f"the BigQuery emulator is not there; {MEND}")
    home = folder or Path(tempfile.mkdtemp(prefix="convergence-bq-", dir=IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None))
    home.mkdir(parents=True, exist_ok=True)
    port, storage = free_port(), free_port()
    with (home / "log").open("ab") as out:
        process = subprocess.Popen(
            [
                python, "-P", PROGRAM, "serve", "--host", "127.0.0.1", "--port", str(port), "--grpc-port", str(storage),
                "--project", PROJECT, "--data-dir", str(home / "data"),
            ],
            env={"HOME": str(HOME / "home"), "PATH": os.environ["PATH"]}, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        _wait(f"http://127.0.0.1:{port}/bigquery/v2/projects/{PROJECT}/datasets", process, home / "log")
        yield BigQueryEmulator(PROJECT, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{storage}", process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if folder is None:
            shutil.rmtree(home, ignore_errors=True)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10):
                return
        except urllib.error.HTTPError as wrong:
            raise RuntimeError(f"the BigQuery emulator answers {wrong.code}; see {log}") from wrong
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the BigQuery emulator did not start; see {log}") from None
            time.sleep(0.1)
