"""The demo as its user runs it: twice, and with its keys lost in between."""

import json
import re
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

from tests.fakes import made_once
from tests.fakes.running import ROOT, STOP_SECONDS, RunningService, environment, free_port


def run_demo(var: Path, port: int) -> subprocess.CompletedProcess[str]:
    argv = [*command(var, port), "--exit"]
    return subprocess.run(argv, cwd=ROOT, env=environment(var / "unused"), capture_output=True, text=True, timeout=300, check=False)


def command(var: Path, port: int) -> list[str]:
    return [sys.executable, "-m", "src.cli.main", "demo", "--port", str(port), "--var", str(var)]


@dataclass
class Made:
    """What a first demo left behind."""

    var: Path
    port: int
    answer: subprocess.CompletedProcess[str]

    def copied(self, var: Path) -> Path:
        shutil.copytree(self.var, var, symlinks=True, dirs_exist_ok=True)
        return var


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    var, port = tmp_path_factory.mktemp("demo"), free_port()
    made_once.lend_sandbox(var / "demo")
    return Made(var, port, run_demo(var, port))


def test_the_demo_makes_its_organisation_once_and_finds_it_again(made, tmp_path):
    first = made.answer
    made.copied(tmp_path)
    kept = json.loads((tmp_path / "demo.json").read_text())
    with served(tmp_path, made.port) as demo:
        second = demo.said_until("Serving until")
        demo.end(signal.SIGHUP)

    assert first.returncode == 0, first.stdout + first.stderr
    assert "Onboarded demo_org" in first.stdout
    assert f"`make demo PORT={made.port}` serves it again" in first.stdout
    assert "commands to try" not in first.stdout  # nothing serves any more
    for said in (first.stdout, second):
        _, _, ending = said.partition("From its days to its invoices, and what is verified:")
        assert "\n  gcp           EUR   days " in ending
        assert "Can it be trusted? " in ending
    assert "priced anew, 0 rows" not in first.stdout
    assert "since the demo that was here before." not in first.stdout
    assert "since the demo that was here before." in second
    [page] = (tmp_path / "demo").glob("statement-*.html")
    assert "Can it be trusted?" in page.read_text()
    assert set(kept) == {"address", "root_key", "org_slug", "org_key"}
    assert kept["address"] == f"http://127.0.0.1:{made.port}"
    assert kept["org_slug"] == "demo_org"
    assert stat.S_IMODE((tmp_path / "demo.json").stat().st_mode) == 0o600
    assert "its key still holds" in second
    assert "commands to try" in second
    unpriced, priced = rows_of("ft:gpt-4.1", first.stdout)
    assert (unpriced[2], unpriced[4:]) == ("-", [unpriced[3], "model", "unknown"])
    assert (priced[2:], rows_of("ft:gpt-4.1", second)) == ([unpriced[3], unpriced[3], "0.00"], [priced])
    assert "laid by an earlier demo" in second
    for said in (first.stdout, second):
        costs, verified = said.partition("What models cost")[2].split("Verified, by each provider's own report:")
        for provider in ("openai", "anthropic", "deepseek"):
            assert f"\n  {provider} " in verified
            assert f"\n  {provider} " in costs
        told = said.partition("What was told of these runs")[2].splitlines()
        mail, slack, hook = (next(line for line in told if line.startswith(f"  {kind} ")) for kind in ("e-mail", "Slack", "webhook"))
        assert re.match(r"  e-mail +[1-9]\d* to finops@example.com, the last: ", mail), mail
        assert re.match(r"  Slack +[1-9]\d*, the last: ", slack), slack
        hooks = re.match(r"  webhook +([1-9]\d*); the signatures of (\d+) fit", hook)
        assert hooks is not None, hook
        assert hooks[1] == hooks[2]
    assert json.loads((tmp_path / "demo.json").read_text()) == kept
    assert stat.S_IMODE((tmp_path / "demo.log").stat().st_mode) == 0o600


def test_a_demo_whose_keys_are_lost_makes_a_new_key_and_serves_until_ctrl_c(made, tmp_path):
    made.copied(tmp_path)
    lost = json.loads((tmp_path / "demo.json").read_text())
    (tmp_path / "demo.json").unlink()

    with served(tmp_path, free_port()) as demo:
        said = demo.said_until("Serving until")
        refused = run_demo(tmp_path, free_port())
        demo.end(signal.SIGINT)

    assert "a new one was made" in said
    found = json.loads((tmp_path / "demo.json").read_text())
    assert found["org_key"] != lost["org_key"]
    assert found["address"] == demo.address
    assert refused.returncode == 1
    assert f"a demo is running here already, at {demo.address}" in refused.stderr


def test_a_demo_that_is_ended_while_it_works_ends_its_service(made, tmp_path):
    made.copied(tmp_path)
    with served(tmp_path, free_port()) as demo:
        demo.said_until("kept in")

        demo.end(signal.SIGTERM)


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


@dataclass
class Served:
    process: "subprocess.Popen[str]"
    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def said_until(self, words: str) -> str:
        assert self.process.stdout is not None
        said: list[str] = []
        for line in self.process.stdout:
            said.append(line)
            if words in line:
                return "".join(said)
        raise AssertionError(f"it ended before it said {words!r}: {''.join(said)}")

    def end(self, how: signal.Signals) -> None:
        """Its service ends with it."""
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", self.port)) == 0
        self.process.send_signal(how)
        self.process.communicate(timeout=STOP_SECONDS)
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", self.port)) != 0


@contextmanager
def served(var: Path, port: int) -> Iterator[Served]:
    with subprocess.Popen(command(var, port), cwd=ROOT, env=environment(var / "unused"), stdout=subprocess.PIPE, text=True) as demo:
        try:
            yield Served(demo, port)
        finally:
            demo.terminate()
