"""Are the billing exports still what the load expects? Google adds columns without notice, and an export can be switched off."""

from collections.abc import Sequence

import structlog

from src.core.base.faults import Flaw
from src.core.base.settings import get_settings
from src.core.base.threads import blocking
from src.core.step import credentials
from src.core.step.context import StepConfig, StepContext, StepPlace, StepResult
from src.core.step.gcp.columns import BILLING, PROVIDER, ExportCheckConfig, check_exports, read_templates, template_flaws


class GcpExportValidator:
    config_model = ExportCheckConfig

    def __init__(self) -> None:
        self.settings = get_settings()
        self.logger = structlog.get_logger(__name__)
        self.template_dir = self.settings.configs_dir / "gcp" / "bq_etl"
        self.templates = read_templates(self.template_dir / "schema_template.json")

    def check(self, step_config: StepConfig, place: StepPlace) -> Sequence[Flaw]:
        return template_flaws(str(step_config.get("template", BILLING)), self.templates)

    def opens(self, step_config: StepConfig) -> str | None:
        return credentials.opened_by(step_config, PROVIDER)

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        step = ExportCheckConfig.model_validate(step_config)
        return await blocking(check_exports, self.templates[step.template], step.needed, step_config, context)


def get_engine() -> GcpExportValidator:
    return GcpExportValidator()
