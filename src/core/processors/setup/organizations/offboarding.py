from dataclasses import asdict

import structlog

from src.core.base.dataset_types import dataset_types
from src.core.base.faults import Conflict, Flaw, Misconfigured, Missing, Rejected
from src.core.base.identity import Tenant
from src.core.base.settings import get_settings
from src.core.base.threads import blocking
from src.core.ledger.tables import orgs
from src.core.step import audit_trail
from src.core.step.context import StepConfig, StepContext, StepResult


class OrgOffboardingProcessor:
    """Closes an organisation in an order that a crash cannot turn: keys stop, data goes, rows go."""

    def __init__(self) -> None:
        self.settings = get_settings()
        self.logger = structlog.get_logger(__name__)

    async def execute(self, step_config: StepConfig, context: StepContext) -> StepResult:
        tenant = context.tenant
        if tenant is None:
            raise Misconfigured("off-boarding was run without a tenant")
        if context.inputs["confirm"] != tenant.org_slug:
            needed = f'off-boarding erases all data of {tenant.org_slug}; it needs "confirm": "{tenant.org_slug}"'
            raise Rejected(needed, flaws=[Flaw("must be the slug again", "confirm")])
        return await blocking(offboard, tenant, context)


def offboard(tenant: Tenant, context: StepContext) -> StepResult:
    services = context.services
    with services.ledger.writing() as unit:
        org = orgs.get(unit, tenant.org_slug)
        if org is None:
            raise Missing(f"there is no organisation {tenant.org_slug}; GET /api/v1/organizations lists them")
        # a unit of its own, before the data goes: a crash after it leaves keys that open nothing, and repeating goes on from there
        orgs.begin_offboarding(unit, tenant.org_slug, services.clock.now())
    dataset = services.warehouse.drop_dataset(tenant)
    with services.ledger.writing() as unit:
        now = services.clock.now()
        # held to the generation that was read: the slug may have been onboarded anew while the dataset went
        rows = orgs.erase(unit, tenant.org_slug, now, org.generation)
        if rows["org_profiles"] == 0:
            raise Conflict(f"organisation {tenant.org_slug} was off-boarded or onboarded anew meanwhile; look at it again")
        erased = {"dataset": {"dataset_id": tenant.dataset, **asdict(dataset)}, "rows": rows}
        audit_trail.note(
            unit,
            services,
            context.actor,
            "organizations.offboard",
            f"organizations/{tenant.org_slug}",
            org_slug=tenant.org_slug,
            details=erased,
        )
        context.still_wanted()
    return {
        "status": "SUCCESS",
        "org_slug": tenant.org_slug,
        "erased": erased,
        "kept": [f"{table}: {what}" for table, what in dataset_types().central.erasing.keeps.items()],
    }


def get_engine() -> OrgOffboardingProcessor:
    return OrgOffboardingProcessor()
