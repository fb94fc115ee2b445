"""Are the billing exports still what the load expects? Google adds columns without notice, and an export can be switched off."""

import structlog

from src.core.base.faults import Misconfigured
from src.core.base.names import did_you_mean
from src.core.base.settings import get_settings
from src.core.base.threads import blocking
from src.core.step.context import StepConfig, StepContext, StepResult
from src.core.step.gcp.columns import REQUIRED, check_exports, read_templates


class GcpExportValidator:
    def __init__(self) -> None:
        self.settings = get_settings()
        self.logger = structlog.get_logger(__name__)
        self.template_dir = self.settings.configs_dir / "gcp" / "bq_etl"
        self.templates = read_templates(self.template_dir / "schema_template.json")

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        name = str(step_config.get("template", "billing_cost"))
        if name not in self.templates:
            raise Misconfigured(f"step {context.step_id}: there is no schema template {name!r}{did_you_mean(name, self.templates)}")
        required = tuple(step_config.get("required", REQUIRED if name == "billing_cost" else ()))
        return await blocking(check_exports, self.templates[name], required, step_config, context)


def get_engine() -> GcpExportValidator:
    return GcpExportValidator()
