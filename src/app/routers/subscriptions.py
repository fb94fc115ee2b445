from typing import Annotated

from fastapi import APIRouter, Path, Request

from src.app.dependencies.audited import audited
from src.app.dependencies.auth import KeyedRoute, access, admin_of, parts_of
from src.app.dependencies.tenants import living_tenant
from src.app.models.subscriptions import Allowance, QuotaAnswer, Slots, SubscriptionAnswer, SubscriptionRequest
from src.core.base.threads import blocking
from src.core.scheduler import allowance
from src.core.step import subscriptions
from src.core.step.subscriptions import SubscriptionStanding

router = APIRouter(prefix="/api/v1/organizations", tags=["subscriptions"], route_class=KeyedRoute)

Slug = Annotated[str, Path(max_length=200, description="The organisation")]


@router.put("/{org_slug}/subscription", summary="Set plan, billing status or end of trial", **access("root"))
async def put_subscription(request: Request, org_slug: Slug, body: SubscriptionRequest) -> SubscriptionAnswer:
    admin = admin_of(request)
    async with audited(admin.parts, admin.actor, "subscriptions.update", f"organizations/{org_slug}/subscription", org_slug):
        changed = await blocking(subscriptions.change, admin.parts, admin.actor, admin.tenant(org_slug), body.change())
    return _subscription(changed)


@router.get("/{org_slug}/subscription", summary="Show plan, billing status and limits", **access("root_or_org"))
async def get_subscription(request: Request, org_slug: Slug) -> SubscriptionAnswer:
    tenant = await living_tenant(request, org_slug)
    parts = parts_of(request)
    return _subscription(await blocking(parts.ledger.read, subscriptions.standing, tenant.org_slug, parts.clock.now()))


@router.get("/{org_slug}/quota", summary="What is used, what is left, when it resets", **access("root_or_org"))
async def get_quota(request: Request, org_slug: Slug) -> QuotaAnswer:
    tenant = await living_tenant(request, org_slug)
    found = await blocking(allowance.allowance, parts_of(request), tenant)
    used, org = found.used, found.org
    return QuotaAnswer.model_validate(
        {
            "org_slug": org.org_slug,
            "subscription_plan": org.plan,
            "status": org.subscription_status,
            "timezone": org.timezone,
            "may_run": found.reason is None,
            "reason": found.reason,
            "why": found.why,
            "day": Allowance(**_counted(used.run_today, used.daily_limit), resets_at=found.day_resets),
            "month": Allowance(**_counted(used.run_month, used.monthly_limit), resets_at=found.month_resets),
            "running": Slots(**_counted(used.fresh, used.concurrent_limit)),
        }
    )


def _counted(used: int, limit: int) -> dict[str, int]:
    # a smaller plan may leave more used than it allows
    return {"used": used, "limit": limit, "remaining": max(0, limit - used)}


def _subscription(standing: SubscriptionStanding) -> SubscriptionAnswer:
    found = standing.subscription
    return SubscriptionAnswer(
        org_slug=found.org_slug,
        subscription_plan=found.plan,
        status=found.status,
        may_run=standing.may_run,
        trial_end_date=found.trial_end_date,
        daily_run_limit=found.daily_run_limit,
        monthly_run_limit=found.monthly_run_limit,
        concurrent_run_limit=found.concurrent_run_limit,
        updated_at=found.updated_at,
    )
