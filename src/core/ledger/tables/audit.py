from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Select, func, literal, select

from src.core.base.identity import Actor, ActorKind
from src.core.ledger.tables import answers
from src.core.ledger.unit import Tables, Unit

Outcome = Literal["SUCCESS", "DENIED", "FAILED"]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    audit_id: str
    occurred_at: datetime
    actor_kind: str
    actor_org_slug: str | None
    user_id: str | None
    key_fingerprint: str | None
    request_id: str | None
    action: str
    org_slug: str | None
    resource: str
    outcome: Outcome
    details: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """What is left out does not narrow."""

    actor_kind: ActorKind | None = None
    user_id: str | None = None
    key_fingerprint: str | None = None
    action: str | None = None
    """One action (`keys.rotate`), or all of a noun (`keys`)."""
    outcome: Outcome | None = None
    since: datetime | None = None
    before: datetime | None = None
    holders_own: bool = False
    """Nothing from before the organisation that has the slug now."""


ANYTHING = AuditFilter()


def record(
    unit: Unit,
    *,
    audit_id: str,
    at: datetime,
    actor: Actor,
    action: str,
    org_slug: str | None,
    resource: str,
    outcome: Outcome,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Repeating it with the same id is harmless."""
    if actor.undertaking is not None and outcome == "SUCCESS":
        answers.done(unit, actor, org_slug=org_slug, resource=resource, details=details, at=at)
    unit.insert_later(
        unit.tables["org_audit_logs"],
        {
            "audit_id": audit_id,
            "occurred_at": at,
            "actor_kind": actor.kind,
            "actor_org_slug": actor.org_slug,
            "user_id": actor.user_id,
            "key_fingerprint": actor.key_fingerprint,
            "request_id": actor.request_id,
            "action": action,
            "org_slug": org_slug,
            "resource": resource,
            "outcome": outcome,
            "details": dict(details) if details is not None else None,
        },
    )


def page(unit: Unit, org_slug: str | None, after: str | None, limit: int, wanted: AuditFilter = ANYTHING) -> list[AuditEntry]:
    """Newest first, older than the entry `after`; without a slug, everything."""
    entry = unit.tables["org_audit_logs"].c
    # ids sort by the time they were made
    query = _narrowed(_entries(unit.tables), unit.tables, wanted).order_by(entry.audit_id.desc()).limit(limit)
    if org_slug is not None:
        query = query.where(entry.org_slug == org_slug)
        if wanted.holders_own:
            query = query.where(entry.occurred_at >= _holder_since(unit.tables, org_slug))
    if after is not None:
        query = query.where(entry.audit_id < after)
    return [AuditEntry(*row) for row in unit.rows(query)]


def _narrowed(query: Select[Any], tables: Tables, wanted: AuditFilter) -> Select[Any]:
    entry = tables["org_audit_logs"].c
    # requests that are noted for their repeats are no events of the trail
    query = query.where(entry.request_digest.is_(None))
    for name in ("actor_kind", "user_id", "key_fingerprint", "outcome"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(entry[name] == value)
    if wanted.action is not None and "." in wanted.action:
        query = query.where(entry.action == wanted.action)
    elif wanted.action is not None:
        # a range and not a pattern: it needs no escapes, and every engine has the sign after the dot next to it
        query = query.where(entry.action >= f"{wanted.action}.", entry.action < f"{wanted.action}/")
    if wanted.since is not None:
        query = query.where(entry.occurred_at >= wanted.since)
    if wanted.before is not None:
        query = query.where(entry.occurred_at < wanted.before)
    return query


def _holder_since(tables: Tables, org_slug: str) -> Any:
    profile = tables["org_profiles"].c
    living = (profile.org_slug == literal(org_slug), profile.status != "ERASED")
    return select(func.max(profile.created_at)).where(*living).scalar_subquery()


def _entries(tables: Tables) -> Select[Any]:
    """Columns in the order of AuditEntry's fields."""
    entry = tables["org_audit_logs"].c
    return select(
        entry.audit_id,
        entry.occurred_at,
        entry.actor_kind,
        entry.actor_org_slug,
        entry.user_id,
        entry.key_fingerprint,
        entry.request_id,
        entry.action,
        entry.org_slug,
        entry.resource,
        entry.outcome,
        entry.details,
    )
