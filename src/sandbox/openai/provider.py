from datetime import date
from pathlib import Path

from starlette.types import ASGIApp

from src.core.base.clock import Clock
from src.sandbox.keyed import NamedKeysApi
from src.sandbox.openai.keys import OpenaiKeys
from src.sandbox.openai.service import OpenaiService


class Openai(NamedKeysApi[OpenaiKeys]):
    """OpenAI as the sandbox knows it."""

    name = "openai"

    def __init__(self, folder: Path, clock: Clock, *, today: date | None = None, rows_per_hour: int = 1) -> None:  # noqa: ARG002
        super().__init__(OpenaiKeys(folder / "credentials"), clock, today)

    @property
    def app(self) -> ASGIApp:
        return OpenaiService(self._keys, self.now).app
