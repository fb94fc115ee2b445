from dataclasses import asdict

import structlog

from src.core.base.dataset_types import dataset_types
from src.core.base.settings import get_settings
from src.core.base.threads import blocking
from src.core.step import audit_trail
from src.core.step.context import StepConfig, StepContext, StepResult
from src.core.step.onboarding.plan import OnboardingPlan, plan, requested


class OrgDryRunProcessor:
    """Shows what onboarding would meet, and creates nothing but its own log."""

    def __init__(self) -> None:
        self.settings = get_settings()
        self.logger = structlog.get_logger(__name__)
        self.template_dir = self.settings.configs_dir / dataset_types().organization.folder

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        request = requested(context.inputs, context.services)
        made = await blocking(plan, request, context.services, context.tenant)
        await blocking(_note, made, context)
        return {
            "status": "SUCCESS",
            "org_slug": request.org_slug,
            "subscription_plan": request.subscription_plan,
            "ready_for_onboarding": made.ready,
            "checks": [asdict(check) for check in made.checks],
        }


def _note(made: OnboardingPlan, context: StepContext) -> None:
    ledger = context.services.ledger
    # before bootstrap there is no table to note it in, and that is what the dry run then tells
    if ledger.missing():
        return
    details = {"ready_for_onboarding": made.ready, "failed": [check.name for check in made.checks if check.result == "failed"]}
    resource = f"organizations/{made.request.org_slug[:50]}"
    ledger.write(audit_trail.note, context.services, context.actor, "organizations.dryrun", resource, details=details)


def get_engine() -> OrgDryRunProcessor:
    return OrgDryRunProcessor()
