"""Carries out the onboarding plan: the dataset first, which may be repeated, then one ledger transaction."""

from datetime import datetime
from decimal import Decimal

from src.core.base.dataset_types import dataset_types
from src.core.base.faults import Conflict, Misconfigured
from src.core.base.identity import Actor, Tenant
from src.core.base.names import OrgSlug
from src.core.engine.port import Fence
from src.core.ledger.tables import orgs
from src.core.ledger.tables.orgs import NewOrg
from src.core.step import api_keys, audit_trail, credentials
from src.core.step.context import Services, StepContext, StepResult
from src.core.step.onboarding import profile
from src.core.step.onboarding.plan import Dataset, OnboardingPlan, plan, requested, taken_message

PROBE = Decimal("1234567.123456789")  # all nine digits of a NUMERIC


def onboard(dataset: Dataset, context: StepContext) -> StepResult:
    services, tenant = context.services, context.tenant
    made = plan(requested(context.inputs, services), services, tenant)
    made.require()
    if tenant is None or tenant.org_slug != made.request.org_slug:
        raise Misconfigured("onboarding was run without the tenant it onboards")
    now = services.clock.now()
    org = _new_org(made, tenant, now, services)
    # before the ledger: a dataset without an organisation is adopted by the next try, an organisation without a dataset could load nothing
    created = services.warehouse.ensure_dataset(tenant)
    tables = _fill_dataset(dataset, tenant, org, context)
    # outside the unit, for Cloud KMS may take its time while others wait to write
    minted = api_keys.mint(services, tenant.org_slug)
    with services.ledger.writing() as unit:
        # the plan looked before the dataset was made; somebody else may have taken the slug since
        if not orgs.create(unit, org):
            raise Conflict(taken_message(tenant.org_slug))
        api_keys.store(unit, minted, now)
        audit_trail.note(
            unit,
            services,
            context.actor,
            "organizations.onboard",
            f"organizations/{tenant.org_slug}",
            org_slug=tenant.org_slug,
            details={
                "plan": org.plan.name,
                "api_key_fingerprint": minted.fingerprint,
                "dataset_id": tenant.dataset,
                "dataset_created": created,
                "tables_created": tables,
                "views_created": list(dataset.views),
                "pipeline_logging_id": context.run_id,
            },
        )
        context.still_wanted()
    return {
        "status": "SUCCESS",
        "org_slug": tenant.org_slug,
        "api_key": minted.key,
        "api_key_fingerprint": minted.fingerprint,
        "subscription_plan": org.plan.name,
        "dataset_id": tenant.dataset,
        "dataset_created": created,
        "tables_created": tables,
        "views_created": list(dataset.views),
    }


def _new_org(made: OnboardingPlan, tenant: Tenant, now: datetime, services: Services) -> NewOrg:
    return NewOrg(
        org_slug=tenant.org_slug,
        company_name=made.request.company_name.strip(),
        admin_email=made.request.admin_email,
        plan=services.ledger.plans.get(made.request.subscription_plan),
        timezone=made.request.timezone,
        dataset_id=tenant.dataset,
        created_at=now,
        generation=services.ledger.read(orgs.next_generation, OrgSlug(made.request.org_slug)),
    )


def make_dataset(services: Services, actor: Actor, tenant: Tenant) -> bool:
    """Where it or a table of it is absent; whether the dataset was. What was in one that went is not in it: its sources are read again."""
    # one that is being off-boarded has its dataset dropped, and nobody would drop it again
    services.ledger.read(credentials.living, tenant.org_slug, tenant.generation)
    dataset = Dataset.read(services.settings.configs_dir / dataset_types().organization.folder)
    created = services.warehouse.ensure_dataset(tenant)
    tables = _shape(dataset, tenant, services)
    profile.follow(services, tenant)
    if created or tables:
        details = {"dataset_created": created, "tables_created": tables}
        resource = f"datasets/{tenant.dataset}"
        services.ledger.write(audit_trail.note, services, actor, "tenants.dataset", resource, org_slug=tenant.org_slug, details=details)
    return created


def _shape(dataset: Dataset, tenant: Tenant, services: Services) -> list[str]:
    """The tables that lacked."""
    created = [schema.name for schema in dataset.schemas if services.warehouse.ensure_table(tenant, schema).created]
    for name, text in dataset.views.items():
        services.warehouse.ensure_view(tenant, name, text)
    return created


def _fill_dataset(dataset: Dataset, tenant: Tenant, org: NewOrg, context: StepContext) -> list[str]:
    warehouse = context.services.warehouse
    created = _shape(dataset, tenant, context.services)
    own = dataset_types().organization.housekeeping
    record = {
        "org_slug": org.org_slug,
        "run_id": context.run_id,
        "message": "onboarding wrote and read this record",
        "amount": PROBE,
        "written_at": org.created_at,
    }
    # by the clock, but never below what was published: a clock may step back
    generation = max(int(org.created_at.timestamp() * 1_000_000), warehouse.last_generation(tenant, profile.SCOPE) + 1)
    with warehouse.publication(tenant, context.run_id, Fence(profile.SCOPE, generation)) as publication:
        publication.replace(own.profile, [profile.of_new(org)])
        publication.replace(own.validation, [record])
        back = publication.query(profile.query(context.services, "read_back")).to_pylist()
        # a warehouse that rounds money would be noticed here, before the first bill is loaded into it
        if back != [{"run_id": context.run_id, "amount": PROBE}]:
            raise Misconfigured(f"the dataset {tenant.dataset} does not give back what was written to it: {back!r}")
        context.still_wanted()
    return created
