"""test_10_tenants.py against services that are well and wide open, broken off, and where it lacks something."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from src.core.base.faults import Misconfigured, Unavailable
from test_10_tenants import PLACES, Service, _running_demo, _running_service
from tests.delivery.stand_ins import ROOT
from tests.fakes.made_once import ROWS_PER_HOUR
from tests.fakes.running import ROOT_KEY, RunningService, free_port

TENANTS = str(ROOT / "test_10_tenants.py")


def command(service: RunningService, *arguments: str) -> list[str]:
    return [sys.executable, "-u", TENANTS, "--url", service.address, "--organisations", "3", "--seconds", "240", *arguments]


def given(root_key: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "CA_ROOT_API_KEY": root_key, "SANDBOX_ROWS_PER_HOUR": str(ROWS_PER_HOUR)}


def ten(service: RunningService, *arguments: str, root_key: str = ROOT_KEY) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(service, *arguments), env=given(root_key), cwd=service.data, text=True, capture_output=True, timeout=300, check=False
    )


def until(service: RunningService, line: str) -> "subprocess.Popen[str]":
    """One that has come as far as this line, with bills to read."""
    asked = command(service, "--credential", str(service.data / "sandbox" / "credentials"))
    running = subprocess.Popen(asked, env=given(ROOT_KEY), cwd=service.data, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stdout is not None
    while not running.stdout.readline().strip().startswith(line):
        assert running.poll() is None
    return running


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service whose runs wait for ever."""
    service = RunningService(tmp_path_factory.mktemp("idle") / "data", {"SANDBOX": "true", "WORKER_ENABLED": "false"}).start()
    try:
        yield service.bootstrap()
    finally:
        service.stop()


def slugs(service: RunningService) -> set[str]:
    return {each["org_slug"] for each in service.admin("GET", "/api/v1/organizations?limit=200").json()["organizations"]}


def test_organisations_with_bills_of_their_own_stand_apart_and_are_erased(closed):
    before = slugs(closed)

    done = ten(closed, "--credential", str(closed.data / "sandbox" / "credentials"))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 pairs tried; each stands apart" in done.stdout
    assert done.stdout.count("SUCCESS") == 3
    assert ROOT_KEY not in done.stdout
    assert slugs(closed) == before


def test_without_a_bill_they_are_tried_apart_all_the_same_and_may_be_kept(closed):
    before = slugs(closed)

    done = ten(closed, "--keep")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "figures were not compared" in done.stdout
    assert len(slugs(closed) - before) == 3


def test_where_everybody_is_let_through_none_stands_apart(wide_open):
    before = slugs(wide_open)

    done = ten(wide_open)

    assert done.returncode == 1, done.stdout + done.stderr
    assert "/quota answered 200 to its key" in done.stdout
    assert "not apart or not right: 3" in done.stdout
    assert slugs(wide_open) == before


def test_a_service_that_is_full_is_asked_again_and_one_that_is_down_is_not():
    answers = [httpx2.Response(status, headers={"Retry-After": "0"}) for status in (429, 503)] + [
        httpx2.Response(200),
        httpx2.Response(503),
    ]
    transport = httpx2.MockTransport(lambda _: answers.pop(0))
    service = Service(httpx2.Client(base_url="http://service", transport=transport), ROOT_KEY)

    assert [service.call("GET", "/whoami").status_code for _ in range(2)] == [200, 503]
    assert not answers


def test_a_wrong_root_key_is_told(closed):
    done = ten(closed, root_key="admin_of_somewhere_else")

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("refuses the root key") == 1
    assert len(done.stderr.splitlines()) == 1


def test_the_key_may_have_its_older_name_and_stand_in_a_file(closed, tmp_path):
    (tmp_path / ".env").write_text(f"ADMIN_API_KEY={ROOT_KEY}\n")
    begun = [sys.executable, "-u", TENANTS, "--url", closed.address, "--organisations", "2"]
    done = subprocess.run(begun, env={"PATH": os.environ["PATH"]}, cwd=tmp_path, text=True, capture_output=True, timeout=300, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_without_an_address_the_first_place_is_asked_where_a_service_answers(closed):
    nowhere = f"http://127.0.0.1:{free_port()}"

    assert PLACES == ("http://localhost:8080", "http://localhost:8000")
    assert _running_service([nowhere, closed.address]) == closed.address
    with pytest.raises(Unavailable, match=r"no service answers at .*; start it, or name another with --url"):
        _running_service([nowhere])


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_one_that_is_broken_off_leaves_none_behind(idle, ending):
    before = slugs(idle)
    running = until(idle, "running")
    assert len(slugs(idle) - before) == 3

    running.send_signal(ending)
    running.communicate(timeout=120)

    assert running.returncode == (128 + signal.SIGTERM if ending == signal.SIGTERM else 130)
    assert slugs(idle) == before


def test_what_went_wrong_first_is_told_and_what_is_left(idle):
    running = until(idle, "running")

    idle.kill()
    _, said = running.communicate(timeout=120)
    idle.start()

    assert running.returncode == 2
    assert "GET /pipelines/runs/" in said.splitlines()[-1]
    assert said.count("is still there, erase it by hand: DELETE /organizations/") == 3


def test_the_demo_that_runs_is_found(closed, tmp_path):
    def kept(name: str, address: str) -> Path:
        file: Path = tmp_path / name / "demo.json"
        file.parent.mkdir()
        file.write_text(json.dumps({"address": address, "root_key": ROOT_KEY, "org_key": key}))
        return file

    key = closed.key_of(f"demo_{os.getpid()}")
    here = kept("here", closed.address)
    ended = kept("ended", f"http://127.0.0.1:{free_port()}")
    key = "another_api_0123456789abcdef"
    other = kept("other", closed.address)  # whose place on the port has been taken

    assert _running_demo([tmp_path / "absent.json", ended, other, here]) == here
    with pytest.raises(Misconfigured, match=r"start `make demo` first"):
        _running_demo([tmp_path / "absent.json", ended, other])


@pytest.mark.parametrize("script", ["test_10_tenants.py", "setup_bigquery_datasets.py"])
def test_packages_that_lack_are_named(script):
    done = subprocess.run([sys.executable, "-S", str(ROOT / script)], text=True, capture_output=True, timeout=60, check=False)

    assert done.returncode == 2
    assert f"then: .venv/bin/python {script}" in done.stderr
    assert "Traceback" not in done.stderr
