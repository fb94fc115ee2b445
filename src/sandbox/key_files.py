"""Keys of providers whose organisations have one each: laid in files, and known again when somebody asks with one."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Generic, Literal, Protocol, TypeVar

from src.core.base.faults import Missing
from src.sandbox.credential_file import laid_once

# longer than anybody waits for one answer
SLOW_SECONDS = 900.0
WAIT_SECONDS = 20
WEBPAGE = "<!doctype html><title>Sign in</title><p>This network asks you to sign in first."
Mood = Literal["well", "revoked", "throttled", "busy", "spent", "failing", "overloaded", "slow", "webpage", "broken"]
"""How asking with a key ends: `busy` is throttled and does not say for how long, `spent` has reached what it may spend."""


class KeyOnFile(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def begins(self) -> str: ...


K = TypeVar("K", bound=KeyOnFile)


class KeysByName(Generic[K]):
    """Each in a file of its own, `{provider}-{name}.txt`."""

    def __init__(self, folder: Path, provider: str, title: str, keys: Mapping[str, K]) -> None:
        self._folder = folder
        self._provider = provider
        self._title = title
        self._keys = keys
        self._by_text: dict[str, K] = {}

    def lay(self) -> None:
        self._by_text = {laid_once(self._file(one.name), partial(_new, one.begins)): one for one in self._keys.values()}

    def text(self, name: str) -> str:
        if name not in self._keys:
            raise Missing(f"the sandbox has no key {name!r} of {self._title}; it has {', '.join(self._keys)}")
        return self._file(name).read_text()

    def of(self, text: str) -> K | None:
        return self._by_text.get(text)

    def _file(self, name: str) -> Path:
        return self._folder / f"{self._provider}-{name}.txt"


def _new(begins: str) -> str:
    return f"{begins}{token_hex(32)}"
