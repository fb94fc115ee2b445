from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Delete, Select, Update, bindparam, delete, exists, or_, select, update

from src.core.base.faults import Conflict
from src.core.ledger.unit import Tables, Unit

ValidationStatus = Literal["PENDING", "VALID", "INVALID", "UNREACHABLE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRecord:
    credential_id: str
    org_slug: str
    provider: str
    credential_name: str
    encrypted_credential: str = field(repr=False)
    fingerprint: str
    subject: str | None
    metadata: Mapping[str, Any] | None
    validation_status: ValidationStatus
    validation_error: str | None
    validated_at: datetime | None
    expires_at: datetime | None
    created_by: str | None
    created_at: datetime
    updated_at: datetime


FIELDS = tuple(CredentialRecord.__dataclass_fields__)


def put(unit: Unit, record: CredentialRecord) -> CredentialRecord | None:
    """Stores it in the place of the one of that name, which is answered; a credential is replaced whole, under an id of its own."""
    before = find(unit, record.org_slug, record.provider, record.credential_name)
    values = {name: getattr(record, name) for name in FIELDS}
    # in one statement: where nothing is undone, a name must never be without the credential it had
    if before is not None and unit.change(_replaced, {f"new_{name}": value for name, value in values.items()}) == 1:
        return before
    if not unit.insert_once(unit.tables["org_integration_credentials"], values):
        raise Conflict(f"the {record.provider} credential {record.credential_name!r} was stored by somebody else at this moment")
    return before


def find(unit: Unit, org_slug: str, provider: str, name: str) -> CredentialRecord | None:
    row = unit.first(unit.prepared(_by_name), _named(org_slug, provider, name))
    return _record(row) if row else None


def list_for(unit: Unit, org_slug: str) -> list[CredentialRecord]:
    """By provider and name."""
    return [_record(row) for row in unit.rows(unit.prepared(_by_org), {"org_slug": org_slug})]


def remove(unit: Unit, org_slug: str, provider: str, name: str) -> bool:
    return unit.change(unit.prepared(_removed), _named(org_slug, provider, name)) == 1


def note_verdict(
    unit: Unit,
    credential_id: str,
    *,
    status: ValidationStatus,
    error: str | None,
    at: datetime,
    subject: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> bool:
    """What the provider said of it. False when it was replaced or removed meanwhile; what a refusal leaves unsaid stays as it was."""
    told: dict[str, Any] = {"validation_status": status, "validation_error": error, "validated_at": at, "updated_at": at}
    if subject is not None:
        told["subject"] = subject
    if metadata is not None:
        told["metadata"] = metadata
    credentials = unit.tables["org_integration_credentials"]
    return unit.change(update(credentials).where(credentials.c.credential_id == credential_id).values(told)) == 1


def note_unreachable(unit: Unit, credential_id: str, error: str, at: datetime) -> bool:
    """That the provider could not be asked. Of one that it has refused that stays the last word: silence takes no refusal back."""
    credentials = unit.tables["org_integration_credentials"]
    told = {"validation_status": "UNREACHABLE", "validation_error": error, "updated_at": at}
    named = (credentials.c.credential_id == credential_id) & (credentials.c.validation_status != "INVALID")
    return unit.change(update(credentials).where(named).values(told)) == 1


def note_let_in(unit: Unit, credential_id: str, since: datetime, at: datetime) -> bool:
    """That a run which began then worked with it, where something else is said of it. What the provider refused after that stays."""
    credentials = unit.tables["org_integration_credentials"]
    said = credentials.c.validated_at
    named = (
        (credentials.c.credential_id == credential_id) & (credentials.c.validation_status != "VALID") & (said.is_(None) | (said <= since))
    )
    told = {"validation_status": "VALID", "validation_error": None, "validated_at": at, "updated_at": at}
    return unit.change(update(credentials).where(named).values(told)) == 1


def sealed_page(unit: Unit, after: str | None, limit: int) -> list[tuple[str, str, str, str]]:
    """credential_id, org_slug, provider and the sealed text, by credential_id; for wrapping all of them anew after the keyring turned."""
    # nothing is greater than NULL, and every id than an empty text
    found = unit.rows(unit.prepared(_sealed), {"after": after or "", "limit": limit})
    return [(row[0], row[1], row[2], row[3]) for row in found]


def reseal(unit: Unit, credential_id: str, old_sealed: str, new_sealed: str) -> bool:
    """False when somebody else has changed it meanwhile."""
    return unit.change(unit.prepared(_resealed), {"id": credential_id, "old": old_sealed, "new": new_sealed}) == 1


def _record(row: Any) -> CredentialRecord:
    return CredentialRecord(**dict(zip(FIELDS, row, strict=True)))


def _named(org_slug: str, provider: str, name: str) -> dict[str, str]:
    return {"slug": org_slug, "of": provider, "name": name}


def _credentials(tables: Tables) -> Select[Any]:
    credential = tables["org_integration_credentials"].c
    return select(*(credential[name] for name in FIELDS))


def _by_name(tables: Tables) -> Select[Any]:
    credential = tables["org_integration_credentials"].c
    return _credentials(tables).where(
        credential.org_slug == bindparam("slug"),
        credential.provider == bindparam("of"),
        credential.credential_name == bindparam("name"),
    )


def _by_org(tables: Tables) -> Select[Any]:
    credential = tables["org_integration_credentials"].c
    named = _credentials(tables).where(credential.org_slug == bindparam("org_slug"))
    return named.order_by(credential.provider, credential.credential_name)


def _replaced(tables: Tables) -> Update:
    credentials = tables["org_integration_credentials"]
    other = credentials.alias("other")
    new = {name: bindparam(f"new_{name}", type_=credentials.c[name].type) for name in FIELDS}
    name = ("org_slug", "provider", "credential_name")
    # BigQuery keeps no keys: an id that is another's would be there twice
    taken = exists().where(other.c.credential_id == new["credential_id"], or_(*(other.c[column] != new[column] for column in name)))
    return update(credentials).where(*(credentials.c[column] == new[column] for column in name), ~taken).values(new)


def _removed(tables: Tables) -> Delete:
    credentials = tables["org_integration_credentials"]
    return delete(credentials).where(
        credentials.c.org_slug == bindparam("slug"),
        credentials.c.provider == bindparam("of"),
        credentials.c.credential_name == bindparam("name"),
    )


def _sealed(tables: Tables) -> Select[Any]:
    credential = tables["org_integration_credentials"].c
    return (
        select(credential.credential_id, credential.org_slug, credential.provider, credential.encrypted_credential)
        .where(credential.credential_id > bindparam("after"))
        .order_by(credential.credential_id)
        .limit(bindparam("limit"))
    )


def _resealed(tables: Tables) -> Update:
    credentials = tables["org_integration_credentials"]
    named = (credentials.c.credential_id == bindparam("id")) & (credentials.c.encrypted_credential == bindparam("old"))
    return update(credentials).where(named).values(encrypted_credential=bindparam("new"))
