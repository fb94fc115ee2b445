"""Publishes what Anthropic told of usage and costs, with all that is made of it; with `reprice` the latter alone, anew."""

from src.core.base.identity import Tenant
from src.core.engine.port import Params
from src.core.ledger.tables.credentials import list_for
from src.core.processors.anthropic.usage import PROVIDER, REPORTS, AnthropicDays
from src.core.step.context import StepContext
from src.core.step.reconciliation import rules


class AnthropicCost(AnthropicDays):
    def asked(self, context: StepContext, tenant: Tenant) -> Params:
        """The rules of reconciliation and bill, and each organisation that must stand in the reports of the one above it."""
        stored = context.services.ledger.read(list_for, tenant.org_slug)
        own = [one for one in stored if one.provider == PROVIDER]
        children = {f"{self.account(one)} {child}" for one in own for child in (one.metadata or {}).get("children", ())}
        # a list of nothing has no type on BigQuery
        return {**rules.asked(context.services, tenant, PROVIDER), "children": ["", *sorted(children)]}


def get_engine() -> AnthropicCost:
    return AnthropicCost(PROVIDER, REPORTS)
