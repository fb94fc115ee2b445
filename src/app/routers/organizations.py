import asyncio
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Path, Query, Request

from src.app.answers.records import key_answer, organization_answer
from src.app.answers.recovered import onboarded, opened_key, rotated
from src.app.dependencies.audited import audited
from src.app.dependencies.auth import Admin, CurrentOrg, access, admin_of, caller_of, door_of, org_of, parts_of
from src.app.dependencies.once import OnceRoute, Repeat, once
from src.app.dependencies.tenants import tenant_of
from src.app.models.organizations import (
    DryRunAnswer,
    KeyList,
    OffboardAnswer,
    OffboardRequest,
    OnboardAnswer,
    OrganizationAnswer,
    OrganizationPage,
    OrganizationRequest,
    RevokeAnswer,
    RotateAnswer,
    RotateRequest,
    WhoAmI,
)
from src.core.base.faults import Missing, NotYours
from src.core.base.names import slug_flaw
from src.core.base.threads import blocking
from src.core.ledger.tables import orgs
from src.core.step import api_keys

router = APIRouter(prefix="/api/v1", tags=["organizations"], route_class=OnceRoute)

Slug = Annotated[str, Path(max_length=200, description="The organisation")]


@router.get("/whoami", summary="What this key is", **access("org"))
async def whoami(request: Request) -> WhoAmI:
    org = org_of(request)
    return WhoAmI(
        org_slug=org.tenant.org_slug,
        dataset_id=org.tenant.dataset,
        environment=org.tenant.environment.value,
        api_key_fingerprint=org.key.fingerprint if org.key else None,
    )


@router.get("/organizations", summary="List organisations", **access("root", conditional=True))
async def list_organizations(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=50, description="`next_cursor` of the page before")] = None,
    status: Annotated[Literal["ACTIVE", "OFFBOARDING"] | None, Query(description="Only those in this state")] = None,
) -> OrganizationPage:
    # one more than is shown tells whether a page follows, without a count
    found = await blocking(parts_of(request).ledger.read, orgs.page, after=cursor, limit=limit + 1, status=status)
    shown = found[:limit]
    return OrganizationPage(
        organizations=[organization_answer(org) for org in shown], next_cursor=shown[-1].org_slug if len(found) > limit else None
    )


@router.get("/organizations/{org_slug}", summary="Show one organisation", **access("root_or_org"))
async def get_organization(request: Request, org_slug: Slug) -> OrganizationAnswer:
    found = await parts_of(request).glance(orgs.get, org_slug)
    if found is None:
        raise Missing(f"there is no organisation {org_slug!r}; GET /api/v1/organizations lists them")
    return organization_answer(found)


@router.post("/organizations/dryrun", summary="Check an organisation before onboarding; creates nothing", **access("root"))
async def dryrun(request: Request, body: OrganizationRequest) -> DryRunAnswer:
    admin = admin_of(request)
    # of a wrong slug no tenant can be made; the checks tell of it, beside all else that is wrong
    tenant = None if slug_flaw(body.org_slug) else admin.tenant(body.org_slug)
    outcome = await admin.parts.executor.run(
        "setup/organizations/dryrun", actor=admin.actor, tenant=tenant, inputs=body.model_dump(exclude_none=True)
    )
    return DryRunAnswer.model_validate(outcome.require().of("validate_organization"))


@router.post("/organizations/onboard", status_code=201, summary="Create an organisation and its key", **access("root"))
@once(Repeat(onboarded, "api_key", opened_key))
async def onboard(request: Request, body: OrganizationRequest) -> OnboardAnswer:
    admin = admin_of(request)
    tenant = None if slug_flaw(body.org_slug) else admin.tenant(body.org_slug)
    turns: asyncio.Semaphore = request.app.state.onboarding_turns
    # each holds a dataset open; more at once than may be open would refuse each other
    async with turns, audited(admin.parts, admin.actor, "organizations.onboard", f"organizations/{body.org_slug}"):
        outcome = await admin.parts.executor.run(
            "setup/organizations/onboarding", actor=admin.actor, tenant=tenant, inputs=body.model_dump(exclude_none=True)
        )
        made = outcome.require().of("load_organization")
    return OnboardAnswer.model_validate({**made, "api_key": made["api_key"].reveal(), "pipeline_logging_id": outcome.run_id})


