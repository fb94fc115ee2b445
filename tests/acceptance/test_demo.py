"""The demo as its user runs it: twice, and with its keys lost in between."""

import json
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.running import ROOT, STOP_SECONDS, RunningService, environment, free_port


def run_demo(var: Path, port: int) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "src.cli.main", "demo", "--exit", "--port", str(port), "--var", str(var)]
    return subprocess.run(argv, cwd=ROOT, env=environment(var / "unused"), capture_output=True, text=True, timeout=300, check=False)


@dataclass
class Made:
    """What a first demo left behind."""

    var: Path
    port: int
    answer: subprocess.CompletedProcess[str]

    def copied(self, var: Path) -> Path:
        shutil.copytree(self.var, var, dirs_exist_ok=True)
        return var


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    var, port = tmp_path_factory.mktemp("demo"), free_port()
    return Made(var, port, run_demo(var, port))


def test_the_demo_makes_its_organisation_once_and_finds_it_again(made, tmp_path):
    first, port = made.answer, made.port
    made.copied(tmp_path)
    kept = json.loads((tmp_path / "demo.json").read_text())
    second = run_demo(tmp_path, port)

    assert first.returncode == 0, first.stdout + first.stderr
    assert "Onboarded demo_org" in first.stdout
    assert f"`make demo PORT={port}` serves it again" in first.stdout
    assert "commands to try" not in first.stdout  # nothing serves any more
    for said in (first.stdout, second.stdout):
        _, _, ending = said.partition("From its days to its invoices, and what is verified:")
        assert "\n  gcp           EUR   days " in ending
        assert "Can it be trusted? " in ending
    assert "priced anew, 0 rows" not in first.stdout
    assert "since the demo that was here before." not in first.stdout
    assert "since the demo that was here before." in second.stdout
    [page] = (tmp_path / "demo").glob("statement-*.html")
    assert "Can it be trusted?" in page.read_text()
    assert set(kept) == {"address", "root_key", "org_slug", "org_key"}
    assert kept["address"] == f"http://127.0.0.1:{port}"
    assert kept["org_slug"] == "demo_org"
    assert stat.S_IMODE((tmp_path / "demo.json").stat().st_mode) == 0o600
    assert second.returncode == 0, second.stdout + second.stderr
    assert "its key still holds" in second.stdout
    unpriced, priced = rows_of("ft:gpt-4.1", first.stdout)
    assert (unpriced[2], unpriced[4:]) == ("-", [unpriced[3], "model", "unknown"])
    assert (priced[2:], rows_of("ft:gpt-4.1", second.stdout)) == ([unpriced[3], unpriced[3], "0.00"], [priced])
    assert "laid by an earlier demo" in second.stdout
    for said in (first.stdout, second.stdout):
        costs, verified = said.partition("What models cost")[2].split("Verified, by each provider's own report:")
        for provider in ("openai", "anthropic", "deepseek"):
            assert f"\n  {provider} " in verified
            assert f"\n  {provider} " in costs
    assert json.loads((tmp_path / "demo.json").read_text()) == kept


def test_a_demo_whose_keys_are_lost_makes_a_new_key(made, tmp_path):
    port = free_port()
    made.copied(tmp_path)
    lost = json.loads((tmp_path / "demo.json").read_text())
    (tmp_path / "demo.json").unlink()

    again = run_demo(tmp_path, port)

    assert again.returncode == 0, again.stdout + again.stderr
    assert "a new one was made" in again.stdout
    found = json.loads((tmp_path / "demo.json").read_text())
    assert found["org_key"] != lost["org_key"]


@pytest.mark.parametrize("wrong", ["not json", "[]"])
def test_a_spoilt_key_file_is_named(tmp_path, wrong):
    (tmp_path / "demo.json").write_text(wrong)

    answer = run_demo(tmp_path, free_port())

    assert answer.returncode == 1
    assert "demo.json" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_taken_port_is_named_with_another(service: RunningService, tmp_path):
    answer = run_demo(tmp_path, service.port)

    assert answer.returncode == 1
    assert f"make demo PORT={service.port + 1}" in answer.stderr


def rows_of(model: str, said: str) -> list[list[str]]:
    """Model, tokens, computed, reported, difference, and why."""
    return [line.split() for line in said.splitlines() if line.startswith(f"  {model} ")]


@contextmanager
def served(var: Path, port: int) -> Iterator["subprocess.Popen[str]"]:
    argv = [sys.executable, "-m", "src.cli.main", "demo", "--port", str(port), "--var", str(var)]
    demo = subprocess.Popen(argv, cwd=ROOT, env=environment(var / "unused"), stdout=subprocess.PIPE, text=True)
    assert demo.stdout is not None
    try:
        for line in demo.stdout:
            if "Serving until" in line:
                break
        yield demo
    finally:
        demo.terminate()
        demo.wait(STOP_SECONDS)
        demo.stdout.close()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_whatever_ends_the_demo_ends_its_service_too(made, tmp_path, ending):
    port = free_port()
    made.copied(tmp_path)
    with served(tmp_path, port) as demo:
        assert json.loads((tmp_path / "demo.json").read_text())["address"].endswith(str(port))
        second = run_demo(tmp_path, free_port())
        assert second.returncode == 1
        assert f"a demo is running here already, at http://127.0.0.1:{port}" in second.stderr

        demo.send_signal(ending)

        demo.wait(STOP_SECONDS)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert stat.S_IMODE((tmp_path / "demo.log").stat().st_mode) == 0o600
