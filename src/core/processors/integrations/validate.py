from collections.abc import Sequence

import structlog

from src.core.base.faults import Flaw
from src.core.base.settings import get_settings
from src.core.base.threads import blocking
from src.core.providers.directory import known_providers
from src.core.step import credentials, probe
from src.core.step.context import StepConfig, StepContext, StepPlace, StepResult


class CredentialProcessor:
    """Asks `provider` about the credential among the inputs, or again about the stored one that `credential_from` opened."""

    config_model = probe.ProbeOfProviderConfig

    def __init__(self) -> None:
        self.settings = get_settings()
        self.logger = structlog.get_logger(__name__)
        self.providers = known_providers(self.settings.configs_dir)

    def check(self, step_config: StepConfig, place: StepPlace) -> Sequence[Flaw]:
        return credentials.provider_flaws(step_config, self.providers)

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        provider = self.providers.served(str(step_config["provider"])).name
        return await blocking(probe.validate, provider, step_config, context)


def get_engine() -> CredentialProcessor:
    return CredentialProcessor()
