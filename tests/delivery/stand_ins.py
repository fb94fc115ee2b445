"""A folder of programs for a script's PATH: the everyday ones, and a gcloud that records what it is asked."""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EVERYDAY = (
    "bash", "sh", "cat", "cp", "curl", "date", "dirname", "env", "git", "grep", "head", "mkdir", "mktemp", "printf", "rm", "sed", "tr",
)  # fmt: skip
GCLOUD = """#!/bin/sh
here=$(dirname "$0")/..
printf '%s\\037' "$@" >>"$here/asked"
printf '\\n' >>"$here/asked"
for argument in "$@"; do
    case "$argument" in --env-vars-file=* | --flags-file=*) cat "${argument#*=}" >>"$here/files"; printf -- '---\\n' >>"$here/files" ;; esac
done
while IFS= read -r pattern; do
    if printf '%s' "$*" | grep -Eq -- "$pattern"; then cat "$here/words" >&2; exit 1; fi
done <"$here/refused"
case "$*" in
    "auth list"*) cat "$here/account" ;;
    "run services describe"*) echo https://service.example ;;
    "run services list"*) cat "$here/services" ;;
    "secrets versions access"*) cat "$here/secret" ;;
esac
"""
SCRIPTS = ("simple_deploy.sh", "deployment/settings.sh", "deployment/scheduler_jobs.sh")
SECRET = "admin_it's_never_shown_" + "s" * 20


@dataclass(frozen=True)
class Checkout:
    """The scripts in a folder that has settings files of its own."""

    home: Path

    def __post_init__(self) -> None:
        (self.home / "deployment").mkdir(parents=True)
        for script in SCRIPTS:
            shutil.copy(ROOT / script, self.home / script)

    @property
    def deploy(self) -> str:
        return str(self.home / "simple_deploy.sh")

    @property
    def jobs(self) -> str:
        return str(self.home / "deployment/scheduler_jobs.sh")

    def settings(self, target: str, *lines: str) -> "Checkout":
        (self.home / f"deployment/{target}.env").write_text("".join(f"{line}\n" for line in lines))
        return self


@dataclass
class StandIns:
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bin = self.folder / "bin"
        self.bin.mkdir(parents=True)
        for name in EVERYDAY:
            found = shutil.which(name)
            assert found, name
            (self.bin / name).symlink_to(found)
        (self.bin / "gcloud").write_text(GCLOUD)
        (self.bin / "gcloud").chmod(0o755)
        (self.folder / "account").write_text("deployer@example.com\n")
        (self.folder / "secret").write_text(SECRET)
        (self.folder / "services").write_text("")
        self.refusing()

    def refusing(self, *patterns: str, words: str = "ERROR: NOT_FOUND: there is no such thing") -> "StandIns":
        """What gcloud says no to from now on."""
        (self.folder / "words").write_text(f"{words}\n")
        (self.folder / "refused").write_text("".join(f"{pattern}\n" for pattern in patterns))
        return self

    def without(self, program: str) -> "StandIns":
        (self.bin / program).unlink()
        return self

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        scratch = self.folder / "tmp"
        scratch.mkdir(exist_ok=True)
        environment = {"PATH": str(self.bin), "HOME": str(self.folder), "TMPDIR": str(scratch), **self.settings}
        return subprocess.run(
            ["/bin/sh", "-c", 'exec "$@"', "sh", *command], env=environment, text=True, capture_output=True, timeout=120, check=False
        )

    @property
    def asked(self) -> list[list[str]]:
        log = self.folder / "asked"
        return [line.split("\037")[:-1] for line in log.read_text().splitlines()] if log.exists() else []

    def asked_for(self, *beginning: str) -> list[list[str]]:
        return [each for each in self.asked if each[: len(beginning)] == list(beginning)]

    @property
    def files(self) -> str:
        """What stood in the files that commands were given."""
        return (self.folder / "files").read_text()

    @property
    def left(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder / "tmp")) for path in (self.folder / "tmp").rglob("*"))
