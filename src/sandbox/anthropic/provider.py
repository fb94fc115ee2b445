from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from threading import Event

from starlette.types import ASGIApp

from src.core.base.clock import Clock
from src.sandbox.anthropic.keys import AnthropicKeys
from src.sandbox.anthropic.service import AnthropicService


class Anthropic:
    """Anthropic as the sandbox knows it."""

    def __init__(self, folder: Path, clock: Clock, *, today: date | None = None, rows_per_hour: int = 1) -> None:  # noqa: ARG002
        self._clock = clock
        self._today = today
        self._keys = AnthropicKeys(folder / "credentials")

    @property
    def app(self) -> ASGIApp:
        return AnthropicService(self._keys, self._now).app

    def endpoints(self, base: str) -> Mapping[str, str]:
        return {"anthropic.api": base}

    def prepare(self) -> None:
        self._keys.lay()

    def prepare_more(self, stopping: Event) -> None:
        """All is there already."""

    def key(self, name: str) -> str:
        """As an organisation would store it."""
        return self._keys.text(name)

    def _now(self) -> datetime:
        now = self._clock.now()
        return now if self._today is None else datetime.combine(self._today, now.timetz())
