from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Select, Update, bindparam, delete, func, select, update

from src.core.base.dataset_types import dataset_types
from src.core.base.faults import Missing
from src.core.ledger.plans import Plan
from src.core.ledger.tables import answers
from src.core.ledger.unit import Tables, Unit

Status = Literal["ACTIVE", "OFFBOARDING", "ERASED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrg:
    org_slug: str
    company_name: str
    admin_email: str
    plan: Plan
    created_at: datetime
    generation: int
    timezone: str = "UTC"
    dataset_id: str | None = None


@dataclass(frozen=True, slots=True)
class Org:
    """`plan` and what follows from it are empty for an erased organisation."""

    org_slug: str
    generation: int
    status: Status
    company_name: str | None
    admin_email: str | None
    timezone: str
    dataset_id: str | None
    created_at: datetime
    offboarding_at: datetime | None
    erased_at: datetime | None
    plan: str | None
    subscription_status: str | None
    trial_end_date: date | None
    daily_run_limit: int | None
    monthly_run_limit: int | None
    concurrent_run_limit: int | None


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a slug, as far as nearly every call asks."""

    generation: int
    timezone: str


def alone(unit: Unit, slug: str) -> None:
    """For what decides by several rows of an organisation: what else does so waits until this unit ends."""
    unit.hold(f"org {slug}")


def taken(unit: Unit, slug: str) -> bool:
    return unit.point(_live, {"org_slug": slug}) is not None


def next_generation(unit: Unit, slug: str) -> int:
    row = unit.first(unit.prepared(_last_generation), {"org_slug": slug})
    return 1 + (row[0] if row and row[0] else 0)


def create(unit: Unit, org: NewOrg) -> bool:
    """Profile, subscription and zeroed quota; False when the slug is taken."""
    # the table's key has the generation in it, and so would let in another one of a slug that lives
    if taken(unit, org.org_slug) or not unit.insert_once(unit.tables["org_profiles"], _profile(org)):
        return False
    complete(unit, org.org_slug, org.plan, org.created_at)
    return True


def complete(unit: Unit, slug: str, plan: Plan, at: datetime) -> None:
    """Gives an organisation the subscription and the quota it has not got: its making may have been broken off after its profile."""
    stamps = {"created_at": at, "updated_at": at}
    unit.insert_once(
        unit.tables["org_subscriptions"],
        {
            "org_slug": slug,
            "plan_name": plan.name,
            "status": "ACTIVE",
            "daily_run_limit": plan.daily_runs,
            "monthly_run_limit": plan.monthly_runs,
            "concurrent_run_limit": plan.concurrent_runs,
            **stamps,
        },
    )
    unit.insert_once(
        unit.tables["org_usage_quotas"],
        {
            "org_slug": slug,
            # the day before is never ahead of the organisation's own, so its first reservation rolls over
            "usage_date": at.date() - timedelta(days=1),
            "pipelines_run_today": 0,
            "pipelines_run_month": 0,
            "concurrent_pipelines_running": 0,
            "updated_at": at,
        },
    )


def get(unit: Unit, slug: str) -> Org | None:
    row = unit.point(_live, {"org_slug": slug})
    return Org(*row) if row else None


def holder(unit: Unit, slug: str) -> Holder | None:
    """Who has the slug; None where nobody has."""
    row = unit.point(_holder, {"org_slug": slug})
    return Holder(*row) if row else None


def lives(unit: Unit, slug: str, generation: int | None) -> bool:
    """Whether this generation has the slug, and will until the unit ends: what is written for an organisation that was erased would be read
    by whoever has the slug next. Of a caller who knows no generation nothing can be said."""
    if generation is None:
        return True
    alone(unit, slug)
    found = holder(unit, slug)
    return found is not None and found.generation == generation


def off_boarded(slug: str) -> Missing:
    return Missing(f"the organisation {slug} that this was asked for is off-boarded; GET /api/v1/organizations lists those that live")


def page(unit: Unit, *, after: str | None, limit: int, status: Status | None = None) -> list[Org]:
    """By slug. Without a status the living ones; of the erased, the last of each slug."""
    profiles = unit.tables["org_profiles"]
    query = _orgs(unit.tables).order_by(profiles.c.org_slug).limit(limit)
    if after is not None:
        query = query.where(profiles.c.org_slug > after)
    query = query.where(profiles.c.status != "ERASED" if status is None else profiles.c.status == status)
    if status == "ERASED":
        later = profiles.alias()
        last = select(func.max(later.c.generation)).where(later.c.org_slug == profiles.c.org_slug).scalar_subquery()
        query = query.where(profiles.c.generation == last)
    return [Org(*row) for row in unit.rows(query)]


def active(unit: Unit) -> list[str]:
    """The slugs of those that are neither off-boarded nor about to be."""
    return [slug for (slug,) in unit.rows(unit.prepared(_active))]


def timezones(unit: Unit) -> list[str]:
    """Each zone that an organisation's day is counted in."""
    return [zone for (zone,) in unit.rows(unit.prepared(_timezones))]


def begin_offboarding(unit: Unit, slug: str, at: datetime) -> bool:
    """From here no run is admitted; False when there is no such organisation or it has begun."""
    alone(unit, slug)
    return unit.change(unit.prepared(_begin_offboarding), {"slug": slug, "at": at}) == 1


def erase(unit: Unit, slug: str, at: datetime, generation: int | None = None) -> dict[str, int]:
    """Rows erased by table. Repeating it is harmless and answers noughts.

    So does a generation that is not the living one: the slug belongs to somebody else by now.
    """
    alone(unit, slug)
    kept = dataset_types().central.erasing.keeps
    named = {name: table for name, table in unit.tables.items() if name not in kept and "org_slug" in table.c}
    if generation is not None:
        living = get(unit, slug)
        if living is None or living.generation != generation:
            return dict.fromkeys([*named, "org_profiles"], 0)
    erased = {name: unit.change(delete(table).where(table.c.org_slug == slug)) for name, table in named.items()}
    # what is kept of the organisation is its trail, and not what its requests were answered
    answers.forget(unit, slug)
    # last: while the profile stands, an erasure that was broken off is done again
    erased["org_profiles"] = unit.change(unit.prepared(_entomb), {"slug": slug, "at": at})
    return erased


def _profile(org: NewOrg) -> dict[str, Any]:
    return {
        "org_slug": org.org_slug,
        "generation": org.generation,
        "status": "ACTIVE",
        "company_name": org.company_name,
        "admin_email": org.admin_email,
        "timezone": org.timezone,
        "dataset_id": org.dataset_id,
        "created_at": org.created_at,
        "updated_at": org.created_at,
    }


def _orgs(tables: Tables) -> Select[Any]:
    """Columns in the order of Org's fields."""
    profile, subscription = tables["org_profiles"].c, tables["org_subscriptions"].c
    return select(
        profile.org_slug,
        profile.generation,
        profile.status,
        profile.company_name,
        profile.admin_email,
        profile.timezone,
        profile.dataset_id,
        profile.created_at,
        profile.offboarding_at,
        profile.erased_at,
        subscription.plan_name,
        subscription.status,
        subscription.trial_end_date,
        subscription.daily_run_limit,
        subscription.monthly_run_limit,
        subscription.concurrent_run_limit,
    ).select_from(
        # the subscription is the living one's, and not that of the tombstones of its slug
        tables["org_profiles"].outerjoin(
            tables["org_subscriptions"], (subscription.org_slug == profile.org_slug) & (profile.status != "ERASED")
        )
    )


def _live(tables: Tables) -> Select[Any]:
    profile = tables["org_profiles"].c
    return _orgs(tables).where(profile.org_slug == bindparam("org_slug"), profile.status != "ERASED")


def _holder(tables: Tables) -> Select[Any]:
    profile = tables["org_profiles"].c
    return select(profile.generation, profile.timezone).where(profile.org_slug == bindparam("org_slug"), profile.status != "ERASED")


def _active(tables: Tables) -> Select[Any]:
    profile = tables["org_profiles"].c
    return select(profile.org_slug).where(profile.status == "ACTIVE").order_by(profile.org_slug)


def _timezones(tables: Tables) -> Select[Any]:
    profile = tables["org_profiles"].c
    # it lacks where a release that had none made the row
    named = (profile.status != "ERASED", profile.timezone.is_not(None))
    return select(profile.timezone).where(*named).distinct().order_by(profile.timezone)


def _last_generation(tables: Tables) -> Select[Any]:
    profile = tables["org_profiles"].c
    return select(func.max(profile.generation)).where(profile.org_slug == bindparam("org_slug"))


def _begin_offboarding(tables: Tables) -> Update:
    profiles = tables["org_profiles"]
    at = bindparam("at", type_=profiles.c.updated_at.type)
    return (
        update(profiles)
        .where(profiles.c.org_slug == bindparam("slug"), profiles.c.status == "ACTIVE")
        .values(status="OFFBOARDING", offboarding_at=at, updated_at=at)
    )


def _entomb(tables: Tables) -> Update:
    profiles = tables["org_profiles"]
    at = bindparam("at", type_=profiles.c.updated_at.type)
    return (
        update(profiles)
        .where(profiles.c.org_slug == bindparam("slug"), profiles.c.status != "ERASED")
        .values(status="ERASED", erased_at=at, updated_at=at, company_name=None, admin_email=None, cost_rules=None)
    )
