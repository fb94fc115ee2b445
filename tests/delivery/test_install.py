"""scripts/install.sh with stand-ins for pip and uv. That the real ones install what is locked, `make prove-setup` shows."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.delivery.stand_ins import ROOT

RECORDS = """#!/bin/sh
here=$(dirname "$0")
echo "$*" >>"$here/asked"
case "$*" in {cases} esac
if grep -qs -e "$1 $2 $3" "$here/refused"; then echo "WARNING: it is cold"; echo "ERROR: no, says {name}"; exit 1; fi
"""
PIP = RECORDS.format(
    name="pip",
    cases="""
    "-m pip config list") cat "$here/settings"; exit ;;
    "-m pip list") if [ -e "$here/no-pip" ]; then exit 1; fi; exit ;;
    "-m ensurepip"*) rm -f "$here/no-pip"; exit ;;
    *--target*) mkdir -p "$8/bin"; cp "$here/../uv" "$8/bin/uv" ;;""".replace("$8", "${11}"),
)
UV = RECORDS.format(name="uv", cases="""*install*) echo "${UV_DEFAULT_INDEX-}" >"$here/index" ;;""")
BY_UV = "pip install --quiet --python {python} --require-hashes --no-deps -r one.txt -r two.txt"
BY_PIP = "-m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r one.txt -r two.txt"


@dataclass
class Place:
    """A checkout of the scripts and an environment, both empty but for programs that record what they are asked."""

    home: Path

    def __post_init__(self) -> None:
        self.bin = self.home / "environment/bin"
        self.bin.mkdir(parents=True)
        (self.home / "scripts").mkdir()
        for script in ("install.sh", "uv.sh"):
            shutil.copy(ROOT / "scripts" / script, self.home / "scripts")
        (self.home / "requirements-uv.txt").write_text("uv==1\n")
        for program, text in ((self.bin / "python", PIP), (self.bin.parent / "uv", UV)):
            program.write_text(text)
            program.chmod(0o755)
        (self.bin / "settings").write_text(":env:.extra-index-url='https://more.example/simple'\n")

    def install(self, **settings: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["/bin/sh", "scripts/install.sh", "environment", "one.txt", "two.txt"],
            cwd=self.home, env={"PATH": "/usr/bin:/bin", "HOME": str(self.home), **settings}, text=True, capture_output=True, check=False,
        )  # fmt: skip

    def asked(self, folder: Path) -> list[str]:
        log = folder / "asked"
        return log.read_text().splitlines() if log.exists() else []

    @property
    def asked_of_uv(self) -> list[str]:
        return [line for line in self.asked(self.home / ".venv-uv/bin") if line != "--version"]

    @property
    def asked_of_pip(self) -> list[str]:
        return [line for line in self.asked(self.bin) if " list" not in line and "--target" not in line]

    def refuse(self, program: str, beginning: str) -> None:
        (self.bin if program == "pip" else self.home / ".venv-uv/bin").joinpath("refused").write_text(f"{beginning}\n")


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(tmp_path)


def test_uv_installs_and_checks_and_pip_only_brings_uv(place):
    done = place.install()

    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert place.asked_of_uv == [BY_UV.format(python="environment/bin/python"), "pip check --quiet --python environment/bin/python"]
    assert place.asked_of_pip == []
    [brought] = [line for line in place.asked(place.bin) if "--target" in line]
    assert "--require-hashes --no-deps --only-binary :all:" in brought
    assert brought.endswith("requirements-uv.txt")


def test_uv_is_brought_once_and_anew_with_another_lock(place):
    place.install()
    place.install()
    assert len([line for line in place.asked(place.bin) if "--target" in line]) == 1

    (place.home / "requirements-uv.txt").write_text("uv==2\n")
    place.install()

    assert len([line for line in place.asked(place.bin) if "--target" in line]) == 2
    assert sorted(path.name for path in place.home.glob(".venv-uv*")) == [".venv-uv"]


def test_where_uv_fails_pip_installs_and_checks_and_it_is_said_in_a_line(place):
    place.install()
    place.refuse("uv", "pip install --quiet")

    done = place.install()

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "pip installs in the place of uv, which takes longer: uv failed: ERROR: no, says uv\n"
    assert place.asked_of_pip == [BY_PIP, "-m pip check"]


def test_where_uv_is_not_to_be_had_pip_installs(place):
    (place.bin.parent / "uv").write_text("#!/bin/sh\necho 'cannot execute binary file'\nexit 126\n")

    done = place.install()

    assert done.returncode == 0
    assert done.stderr == "pip installs in the place of uv, which takes longer: uv is not to be had: cannot execute binary file\n"
    assert place.asked_of_pip == [BY_PIP, "-m pip check"]
    assert list(place.home.glob(".venv-uv*")) == []


@pytest.mark.parametrize("told", [":env:.no-index='1'", "global.no-index='true'", "install.no-index='on'"])
def test_uv_asks_no_index_where_pip_may_ask_none(place, told):
    (place.bin / "settings").write_text(f"{told}\n")

    assert place.install().stderr == "pip installs in the place of uv, which takes longer: pip is told to ask no index\n"
    assert place.asked_of_uv == []
    assert place.asked_of_pip == [BY_PIP, "-m pip check"]

    assert place.install(UV_OFFLINE="1").stderr == ""
    assert len(place.asked_of_uv) == 2


@pytest.mark.parametrize(
    ("told", "own", "index"),
    [
        ("global.extra-index-url='https://more.example/simple'\nglobal.no-index='0'", {}, ""),
        ("global.index-url='https://mirror.example/simple'", {}, "https://mirror.example/simple"),
        (
            ":env:.index-url='https://here.example/simple'\nglobal.index-url='https://mirror.example/simple'",
            {},
            "https://here.example/simple",
        ),
        ("global.index-url='https://mirror.example/simple'", {"UV_DEFAULT_INDEX": "https://own.example"}, "https://own.example"),
    ],
)
def test_uv_asks_the_index_that_pip_asks_unless_it_is_told_of_its_own(place, told, own, index):
    (place.bin / "settings").write_text(f"{told}\n")

    assert place.install(**own).stderr == ""
    assert (place.home / ".venv-uv/bin/index").read_text() == f"{index}\n"


def test_what_was_broken_off_is_installed_again_from_the_beginning(place):
    place.install()
    place.refuse("uv", "pip install --quiet")
    place.refuse("pip", "-m pip install")

    broken = place.install()

    assert broken.returncode == 1
    assert "ERROR: no, says pip" in broken.stdout
    assert "run this again: nothing needs to be removed" in broken.stderr
    assert "PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER" in broken.stderr

    (place.bin / "refused").unlink()
    again = place.install()
    (place.home / ".venv-uv/bin/refused").unlink()
    after = place.install()

    assert (again.returncode, after.returncode) == (0, 0)
    assert "--reinstall -r one.txt" in place.asked_of_uv[-3]
    assert "--force-reinstall -r one.txt" in place.asked_of_pip[-2]
    assert "--reinstall" not in place.asked_of_uv[-2]


def test_a_pip_that_does_not_run_is_put_back(place):
    (place.bin / "no-pip").touch()

    done = place.install()

    assert done.returncode == 0
    assert done.stderr.startswith("pip does not run in environment: ")
    assert len(place.asked_of_uv) == 2


def test_packages_that_do_not_go_together_are_an_error_with_a_mend(place):
    place.install()
    place.refuse("uv", "pip check --quiet")

    done = place.install()

    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == [
        "ERROR: no, says uv",
        "environment holds packages that do not go together, left from an older lock or put there by hand. Remove it, then run this again.",
    ]


STAMPS = {
    ".venv/run.stamp": "requirements.txt",
    ".venv/dev.stamp": "requirements-dev.txt",
    ".venv-bench/stamp": "requirements-bench.txt",
    ".venv-client/stamp": "requirements-client.txt",
    ".venv-engines/stamp": "requirements-engines.txt",
}


@pytest.mark.parametrize(("stamp", "lock"), STAMPS.items())
def test_an_environment_is_renewed_when_its_lock_or_what_installs_it_is(tmp_path, stamp, lock):
    for source in (ROOT / "Makefile", *ROOT.glob("requirements*.txt"), *(ROOT / "scripts").glob("*.sh")):
        copy = tmp_path / source.relative_to(ROOT)
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(source, copy)
    for day, each in enumerate(STAMPS):
        (tmp_path / each).parent.mkdir(exist_ok=True)
        subprocess.run(["touch", "-d", f"2099-01-0{day + 1}", tmp_path / each], check=True)

    def is_due(*changed: str) -> bool:
        told = [word for name in changed for word in ("-W", name)]
        asked = ["make", "-q", *told, stamp]
        return subprocess.run(asked, cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, check=False, capture_output=True).returncode == 1

    assert not is_due()
    for name in (lock, "requirements-uv.txt", "scripts/install.sh", "scripts/uv.sh", "scripts/venv.sh"):
        assert is_due(name), name


def test_no_line_that_installs_lets_an_installer_resolve():
    places = [ROOT / name for name in ("Makefile", "Dockerfile", "README.md", ".ci/run")] + sorted((ROOT / "scripts").glob("*.sh"))
    lines = [
        line for path in places for line in re.sub(r"\\\n\s*", "", path.read_text()).splitlines() if re.search(r"pip['\"]? install ", line)
    ]

    assert len(lines) >= 5
    for line in lines:
        assert "--require-hashes" in line, line
        assert "--no-deps" in line, line
