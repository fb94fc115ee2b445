"""Where `make engines` put the engines, and why one is not there."""

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".venv-engines"
MEND = "`make engines` installs it"


def postgres_bin() -> Path | None:
    """The folder of PostgreSQL's own programs, which Debian keeps off the PATH."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3].split(".")[0]))
    return versions[-1].parent if versions else None


def emulator() -> Path | None:
    """The Python that has the BigQuery emulator."""
    return _installed("bigquery", "python")


def analyzer() -> Path | None:
    """The Python that has Google's analyzer."""
    return _installed("analyzer", "python")


def required() -> bool:
    """Where CI runs, an engine that is not there is a failure, not a reason to skip."""
    return os.environ.get("CI", "").lower() == "true"


def _installed(environment: str, program: str) -> Path | None:
    folder = HOME / environment
    path = folder / "bin" / program
    return path if (folder / "installed").exists() and path.exists() else None
