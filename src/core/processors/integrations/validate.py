import structlog

from src.core.base.faults import Misconfigured
from src.core.base.settings import get_settings
from src.core.base.threads import blocking
from src.core.providers.directory import known_providers
from src.core.step import probe
from src.core.step.context import StepConfig, StepContext, StepResult


class CredentialProcessor:
    """Asks `provider` about the credential among the inputs, or again about the stored one that `credential_from` opened."""

    def __init__(self) -> None:
        self.settings = get_settings()
        self.logger = structlog.get_logger(__name__)
        self.providers = known_providers(self.settings.configs_dir)

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        if "provider" not in step_config:
            raise Misconfigured(f"step {context.step_id}: its config must name the `provider` that is asked")
        provider = self.providers.served(str(step_config["provider"])).name
        return await blocking(probe.validate, provider, step_config, context)


def get_engine() -> CredentialProcessor:
    return CredentialProcessor()
