from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Select, select

from src.core.base.identity import Actor
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


def page(unit: Unit, org_slug: str | None, after: str | None, limit: int) -> list[AuditEntry]:
    """Newest first, older than the entry `after`; without a slug, everything."""
    entry = unit.tables["org_audit_logs"].c
    # ids sort by the time they were made
    query = _entries(unit.tables).order_by(entry.audit_id.desc()).limit(limit)
    if org_slug is not None:
        query = query.where(entry.org_slug == org_slug)
    if after is not None:
        query = query.where(entry.audit_id < after)
    return [AuditEntry(*row) for row in unit.rows(query)]


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
