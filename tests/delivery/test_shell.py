"""Every shell script of the repository passes shellcheck."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.delivery.stand_ins import ROOT

SOURCED = "# shellcheck shell="
SHELLS = (SOURCED, "#!/bin/sh", "#!/usr/bin/env bash", "#!/bin/bash", "#!/usr/bin/env sh")
FOLDERS = (".", ".ci", "scripts", "deployment", "bench", "tests")


def scripts() -> list[str]:
    files = (path for folder in FOLDERS for path in (ROOT / folder).iterdir() if path.is_file())
    return sorted(str(path.relative_to(ROOT)) for path in files if path.read_bytes()[:40].startswith(tuple(map(str.encode, SHELLS))))


def test_the_scripts_are_found():
    assert {
        ".ci/run",
        "simple_deploy.sh",
        "simple_test.sh",
        "deployment/settings.sh",
        "deployment/entrypoint.sh",
        "scripts/venv.sh",
    } <= set(scripts())


@pytest.mark.parametrize("script", scripts())
def test_shellcheck_has_nothing_to_say(script):
    shellcheck = Path(sys.executable).parent / "shellcheck"

    found = subprocess.run([shellcheck, script], cwd=ROOT, text=True, capture_output=True, check=False)

    assert found.returncode == 0, found.stdout


def is_started(script: str) -> bool:
    return not script.startswith("scripts/") and not (ROOT / script).read_text().startswith(SOURCED)


@pytest.mark.parametrize("script", [script for script in scripts() if is_started(script)])
def test_it_may_be_started_by_its_name(script):
    assert (ROOT / script).stat().st_mode & 0o100
