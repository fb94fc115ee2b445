import structlog

from src.core.base.settings import get_settings
from src.core.base.threads import blocking
from src.core.step import credentials, probe
from src.core.step.context import StepConfig, StepContext, StepResult
from src.core.step.credentials import CredentialConfig

PROVIDER = "openai"


class OpenAIValidator:
    """Asks OpenAI about the stored key in a run, and writes down what it says; a run whose key is refused ends here."""

    config_model = CredentialConfig

    def __init__(self) -> None:
        self.settings = get_settings()
        self.logger = structlog.get_logger(__name__)

    def opens(self, step_config: StepConfig) -> str | None:
        return credentials.opened_by(step_config, PROVIDER)

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        return await blocking(probe.require_valid, PROVIDER, step_config, context)


def get_engine() -> OpenAIValidator:
    return OpenAIValidator()
