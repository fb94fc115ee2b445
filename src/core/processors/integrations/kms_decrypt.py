from collections.abc import Sequence

import structlog

from src.core.base.faults import Flaw
from src.core.base.settings import get_settings
from src.core.base.threads import blocking
from src.core.providers.directory import known_providers
from src.core.step import credentials
from src.core.step.context import StepConfig, StepContext, StepPlace, StepResult


class CredentialDecryptProcessor:
    """Opens the run's own organisation's credential of `provider` for the steps after it; it stays a Secret on the way."""

    config_model = credentials.DecryptConfig

    def __init__(self) -> None:
        self.settings = get_settings()
        self.logger = structlog.get_logger(__name__)
        self.providers = known_providers(self.settings.configs_dir)

    def check(self, step_config: StepConfig, place: StepPlace) -> Sequence[Flaw]:
        return credentials.provider_flaws(step_config, self.providers)

    def opens(self, step_config: StepConfig) -> str:
        return self.providers.served(str(step_config["provider"])).name

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        provider = self.opens(step_config)
        # this is the step that others name in `credential_from`: it always opens what is stored
        opened = await blocking(credentials.opened, {**step_config, "credential_from": None}, context, provider)
        return credentials.handed_over(opened)


def get_engine() -> CredentialDecryptProcessor:
    return CredentialDecryptProcessor()
