from datetime import date
from typing import Final

from fastapi import APIRouter, Request

from src.app.dependencies.audited import audited
from src.app.dependencies.auth import KeyedRoute, access, caller_of, parts_of
from src.app.dependencies.tenants import living_tenant
from src.app.models.used_since import UsedSinceAnswer, UsedSinceRequest
from src.app.routers.costs import Slug
from src.core.base.identity import Tenant
from src.core.base.threads import blocking
from src.core.costs import used_since
from src.core.providers.directory import known_providers

router = APIRouter(prefix="/api/v1/costs", tags=["costs"], route_class=KeyedRoute)

PATH: Final = "/{org_slug}/used-since/{provider}"


@router.get(PATH, summary="Since when a provider is used", **access("root_or_org", conditional=True))
async def get_used_since(request: Request, org_slug: Slug, provider: str) -> UsedSinceAnswer:
    named = known_providers(parts_of(request).settings.configs_dir).served(provider).name
    tenant = await living_tenant(request, org_slug)
    return _answer(tenant, named, await blocking(parts_of(request).ledger.read, used_since.told, tenant.org_slug, named))


@router.put(PATH, summary="Tell since when a provider is used", **access("root_or_org"))
async def put_used_since(request: Request, org_slug: Slug, provider: str, body: UsedSinceRequest) -> UsedSinceAnswer:
    parts, actor = parts_of(request), caller_of(request).actor
    tenant = await living_tenant(request, org_slug)
    resource = f"costs/{tenant.org_slug}/rules"
    async with audited(parts, actor, "costs.rules", resource, tenant.org_slug, generation=tenant.generation):
        named = known_providers(parts.settings.configs_dir).served(provider).name
        await blocking(used_since.tell, parts, actor, tenant, named, body.since)
    return _answer(tenant, named, body.since)


def _answer(tenant: Tenant, provider: str, since: date | None) -> UsedSinceAnswer:
    return UsedSinceAnswer(org_slug=tenant.org_slug, provider=provider, used_since=since)
