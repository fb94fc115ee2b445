from collections.abc import Sequence

import structlog

from src.core.base.faults import Flaw
from src.core.base.settings import get_settings
from src.core.notify.step_config import NotifyStep
from src.core.outbox.sending import send_now
from src.core.step.context import StepConfig, StepContext, StepPlace, StepResult


class SlackNotificationEngine:
    config_model = NotifyStep

    def __init__(self) -> None:
        self.settings = get_settings()
        self.logger = structlog.get_logger(__name__)
        self.template_dir = self.settings.configs_dir / "notify_systems" / "slack_notification"

    def check(self, step_config: StepConfig, place: StepPlace) -> Sequence[Flaw]:
        # a pipeline of the platform's has no organisation whose channel it could be
        return () if place.scope == "organisation" else (Flaw("a channel belongs to an organisation; set `scope: organisation`"),)

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        return await send_now(context, "slack", NotifyStep.model_validate(step_config))


def get_engine() -> SlackNotificationEngine:
    return SlackNotificationEngine()
