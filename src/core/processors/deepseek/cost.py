"""Publishes what was staged of DeepSeek with all that is made of it; with `reprice` the latter alone. A file that is published goes."""

from src.core.base.identity import Tenant
from src.core.base.threads import blocking
from src.core.engine.port import Params
from src.core.imports import files
from src.core.ledger.tables.credentials import list_for
from src.core.processors.deepseek.usage import PROVIDER, REPORTS
from src.core.step.context import StepConfig, StepContext, StepResult
from src.core.step.reconciliation import rules
from src.core.step.source.days_processor import DaysProcessor


class DeepSeekCost(DaysProcessor):
    def asked(self, context: StepContext, tenant: Tenant) -> Params:
        """The rules of reconciliation and bill, and in which currencies each account had a balance when its key was set up."""
        own = [one for one in context.services.ledger.read(list_for, tenant.org_slug) if one.provider == PROVIDER]
        currencies = {f"{self.account(one)} {currency}" for one in own for currency in (one.metadata or {}).get("currencies", ())}
        # a list of nothing has no type on BigQuery
        return {**rules.asked(context.services, tenant, PROVIDER), "currencies": ["", *sorted(currencies)]}

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        result = await super().execute(step_config, context)
        import_id = context.inputs.get("import_id")
        if import_id is not None and context.tenant is not None:
            await blocking(files.forget, context.services, context.tenant, str(import_id))
        return result


def get_engine() -> DeepSeekCost:
    return DeepSeekCost(PROVIDER, REPORTS)
