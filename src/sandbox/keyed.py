"""What providers have in common that are one HTTP API and let in whoever has their key, or one of their keys."""

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from secrets import token_hex
from threading import Event
from typing import Any, ClassVar, Generic, TypeVar

from src.core.base.clock import Clock
from src.sandbox.credential_file import laid_once
from src.sandbox.key_files import KeysByName

N = TypeVar("N", bound=KeysByName[Any])


class KeyedApi:
    """The key lies in a file called as the provider, where others of the sandbox's credentials lie."""

    name: ClassVar[str]
    key_begins: ClassVar[str]
    """As the provider's keys do."""

    def __init__(self, folder: Path, clock: Clock, *, today: date | None = None, rows_per_hour: int = 1) -> None:
        self._file = folder / "credentials" / f"{self.name}.txt"
        self._clock = clock
        self._today = today
        self.rows_per_hour = rows_per_hour

    @property
    def key(self) -> str:
        return self._file.read_text()

    @property
    def today(self) -> date:
        return self._today or self._clock.now().date()

    def endpoints(self, base: str) -> Mapping[str, str]:
        return {f"{self.name}.api": base}

    def prepare(self) -> None:
        laid_once(self._file, lambda: f"{self.key_begins}{token_hex(16)}")

    def prepare_more(self, stopping: Event) -> None:
        """All is there already."""


class NamedKeysApi(Generic[N]):
    """Each of its organisations has a key of its own."""

    name: ClassVar[str]

    def __init__(self, keys: N, clock: Clock, today: date | None) -> None:
        self._keys = keys
        self._clock = clock
        self._today = today

    def endpoints(self, base: str) -> Mapping[str, str]:
        return {f"{self.name}.api": base}

    def prepare(self) -> None:
        self._keys.lay()

    def prepare_more(self, stopping: Event) -> None:
        """All is there already."""

    def key(self, name: str) -> str:
        """As an organisation would store it."""
        return self._keys.text(name)

    def now(self) -> datetime:
        now = self._clock.now()
        return now if self._today is None else datetime.combine(self._today, now.timetz())
