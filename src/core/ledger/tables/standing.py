"""What an acceptance that goes as usual must know of its organisation, in one look."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, exists, or_, select

from src.core.ledger.unit import Tables, Unit


@dataclass(frozen=True, slots=True)
class Standing:
    generation: int
    timezone: str
    known: bool
    """A run of the same work, or of the same key, is there: which and whose is another look's to tell."""
    credentialed: bool
    """It has the credential that was named, which is neither refused nor expired."""


def look(
    unit: Unit, slug: str, *, active_key: str | None, idempotency_key: str | None, provider: str | None, name: str | None, at: datetime
) -> Standing | None:
    """None where nobody has the slug."""
    asked = {"slug": slug, "active": active_key, "same": idempotency_key, "provider": provider, "name": name, "at": at}
    row = unit.point(_standing, asked)
    return Standing(*row) if row else None


def _standing(tables: Tables) -> Select[Any]:
    profile, run, credential = tables["org_profiles"].c, tables["org_meta_pipeline_runs"].c, tables["org_integration_credentials"].c
    slug = bindparam("slug", type_=profile.org_slug.type)
    # each by an index of its own
    working = exists().where(run.active_key == bindparam("active", type_=run.active_key.type))
    asked = exists().where(run.org_slug == slug, run.idempotency_key == bindparam("same", type_=run.idempotency_key.type))
    usable = exists().where(
        credential.org_slug == slug,
        credential.provider == bindparam("provider", type_=credential.provider.type),
        credential.credential_name == bindparam("name", type_=credential.credential_name.type),
        credential.validation_status != "INVALID",
        or_(credential.expires_at.is_(None), credential.expires_at > bindparam("at", type_=credential.expires_at.type)),
    )
    told: tuple[ColumnElement[Any], ...] = (
        profile.generation,
        profile.timezone,
        or_(working, asked).label("known"),
        usable.label("credentialed"),
    )
    return select(*told).where(profile.org_slug == slug, profile.status != "ERASED")
