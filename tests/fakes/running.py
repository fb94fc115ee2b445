"""The service as its users meet it: a real process on loopback, started, killed and started again."""

import atexit
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.fakes import made_once
from tests.fakes.nursery import ROOT as ROOT
from tests.fakes.nursery import Child, Program, started

ROOT_KEY = "admin_" + "k" * 40
PRINTED = "python3 -m uvicorn src.app.main:app --host 0.0.0.0 --port 8000"  # in the README; a test of it holds the two together
START_SECONDS = 180.0
STOP_SECONDS = 90.0
CALL_SECONDS = 120.0

_kept_ports = ExitStack()
atexit.register(_kept_ports.close)


def free_port() -> int:
    """A port that stays this process's own, also while its server is down: only who asks for it by its number gets it."""
    port = socket.socket()
    port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    port.bind(("127.0.0.1", 0))
    number = int(port.getsockname()[1])
    if sys.platform == "linux":
        # bound and never listened on: a server that may use an address again, as all of ours may, has it beside this one there
        _kept_ports.enter_context(port)
    else:
        port.close()
    return number


def environment(data: Path, **settings: str) -> dict[str, str]:
    """Only what a process needs, so that nothing of the developer's own shell leaks in."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "PYENV_VERSION", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "ENVIRONMENT": "development",
        "CA_ROOT_API_KEY": ROOT_KEY,
        "EMBEDDED_DATA_DIR": str(data),
        "LOG_FORMAT": "json",
        "RATE_LIMIT_ENABLED": "false",
        # the schedules that come with a credential fall due at night, also where a test counts runs
        "SCHEDULER_ENABLED": "false",
        "SANDBOX_ROWS_PER_HOUR": str(made_once.ROWS_PER_HOUR),
        **settings,
    }


@dataclass
class RunningService:
    data: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: Child | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.data.parent / f"{self.data.name}.log"

    def start(self) -> "RunningService":
        self._prepare()
        arguments = ["src.app.main:app", "--host", "127.0.0.1", "--port", str(self.port), "--no-access-log"]
        return self._once_it_answers(started(Program("uvicorn", arguments, environment(self.data, **self.settings)), self.log))

    def start_by(self, line: str) -> "RunningService":
        """By a line of a shell as it is printed for people, its port alone changed."""
        self._prepare()
        variables = environment(self.data, **self.settings)
        variables["PATH"] = f"{Path(sys.executable).parent}:{variables['PATH']}"
        command = ["bash", "-c", line.replace("8000", str(self.port))]
        with self.log.open("ab") as output:
            process = subprocess.Popen(command, cwd=ROOT, env=variables, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        return self._once_it_answers(process)

    def _prepare(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        if self.settings.get("SANDBOX") == "true":
            made_once.lend_sandbox(self.data)

    def _once_it_answers(self, process: Child) -> "RunningService":
        self.process = process
        try:
            self._answers(self.process)
        except BaseException:
            self.kill()
            raise
        return self

    def _answers(self, process: Child) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert process.poll() is None, self.log.read_text()[-4000:]
            with suppress(httpx2.TransportError):
                if self.call("GET", "/health/live").status_code == 200:
                    return
            time.sleep(0.02)
        raise AssertionError(f"not up within {START_SECONDS} s: {self.log.read_text()[-4000:]}")

    def call(
        self,
        method: str,
        path: str,
        *,
        root: str | None = None,
        key: str | None = None,
        json: Any = None,
        **headers: str,
    ) -> httpx2.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if root is not None:
            named["X-CA-Root-Key"] = root
        if key is not None:
            named["X-API-Key"] = key
        # without certificates: reading them takes longer than a call on loopback
        with httpx2.Client(base_url=self.address, timeout=CALL_SECONDS, trust_env=False, verify=False) as client:
            return client.request(method, path, headers=named, json=json)

    def admin(self, method: str, path: str, json: Any = None, **headers: str) -> httpx2.Response:
        return self.call(method, path, root=ROOT_KEY, json=json, **headers)

    def bootstrap(self) -> "RunningService":
        answer = self.admin("POST", "/api/v1/admin/bootstrap", {"force_recreate_dataset": False})
        assert answer.status_code == 200, answer.text
        return self

    def onboard(self, slug: str, **more: str) -> httpx2.Response:
        body = {"org_slug": slug, "company_name": f"Company {slug}", "admin_email": "admin@example.com", **more}
        return self.admin("POST", "/api/v1/organizations/onboard", body)

    def key_of(self, slug: str, **more: str) -> str:
        answer = self.onboard(slug, **more)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["api_key"])

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(how)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