@router.delete("/organizations/{org_slug}", summary="Close an organisation and erase its data", **access("root"))
async def offboard(request: Request, org_slug: Slug, body: OffboardRequest) -> OffboardAnswer:
    admin = admin_of(request)
    try:
        async with audited(admin.parts, admin.actor, "organizations.offboard", f"organizations/{org_slug}", org_slug):
            outcome = await admin.parts.executor.run(
                "setup/organizations/offboarding",
                actor=admin.actor,
                tenant=admin.tenant(org_slug),
                inputs={"org_slug": org_slug, **body.model_dump()},
            )
            erased = outcome.require().of("transform_to_tombstone")
    # also when it broke off: the keys stop with the mark it begins with, not where it ends
    finally:
        door_of(request).keys.forget(org_slug)
    return OffboardAnswer.model_validate(erased)


@router.get(
    "/organizations/{org_slug}/keys", summary="List an organisation's keys by fingerprint", **access("root_or_org", conditional=True)
)
async def list_keys(request: Request, org_slug: Slug) -> KeyList:
    caller = caller_of(request)
    parts = parts_of(request)
    found = await blocking(parts.ledger.read, api_keys.listing, tenant_of(caller, org_slug).org_slug)
    return KeyList(org_slug=org_slug, keys=[key_answer(record, parts.clock.now()) for record in found])


@router.post("/organizations/{org_slug}/keys/rotate", status_code=201, summary="Make a new key", **access("root_or_org"))
@once(Repeat(rotated, "api_key", opened_key))
async def rotate_key(request: Request, org_slug: Slug, body: Annotated[RotateRequest, Body(default_factory=RotateRequest)]) -> RotateAnswer:
    caller = caller_of(request)
    parts = parts_of(request)
    hours = parts.settings.key_grace_hours if body.grace_hours is None else body.grace_hours
    async with audited(parts, caller.actor, "keys.rotate", f"organizations/{org_slug}/keys", org_slug):
        # within, so that the attempt stands in the audit trail
        _not_with_an_expiring_key(caller)
        made = await blocking(api_keys.rotate, parts, caller.actor, tenant_of(caller, org_slug), timedelta(hours=hours))
    door_of(request).keys.forget(org_slug)
    return RotateAnswer(
        org_slug=org_slug,
        api_key=made.minted.key.reveal(),
        api_key_fingerprint=made.minted.fingerprint,
        replaced=[key_answer(record, parts.clock.now()) for record in made.replaced],
    )


@router.delete("/organizations/{org_slug}/keys/{fingerprint}", summary="Revoke a key, at once", **access("root_or_org"))
async def revoke_key(request: Request, org_slug: Slug, fingerprint: Annotated[str, Path(max_length=64)]) -> RevokeAnswer:
    caller = caller_of(request)
    parts = parts_of(request)
    async with audited(parts, caller.actor, "keys.revoke", f"organizations/{org_slug}/keys/{fingerprint}", org_slug):
        _not_with_an_expiring_key(caller, fingerprint)
        await blocking(api_keys.revoke, parts, caller.actor, tenant_of(caller, org_slug).org_slug, fingerprint)
    door_of(request).keys.forget(org_slug)
    return RevokeAnswer(org_slug=org_slug, api_key_fingerprint=fingerprint, state="revoked")


def _not_with_an_expiring_key(caller: Admin | CurrentOrg, revoked: str | None = None) -> None:
    """Else whoever holds a key that was rotated away could make itself a new one while the grace lasts. It may end itself."""
    if not isinstance(caller, CurrentOrg) or caller.key is None or caller.key.expires_at is None:
        return
    if caller.key.fingerprint != revoked:
        raise NotYours("this key is being replaced and makes or revokes no other keys; use the newer key, or the root key")
