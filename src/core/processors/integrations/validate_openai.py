import structlog

from src.core.base.settings import get_settings
from src.core.base.threads import blocking
from src.core.step import probe
from src.core.step.context import StepConfig, StepContext, StepResult

PROVIDER = "openai"


class OpenAICredentialProcessor:
    config_model = probe.ProbeConfig

    def __init__(self) -> None:
        self.settings = get_settings()
        self.logger = structlog.get_logger(__name__)

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        return await blocking(probe.validate, PROVIDER, step_config, context)


def get_engine() -> OpenAICredentialProcessor:
    return OpenAICredentialProcessor()
