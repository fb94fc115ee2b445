"""What the billing side says about an organisation's subscription."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from src.core.base.events import Event, stable_id
from src.core.base.faults import Fault, Missing, Unavailable
from src.core.base.identity import Actor, Tenant
from src.core.ledger.store import Unit
from src.core.ledger.tables import events, orgs, slots, subscriptions
from src.core.ledger.tables.subscriptions import Subscription, SubscriptionStatus
from src.core.step import audit_trail
from src.core.step.context import Services
from src.core.step.onboarding import profile


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionChange:
    """What is None stays as it is."""

    plan: str | None = None
    status: SubscriptionStatus | None = None
    trial_end_date: date | None = None
    endless: bool = False
    """Whether the trial's end goes."""


@dataclass(frozen=True, slots=True)
class SubscriptionStanding:
    subscription: Subscription
    may_run: bool


def standing(unit: Unit, slug: str, now: datetime) -> SubscriptionStanding:
    """As it is on the organisation's own day."""
    found = living(unit, slug)
    org = orgs.get(unit, slug)
    day = now.astimezone(ZoneInfo(org.timezone) if org else UTC).date()
    return SubscriptionStanding(found, found.may_run(day))


def change(services: Services, actor: Actor, tenant: Tenant, asked: SubscriptionChange) -> SubscriptionStanding:
    """Counts from the next run on: what is running is not stopped."""
    changed = services.ledger.write(_change, services, actor, tenant, asked)
    try:
        profile.follow(services, tenant)
    except Fault as fault:
        # the change stands; sent again, it brings the dataset up to date
        raise Unavailable(
            f"the subscription of {tenant.org_slug} is changed, and its dataset does not show that yet: {fault.detail}. Send the same again"
        ) from fault
    return changed


def _change(unit: Unit, services: Services, actor: Actor, tenant: Tenant, asked: SubscriptionChange) -> SubscriptionStanding:
    slug, at = tenant.org_slug, services.clock.now()
    # a slug may have been given to somebody else while this was on its way
    if not orgs.lives(unit, slug, tenant.generation):
        raise orgs.off_boarded(slug)
    before = living(unit, slug)
    if asked.plan is not None:
        subscriptions.set_plan(unit, slug, services.ledger.plans.get(asked.plan), at)
    if asked.status is not None:
        subscriptions.set_status(unit, slug, asked.status, at)
    if asked.trial_end_date is not None or asked.endless:
        subscriptions.set_trial_end(unit, slug, asked.trial_end_date, at)
    # what it keeps schedules from may be over
    slots.hurry(unit, slug, at)
    after = living(unit, slug)
    now = standing(unit, slug, at)
    if not now.may_run and (before.status, before.trial_end_date) != (after.status, after.trial_end_date):
        events.record(unit, _blocked(after, at))
    audit_trail.note(
        unit,
        services,
        actor,
        "subscriptions.update",
        f"organizations/{slug}/subscription",
        org_slug=slug,
        details={"before": _told(before), "after": _told(after)},
    )
    return now


def _blocked(subscription: Subscription, at: datetime) -> Event:
    ended = subscription.status == "TRIAL"
    reason = f"the trial ended on {subscription.trial_end_date}" if ended else f"the subscription is {subscription.status.lower()}"
    return Event(
        event_id=stable_id("plan", subscription.org_slug, subscription.status, at.isoformat()),
        type="plan.blocked",
        org_slug=subscription.org_slug,
        occurred_at=at,
        data={"billing_status": subscription.status, "reason": reason, "since": at.isoformat()},
    )


def living(unit: Unit, slug: str) -> Subscription:
    found = subscriptions.get(unit, slug)
    if found is None:
        raise Missing(f"there is no organisation {slug!r}; GET /api/v1/organizations lists them")
    return found


def _told(subscription: Subscription) -> dict[str, str | None]:
    ends = subscription.trial_end_date
    return {"plan": subscription.plan, "status": subscription.status, "trial_end_date": ends.isoformat() if ends else None}
