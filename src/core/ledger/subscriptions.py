from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Select, Update, bindparam, func, select, update

from src.core.ledger.plans import Plan
from src.core.ledger.unit import Tables, Unit

SubscriptionStatus = Literal["TRIAL", "ACTIVE", "SUSPENDED", "CANCELLED"]

MAY_RUN = ("ACTIVE", "TRIAL")


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

    @property
    def may_run(self) -> bool:
        return self.status in MAY_RUN


def get(unit: Unit, org_slug: str) -> Subscription | None:
    row = unit.point(_by_org, {"org_slug": org_slug})
    return Subscription(*row) if row else None


def set_plan(unit: Unit, org_slug: str, plan: Plan, at: datetime) -> bool:
    """Takes effect on the next run; what is used already counts against the new limits."""
    limits = {"daily": plan.daily_runs, "monthly": plan.monthly_runs, "concurrent": plan.concurrent_runs}
    return unit.change(_set_plan, {"slug": org_slug, "plan": plan.name, "at": at, **limits}) == 1


def set_status(unit: Unit, org_slug: str, status: SubscriptionStatus, at: datetime, *, trial_end_date: date | None = None) -> bool:
    """A trial end of None leaves the one that stands."""
    return unit.change(_set_status, {"slug": org_slug, "word": status, "at": at, "trial": trial_end_date}) == 1


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
    trial = bindparam("trial", type_=subscriptions.c.trial_end_date.type)
    return (
        update(subscriptions)
        .where(subscriptions.c.org_slug == bindparam("slug"))
        .values(
            status=bindparam("word"),
            trial_end_date=func.coalesce(trial, subscriptions.c.trial_end_date),
            updated_at=bindparam("at"),
        )
    )
