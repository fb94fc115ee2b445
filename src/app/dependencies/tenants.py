from fastapi import Request

from src.app.dependencies.auth import Admin, CurrentOrg, caller_of
from src.core.base.faults import Missing
from src.core.base.identity import Tenant
from src.core.ledger.tables import orgs


def tenant_of(caller: Admin | CurrentOrg, named: str) -> Tenant:
    """The organisation of the key, or for the root key the one that is named, whether it is there or not."""
    return caller.tenant if isinstance(caller, CurrentOrg) else caller.tenant(named)


async def living_tenant(request: Request, named: str) -> Tenant:
    """The organisation of the key, or for the root key any that lives."""
    caller = caller_of(request)
    if isinstance(caller, CurrentOrg):
        return caller.tenant
    # an organisation's key was looked up with its organisation; the root key may name what is not there
    found = await caller.parts.glance(orgs.holder, caller.tenant(named).org_slug)
    if found is None:
        raise Missing(f"there is no organisation {named!r}; GET /api/v1/organizations lists them")
    return caller.tenant(named, found.generation)
