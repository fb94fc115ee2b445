"""What is found by its name: folders of a package, looked up where Python has it."""

from importlib.util import find_spec
from pathlib import Path

from src.core.base.faults import Misconfigured


def root_of(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise Misconfigured(f"{package} is not a package")
    return Path(next(iter(spec.submodule_search_locations)))


def folders_with(package: str, module: str) -> tuple[str, ...]:
    """The names of those folders of the package that have this module."""
    return tuple(sorted(path.parent.name for path in root_of(package).glob(f"*/{module}.py")))


def file_of(package: str, *names: str) -> str:
    """As people look for it: `src/core/providers/gcp/credential.py`."""
    return "/".join([*package.split("."), *names]) + ".py"
