"""The older document's words for what organisations and integrations do."""

from typing import Annotated

from fastapi import APIRouter, Path, Request

from src.app.answers.recovered import onboarded, opened_key
from src.app.dependencies.audited import audited
from src.app.dependencies.auth import access, caller_of, parts_of
from src.app.dependencies.once import REDO, OnceRoute, Repeat, once
from src.app.dependencies.tenants import living_tenant
from src.app.models.organizations import OnboardAnswer
from src.app.models.tenants import TenantAnswer, TenantCredentialAnswer, TenantCredentialRequest, TenantRequest
from src.app.routers import integrations, organizations
from src.core.base.threads import blocking
from src.core.ledger.tables.answers import NotedRequest
from src.core.step.onboarding.carry_out import make_dataset

router = APIRouter(prefix="/api/v1/tenants", tags=["tenants"], route_class=OnceRoute)

Slug = Annotated[str, Path(max_length=200, description="The organisation, which the older document calls tenant_id")]


async def _onboarded(request: Request, noted: NotedRequest) -> TenantAnswer:
    return _tenant(await onboarded(request, noted))


@router.post("/onboard", status_code=201, summary="Onboard an organisation, by the older path", **access("root"))
@once(Repeat(_onboarded, "api_key", opened_key))
async def onboard_tenant(request: Request, body: TenantRequest) -> TenantAnswer:
    return _tenant(await organizations.onboard(request, body))


@router.post("/{org_slug}/credentials", summary="Try a credential and keep it, by the older path", **access("root_or_org"))
@once(REDO)
async def store_tenant_credential(request: Request, org_slug: Slug, body: TenantCredentialRequest) -> TenantCredentialAnswer:
    tenant, caller, parts = await living_tenant(request, org_slug), caller_of(request), parts_of(request)
    async with audited(parts, caller.actor, "tenants.dataset", f"datasets/{tenant.dataset}", org_slug):
        made = await blocking(make_dataset, parts, caller.actor, tenant)
    stored = await integrations.setup_integration(request, org_slug, body.provider, body.setup())
    return TenantCredentialAnswer(
        tenant_id=tenant.org_slug,
        provider=body.provider,
        action="UPDATED" if stored.replaced else "CREATED",
        dataset_status="CREATED" if made else "EXISTS",
    )


def _tenant(made: OnboardAnswer) -> TenantAnswer:
    return TenantAnswer(tenant_id=made.org_slug, **made.model_dump())
