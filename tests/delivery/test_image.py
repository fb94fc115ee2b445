"""The image as far as it can be looked at without building it: its recipe, and what it would hold, started as it would be."""

import fnmatch
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
import yaml

from tests.delivery.stand_ins import ROOT
from tests.fakes.running import environment, free_port

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def instructions() -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", "", "\n".join(line for line in DOCKERFILE.splitlines() if not line.startswith("#")))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in joined.splitlines() if line.strip()]


def of(name: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == name]


def copied() -> list[tuple[str, str]]:
    """What comes from the checkout itself, and where it goes."""
    split = [rest.split() for rest in of("COPY") if not rest.startswith("--from")]
    return [(source, target) for *sources, target in split for source in sources]


def test_it_is_made_in_two_stages_from_a_version_that_is_named():
    assert len(of("FROM")) == 2
    assert "latest" not in DOCKERFILE
    assert of("ARG")[0] == "PYTHON=python:3.11-slim-bookworm"


def commands() -> list[list[str]]:
    return [shlex.split(command) for rest in of("RUN") for command in rest.split("&&")]


def installs() -> dict[str, list[str]]:
    """Each command that installs, by the list it installs."""
    return {command[-1]: command for command in commands() if command[0] != "install" and "install" in command}


def test_only_locked_packages_go_in_and_none_is_compiled():
    assert set(installs()) == {"requirements-uv.txt", "requirements.txt"}
    for command in installs().values():
        assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(command)


def test_the_environment_is_checked_holds_its_list_alone_and_comes_compiled():
    environment = ["--python", "/opt/venv/bin/python"]
    wanted = installs()["requirements.txt"]

    assert wanted[:5] == ["uv", "pip", "install", *environment]
    assert "--compile-bytecode" in wanted  # PYTHONDONTWRITEBYTECODE: a start would compile everything anew
    assert ["uv", "pip", "check", *environment] in commands()
    assert not set(environment) & set(installs()["requirements-uv.txt"])
    assert [rest.split() for rest in of("COPY") if rest.startswith("--from")] == [
        ["--from=packages", "/opt/venv", "/opt/venv"],
        ["--from=packages", "/build/src", "./src"],
    ]


def test_it_runs_as_nobody_in_particular():
    user, _, group = of("USER")[-1].partition(":")

    assert re.fullmatch(r"[1-9][0-9]{4,}", user)
    assert group == user
    assert [name for name, _ in instructions()].index("USER") > [name for name, rest in instructions()].index("VOLUME")


def test_programs_are_started_directly():
    assert all(rest.startswith("[") for rest in (*of("ENTRYPOINT"), *of("CMD")))
    [health] = of("HEALTHCHECK")
    assert re.search(r"CMD \[.*os\.environ\['PORT'\].*/health/live", health)


def test_what_it_copies_is_there_and_not_ignored():
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]

    assert copied()
    for source, _ in copied():
        assert (ROOT / source).exists()
        assert any(fnmatch.fnmatch(source.removeprefix("./"), pattern) for pattern in kept), source
    assert not {"tests", "docs", "bench", ".env"} & {source for source, _ in copied()}


@pytest.fixture
def contents(tmp_path) -> Path:
    """What the image has in /app."""
    app: Path = tmp_path / "app"
    app.mkdir()
    for source, target in copied():
        if source in installs():
            continue
        goal = app / target.removeprefix("./").rstrip("/") if target != "./" else app / source
        goal.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, goal, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, goal)
    return app


def code_of(app: Path, data: Path, *arguments: str) -> int:
    """What one that ends by itself answers."""
    process = started(app, data, 1, *arguments)
    try:
        return process.wait(120)
    finally:
        process.kill()
        process.wait()


def started(app: Path, data: Path, port: int, *arguments: str) -> "subprocess.Popen[bytes]":
    settings = environment(data, PYTHONDONTWRITEBYTECODE="1", PORT=str(port))
    settings["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{settings['PATH']}"
    entry = ["/bin/sh", str(app / "deployment/entrypoint.sh"), *arguments]
    with (data.parent / "log").open("ab") as out:
        return subprocess.Popen(entry, cwd=app, env=settings, stdout=out, stderr=out)


def test_what_it_holds_is_enough_to_serve_and_sigterm_reaches_it(contents, tmp_path):
    before = sorted(contents.rglob("*"))
    port, data = free_port(), tmp_path / "data"
    process = started(contents, data, port, "serve")
    try:
        deadline = time.monotonic() + 120
        answer = None
        while answer is None:
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            with suppress(httpx2.TransportError):
                answer = httpx2.get(f"http://127.0.0.1:{port}/health/live", timeout=60, trust_env=False)
            time.sleep(0.05)
        assert answer.status_code == 200
        assert b"python" in Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")[0]  # no shell stands in front of it
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()
    assert sorted(contents.rglob("*")) == before  # it writes nothing beside its data


def test_the_same_image_sets_up_rotates_and_refuses_a_worker_beside_duckdb(contents, tmp_path):
    assert code_of(contents, tmp_path / "data", "setup") == 0, (tmp_path / "log").read_text()
    assert "14 tables and 3 views made" in (tmp_path / "log").read_text()

    again = code_of(contents, tmp_path / "data", "rotate-keyring")  # any command of the command line
    assert again == 0, (tmp_path / "log").read_text()

    assert code_of(contents, tmp_path / "data", "worker") == 78
    assert "WAREHOUSE=bigquery" in (tmp_path / "log").read_text()


def test_cloud_build_builds_pushes_and_deploys_one_image():
    made = yaml.safe_load((ROOT / "deployment/cloudbuild.yaml").read_text())

    assert [step["id"] for step in made["steps"]] == ["build", "push", "deploy"]
    build, push, deploy = made["steps"]
    [image] = made["images"]
    assert f"--tag={image}" in build["args"]
    assert push["args"] == ["push", image]
    assert f'./simple_deploy.sh "${{_ENVIRONMENT}}" --image "{image}"' in deploy["args"][1]
    used = set(re.findall(r"\$\{?(_[A-Z]+)", (ROOT / "deployment/cloudbuild.yaml").read_text()))
    assert set(made["substitutions"]) == used
    assert made["substitutions"]["_ENVIRONMENT"] == ""  # nothing is deployed unless it is named


@pytest.mark.parametrize(("named", "wanted"), [("", []), ("stage", ["stage", "--image", "registry/image:7"])])
def test_its_last_step_deploys_only_where_an_environment_is_named(tmp_path, named, wanted):
    made = yaml.safe_load((ROOT / "deployment/cloudbuild.yaml").read_text())
    [image] = made["images"]
    script = made["steps"][2]["args"][1].replace(image, "registry/image:7").replace("${_ENVIRONMENT}", named)
    (tmp_path / "simple_deploy.sh").write_text('#!/bin/sh\nprintf "%s\\n" "$@" >asked\n')
    (tmp_path / "simple_deploy.sh").chmod(0o755)

    subprocess.run(["bash", "-euc", script], cwd=tmp_path, check=True, capture_output=True)

    asked = tmp_path / "asked"
    assert (asked.read_text().split() if asked.exists() else []) == wanted
