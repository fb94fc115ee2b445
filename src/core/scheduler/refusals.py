"""Why a run is not admitted, said so that the reader knows what to do."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from src.core.base.events import Event, stable_id
from src.core.base.faults import Fault, Missing, NotYours, PaymentNeeded, QuotaExceeded
from src.core.ledger.plans import Plan, Plans
from src.core.ledger.tables.orgs import Org
from src.core.ledger.tables.quotas import Reason, Usage

# when a run will end is not known, as it is of a day or a month
CONCURRENT_RETRY_SECONDS = 10
PAY = "an administrator of the platform sets it to active again: PUT /api/v1/organizations/{org}/subscription"
SPANS = {"daily": "day", "monthly": "month"}


def refusal(org: Org, used: Usage, reason: Reason, plans: Plans, now: datetime) -> Fault:
    if reason == "blocked":
        return _blocked(org, used.day)
    if reason == "concurrent":
        return QuotaExceeded(
            f"{_counted(used.running)} at once, and the plan {org.plan} allows {used.concurrent_limit}: "
            f"wait for one to end, or cancel it{_more(plans, org.plan, reason, used.concurrent_limit)}",
            retry_after=CONCURRENT_RETRY_SECONDS,
            reason=reason,
            used=used.running,
            limit=used.concurrent_limit,
        )
    resets = reset_of(reason, used.day, org.timezone)
    taken, limit = (used.run_month, used.monthly_limit) if reason == "monthly" else (used.run_today, used.daily_limit)
    return QuotaExceeded(
        f"the plan {org.plan} allows {limit} runs a {SPANS[reason]} and {taken} are used; "
        f"it begins anew at {resets.isoformat()}{_more(plans, org.plan, reason, limit)}",
        # less than half a second would round to 0, and send the caller back before the midnight it waits for
        retry_after=max(1, round((resets - now).total_seconds())),
        reason=reason,
        used=taken,
        limit=limit,
        resets_at=resets.isoformat(),
    )


def exceeded(org_slug: str, refused: QuotaExceeded, at: datetime) -> Event | None:
    """Told once a day or month of the organisation's; that it has no room at the moment is no news."""
    reason, resets = refused.facts.get("reason"), refused.facts.get("resets_at")
    if resets is None:
        return None
    facts = {"limit": reason, "used": refused.facts.get("used"), "allowed": refused.facts.get("limit"), "resets_at": resets}
    return Event(
        event_id=stable_id("quota", org_slug, str(reason), str(resets)),
        type="quota.exceeded",
        org_slug=org_slug,
        occurred_at=at,
        data=facts,
    )


def reset_of(reason: Reason, day: date, timezone: str) -> datetime:
    """The midnight at which the counter begins anew, on the organisation's own clock."""
    # 32 days after a first lie in the next month, whatever its length, and never in the one after
    following = (day.replace(day=1) + timedelta(days=32)).replace(day=1) if reason == "monthly" else day + timedelta(days=1)
    return datetime(following.year, following.month, following.day, tzinfo=ZoneInfo(timezone))


def _blocked(org: Org, day: date) -> Fault:
    if org.status != "ACTIVE":
        return Missing(f"the organisation {org.org_slug} is being off-boarded; nothing runs for it any more")
    mend = PAY.format(org=org.org_slug)
    if org.subscription_status == "CANCELLED":
        return NotYours(f"the subscription of {org.org_slug} was cancelled, and nothing runs under it; {mend}", reason="cancelled")
    if org.subscription_status == "TRIAL":
        return PaymentNeeded(
            f"the trial of {org.org_slug} ended on {org.trial_end_date}, and it is {day} there; choose a plan, and {mend}",
            reason="trial_ended",
            trial_end_date=str(org.trial_end_date),
        )
    return PaymentNeeded(f"the subscription of {org.org_slug} is suspended; settle what is due, and {mend}", reason="suspended")


def _counted(running: int) -> str:
    return "one run is waiting or running" if running == 1 else f"{running} runs are waiting or running"


def _more(plans: Plans, own: str | None, reason: Reason, limit: int) -> str:
    better = sorted((_limit(plan, reason), name) for name, plan in plans.by_name.items() if name != own and _limit(plan, reason) > limit)
    return f"; the plan {better[0][1]} allows {better[0][0]}" if better else ""


def _limit(plan: Plan, reason: Reason) -> int:
    return {"daily": plan.daily_runs, "monthly": plan.monthly_runs}.get(reason, plan.concurrent_runs)
