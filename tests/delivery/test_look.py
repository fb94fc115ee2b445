"""simple_test.sh against services that are well, not yet made, wide open, and slow to be ready."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.delivery.stand_ins import ROOT
from tests.fakes.running import ROOT_KEY, RunningService, free_port

LOOK = str(ROOT / "simple_test.sh")


def look(address: str, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "BASE_URL": address, **settings}
    return subprocess.run([LOOK, *(arguments or ("local",))], env=environment, text=True, capture_output=True, timeout=300, check=False)


def test_a_service_that_is_well_passes(closed):
    done = look(closed.address, CA_ROOT_API_KEY=ROOT_KEY)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "all is well" in done.stdout
    assert "FAIL" not in done.stdout
    assert "the root key lists organisations" in done.stdout
    assert ROOT_KEY not in done.stdout + done.stderr


def test_another_root_key_and_another_environment_fail(closed):
    done = look(closed.address, "prod", CA_ROOT_API_KEY="admin_of_somewhere_else")

    assert done.returncode == 1
    assert "the root key got 401" in done.stdout
    assert "expected is a healthy service whose ENVIRONMENT is production" in done.stdout
    assert "2 failed" in done.stdout


def test_one_that_lets_everybody_through_fails(wide_open):
    done = look(wide_open.address)

    assert done.returncode == 1
    assert "no key got 200" in done.stdout
    assert "is DISABLE_AUTH set?" in done.stdout


def test_one_that_is_not_bootstrapped_fails(tmp_path):
    service = RunningService(tmp_path / "data").start()
    try:
        done = look(service.address)
    finally:
        service.stop()

    assert done.returncode == 1
    assert "it is not bootstrapped" in done.stdout
    assert "1 failed" in done.stdout


def test_no_answer_fails_at_once():
    done = look(f"http://127.0.0.1:{free_port()}")

    assert done.returncode == 1
    assert "no answer" in done.stdout


@pytest.mark.parametrize("arguments", [("production",), ("stage", "prod")])
def test_other_words_get_the_usage(arguments):
    assert look("http://127.0.0.1:1", *arguments).returncode == 2


class Slow(BaseHTTPRequestHandler):
    """Well and closed, and not ready for as many questions as the address says."""

    asked: int = 0

    def do_GET(self) -> None:
        _, late, path = self.path.split("/", 2)
        if path == "health":
            self.answer(200, {"status": "healthy", "version": "1", "environment": "development"})
        elif path == "health/ready":
            type(self).asked += 1
            ready = type(self).asked > int(late)
            self.answer(200 if ready else 503, {"status": "ready" if ready else "not ready"})
        else:
            self.answer(401, {"request_id": "r"})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(401, {"request_id": "r"})

    def answer(self, status: int, body: dict[str, str]) -> None:
        text = json.dumps(body).encode()
        self.send_response(404 if self.path.endswith("/openapi.json") else status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def slow() -> Iterator[str]:
    Slow.asked = 0
    server = HTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("late", "code", "asked"), [(2, 0, 3), (9, 1, 3)])
def test_readiness_is_asked_for_three_times_before_it_fails(slow, tmp_path, late, code, asked):
    """With pauses in between, which are written down here and not waited for."""
    pauses = tmp_path / "pauses"
    (tmp_path / "sleep").write_text(f'#!/bin/sh\necho "$1" >> {pauses}\n')
    (tmp_path / "sleep").chmod(0o700)

    done = look(f"{slow}/{late}", PATH=f"{tmp_path}:{os.environ['PATH']}")

    assert done.returncode == code, done.stdout + done.stderr
    assert Slow.asked == asked
    assert pauses.read_text().split() == ["0", "2", "2"]
    assert ("FAIL  GET /health/ready: 503" in done.stdout) == bool(code)
