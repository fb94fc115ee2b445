"""From a folder of the sandbox to its provider: `src/sandbox/<name>/provider.py` has a class called as its folder is, in camel case."""

import importlib
from collections.abc import Mapping
from typing import Any

from src.core.base.discovery import file_of, folders_with
from src.core.base.faults import Misconfigured
from src.sandbox.provider import SandboxProvider

PREFIX = "src.sandbox"
MODULE = "provider"


def providers_in(prefix: str, *given: Any, **named: Any) -> Mapping[str, SandboxProvider]:
    """Every provider there is, each made from what is given."""
    return {name: _made(prefix, name)(*given, **named) for name in folders_with(prefix, MODULE)}


def _made(prefix: str, name: str) -> Any:
    module = importlib.import_module(f"{prefix}.{name}.{MODULE}")
    called = "".join(word.title() for word in name.split("_"))
    made = vars(module).get(called)
    if made is None:
        raise Misconfigured(f"{file_of(prefix, name, MODULE)} has no class {called}, which would be the sandbox's provider {name}")
    return made
