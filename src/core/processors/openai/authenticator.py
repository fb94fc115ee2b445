import structlog

from src.core.base.settings import get_settings
from src.core.base.threads import blocking
from src.core.step import credentials
from src.core.step.context import StepConfig, StepContext, StepResult
from src.core.step.credentials import CredentialConfig

PROVIDER = "openai"


class OpenAIAuthenticator:
    """Opens the organisation's admin key for the steps after it. OpenAI takes the key itself with every call, and gives no token for it."""

    config_model = CredentialConfig

    def __init__(self) -> None:
        self.settings = get_settings()
        self.logger = structlog.get_logger(__name__)

    def opens(self, step_config: StepConfig) -> str | None:
        return credentials.opened_by(step_config, PROVIDER)

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        opened = await blocking(credentials.opened, step_config, context, PROVIDER)
        return credentials.handed_over(opened)


def get_engine() -> OpenAIAuthenticator:
    return OpenAIAuthenticator()
