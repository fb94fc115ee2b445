"""What providers have in common that are one HTTP API and let in whoever has their key."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from secrets import token_hex
from threading import Event
from typing import ClassVar

from src.core.base.clock import Clock
from src.sandbox.credential_file import laid_once


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
