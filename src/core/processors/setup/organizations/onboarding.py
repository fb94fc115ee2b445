import structlog

from src.core.base.dataset_types import dataset_types
from src.core.base.settings import get_settings
from src.core.base.threads import blocking
from src.core.step.context import StepConfig, StepContext, StepResult
from src.core.step.onboarding.carry_out import onboard
from src.core.step.onboarding.plan import Dataset


class OrgOnboardingProcessor:
    """Carries out the onboarding plan: the dataset first, which may be repeated, then one ledger transaction."""

    def __init__(self) -> None:
        self.settings = get_settings()
        self.logger = structlog.get_logger(__name__)
        self.template_dir = self.settings.configs_dir / dataset_types().organization.folder
        self.dataset = Dataset.read(self.template_dir)

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        return await blocking(onboard, self.dataset, context)


def get_engine() -> OrgOnboardingProcessor:
    return OrgOnboardingProcessor()
