"""An organisation's own rules of costs, a text that only `step/reconciliation` reads."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, Update, bindparam, func, select, update

from src.core.ledger.tables import orgs
from src.core.ledger.unit import Tables, Unit


def get(unit: Unit, org_slug: str) -> str | None:
    row = unit.point(_rules, {"org_slug": org_slug})
    return row[0] if row else None


def put(unit: Unit, org_slug: str, before: str | None, after: str, at: datetime) -> bool:
    """In place of `before`; False where it is something else by now."""
    orgs.alone(unit, org_slug)
    return unit.change(_put, {"slug": org_slug, "before": before or "", "after": after, "at": at}) == 1


def _rules(tables: Tables) -> Select[Any]:
    profile = tables["org_profiles"].c
    return select(profile.cost_rules).where(profile.org_slug == bindparam("org_slug"), profile.status != "ERASED")


def _put(tables: Tables) -> Update:
    profiles = tables["org_profiles"]
    at = bindparam("at", type_=profiles.c.updated_at.type)
    return (
        update(profiles)
        .where(
            profiles.c.org_slug == bindparam("slug"),
            profiles.c.status != "ERASED",
            func.coalesce(profiles.c.cost_rules, "") == bindparam("before"),
        )
        .values(cost_rules=bindparam("after"), updated_at=at)
    )
