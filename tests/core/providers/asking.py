"""Sends a key to a provider as the page on processors has it, or `itself`: by a client and the settings of its own."""

from typing import Any

from src.core.base.secret import Secret
from src.core.base.settings import get_settings
from src.core.base.threads import blocking
from src.core.providers.endpoints import endpoint
from src.core.providers.http.auth import bearer
from src.core.providers.http.client import Http
from src.core.providers.link import linked
from src.core.step.context import StepConfig, StepContext, StepResult

KEY = Secret("sk-a-customers-own")


class AskingProcessor:
    def __init__(self) -> None:
        self.settings = get_settings()

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        ask = self._itself if step_config.get("itself") else self._linked
        return {"status": "SUCCESS", "said": await blocking(ask, context, str(step_config["provider"]))}

    def _linked(self, context: StepContext, provider: str) -> Any:
        with linked(context.services, provider) as link:
            return link.http.ask("GET", f"{link.endpoint()}/usage", auth=bearer(KEY)).body

    def _itself(self, _: StepContext, provider: str) -> Any:
        with Http(provider, 60.0) as http:
            return http.ask("GET", f"{endpoint(self.settings, provider)}/usage", auth=bearer(KEY)).body


def get_engine() -> AskingProcessor:
    return AskingProcessor()
