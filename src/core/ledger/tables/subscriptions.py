from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Select, Update, bindparam, select, update

from src.core.ledger.plans import Plan
from src.core.ledger.tables import orgs
from src.core.ledger.unit import Tables, Unit

SubscriptionStatus = Literal["TRIAL", "ACTIVE", "SUSPENDED", "CANCELLED"]


@dataclass(frozen=True, slots=True)
class Subscription:
    org_slug: str
    plan: str
    status: SubscriptionStatus
    trial_end_date: date | None
    daily_run_limit: int
    monthly_run_limit: int
    concurrent_run_limit: int
    updated_at: datetime

    def may_run(self, day: date) -> bool:
        """On a day of the organisation's own calendar."""
        return may_run(self.status, self.trial_end_date, day)


def may_run(status: str, trial_end_date: date | None, day: date) -> bool:
    return status == "ACTIVE" or (status == "TRIAL" and (trial_end_date is None or trial_end_date >= day))


def get(unit: Unit, org_slug: str) -> Subscription | None:
    row = unit.point(_by_org, {"org_slug": org_slug})
    return Subscription(*row) if row else None


def set_plan(unit: Unit, org_slug: str, plan: Plan, at: datetime) -> bool:
    """Takes effect on the next run; what is used already counts against the new limits."""
    # a reservation decides by this row and changes another, so no lock of a row keeps the two apart
    orgs.alone(unit, org_slug)
    limits = {"daily": plan.daily_runs, "monthly": plan.monthly_runs, "concurrent": plan.concurrent_runs}
    return unit.change(_set_plan, {"slug": org_slug, "plan": plan.name, "at": at, **limits}) == 1


def set_status(unit: Unit, org_slug: str, status: SubscriptionStatus, at: datetime) -> bool:
    orgs.alone(unit, org_slug)
    return unit.change(_set_status, {"slug": org_slug, "word": status, "at": at}) == 1


def set_trial_end(unit: Unit, org_slug: str, day: date | None, at: datetime) -> bool:
    """None: a trial without an end."""
    orgs.alone(unit, org_slug)
    return unit.change(_set_trial_end, {"slug": org_slug, "day": day, "at": at}) == 1


def _by_org(tables: Tables) -> Select[Any]:
    subscription = tables["org_subscriptions"].c
    return select(
        subscription.org_slug,
        subscription.plan_name,
        subscription.status,
        subscription.trial_end_date,
        subscription.daily_run_limit,
        subscription.monthly_run_limit,
        subscription.concurrent_run_limit,
        subscription.updated_at,
    ).where(subscription.org_slug == bindparam("org_slug"))


def _set_plan(tables: Tables) -> Update:
    subscriptions = tables["org_subscriptions"]
    return (
        update(subscriptions)
        .where(subscriptions.c.org_slug == bindparam("slug"))
        .values(
            plan_name=bindparam("plan"),
            daily_run_limit=bindparam("daily"),
            monthly_run_limit=bindparam("monthly"),
            concurrent_run_limit=bindparam("concurrent"),
            updated_at=bindparam("at"),
        )
    )


def _set_status(tables: Tables) -> Update:
    subscriptions = tables["org_subscriptions"]
    return (
        update(subscriptions)
        .where(subscriptions.c.org_slug == bindparam("slug"))
        .values(status=bindparam("word"), updated_at=bindparam("at"))
    )


def _set_trial_end(tables: Tables) -> Update:
    subscriptions = tables["org_subscriptions"]
    day = bindparam("day", type_=subscriptions.c.trial_end_date.type)
    return update(subscriptions).where(subscriptions.c.org_slug == bindparam("slug")).values(trial_end_date=day, updated_at=bindparam("at"))
