"""Publishes what OpenAI told of usage and costs, with all that is made of it; with `reprice` the latter alone, anew."""

from src.core.base.identity import Tenant
from src.core.engine.port import Params
from src.core.processors.openai.usage import PROVIDER, REPORTS
from src.core.step.context import StepContext
from src.core.step.reconciliation import rules
from src.core.step.source.days_processor import DaysProcessor


class OpenAICost(DaysProcessor):
    def asked(self, context: StepContext, tenant: Tenant) -> Params:
        """The rules of reconciliation and bill."""
        return rules.asked(context.services, tenant, PROVIDER)


def get_engine() -> OpenAICost:
    return OpenAICost(PROVIDER, REPORTS)
