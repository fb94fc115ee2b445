from datetime import date
from pathlib import Path

from starlette.types import ASGIApp

from src.core.base.clock import Clock
from src.sandbox.anthropic.keys import AnthropicKeys
from src.sandbox.anthropic.service import AnthropicService
from src.sandbox.keyed import NamedKeysApi


class Anthropic(NamedKeysApi[AnthropicKeys]):
    """Anthropic as the sandbox knows it."""

    name = "anthropic"

    def __init__(self, folder: Path, clock: Clock, *, today: date | None = None, rows_per_hour: int = 1) -> None:  # noqa: ARG002
        super().__init__(AnthropicKeys(folder / "credentials"), clock, today)

    @property
    def app(self) -> ASGIApp:
        return AnthropicService(self._keys, self.now).app
