"""Publishes what was staged of DeepSeek with all that is made of it; with `reprice` the latter alone. A file that is published goes."""

from src.core.base.identity import Tenant
from src.core.base.threads import blocking
from src.core.engine.port import Params
from src.core.imports import files
from src.core.processors.deepseek.usage import PROVIDER, REPORTS
from src.core.step.context import StepConfig, StepContext, StepResult
from src.core.step.reconciliation import rules
from src.core.step.source.days_processor import DaysProcessor


class DeepSeekCost(DaysProcessor):
    def asked(self, context: StepContext, tenant: Tenant) -> Params:
        """The rules of reconciliation and bill."""
        return rules.asked(context.services, tenant, PROVIDER)

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        result = await super().execute(step_config, context)
        import_id = context.inputs.get("import_id")
        if import_id is not None and context.tenant is not None:
            await blocking(files.forget, context.services, context.tenant, str(import_id))
        return result


def get_engine() -> DeepSeekCost:
    return DeepSeekCost(PROVIDER, REPORTS)
