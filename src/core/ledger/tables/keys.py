from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Update, bindparam, or_, select, update

from src.core.ledger.unit import Tables, Unit


@dataclass(slots=True)
class KeyRecord:
    """Not frozen: one is made for every request, and freezing costs half of its making."""

    key_id: str
    org_slug: str
    key_hash: str = field(repr=False)
    fingerprint: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    sealed_key: str = field(repr=False)
    org_status: str
    org_generation: int

    def usable(self, at: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)


def add(unit: Unit, *, key_id: str, org_slug: str, key_hash: str, fingerprint: str, sealed_key: str, created_at: datetime) -> bool:
    """False when this key is there already."""
    return unit.insert_once(
        unit.tables["org_api_keys"],
        {
            "key_id": key_id,
            "org_slug": org_slug,
            "key_hash": key_hash,
            "fingerprint": fingerprint,
            "sealed_key": sealed_key,
            "created_at": created_at,
        },
    )


def find(unit: Unit, key_hash: str) -> KeyRecord | None:
    """The key of a living organisation, revoked and expired ones too: the caller says why one is refused."""
    row = unit.point(_by_hash, {"key_hash": key_hash})
    return KeyRecord(*row) if row else None


def list_for(unit: Unit, org_slug: str) -> list[KeyRecord]:
    """Oldest first."""
    return [KeyRecord(*row) for row in unit.rows(unit.prepared(_by_org), {"org_slug": org_slug})]


def expire_others(unit: Unit, org_slug: str, keep_key_id: str, expires_at: datetime) -> int:
    """Gives all other keys an end. One that ends earlier already keeps its end; a revoked one stays revoked."""
    return unit.change(unit.prepared(_expire_others), {"slug": org_slug, "kept": keep_key_id, "end": expires_at})


def revoke(unit: Unit, org_slug: str, fingerprint: str, at: datetime) -> bool:
    # a fingerprint is no key of the table: all that bear it are revoked
    return unit.change(unit.prepared(_revoke), {"slug": org_slug, "mark": fingerprint, "at": at}) > 0


def touch(unit: Unit, key_hash: str, at: datetime) -> None:
    unit.change(unit.prepared(_touch), {"hash": key_hash, "at": at})


def sealed_page(unit: Unit, after: str | None, limit: int) -> list[tuple[str, str, str]]:
    """key_id, org_slug and sealed key, by key_id; for wrapping all of them anew after the keyring turned."""
    return [(row[0], row[1], row[2]) for row in unit.rows(unit.prepared(_sealed), {"after": after or "", "limit": limit})]


def reseal(unit: Unit, key_id: str, old_sealed: str, new_sealed: str) -> bool:
    """False when somebody else has changed it meanwhile."""
    return unit.change(unit.prepared(_reseal), {"id": key_id, "old": old_sealed, "new": new_sealed}) == 1


def _keys(tables: Tables) -> Select[Any]:
    """Columns in the order of KeyRecord's fields."""
    # a slug that was used before has tombstones, each of which would double the key
    key, profile = tables["org_api_keys"].c, tables["org_profiles"].c
    return select(
        key.key_id,
        key.org_slug,
        key.key_hash,
        key.fingerprint,
        key.created_at,
        key.expires_at,
        key.revoked_at,
        key.last_used_at,
        key.sealed_key,
        profile.status,
        profile.generation,
    ).select_from(tables["org_api_keys"].join(tables["org_profiles"], (profile.org_slug == key.org_slug) & (profile.status != "ERASED")))


def _by_hash(tables: Tables) -> Select[Any]:
    return _keys(tables).where(tables["org_api_keys"].c.key_hash == bindparam("key_hash"))


def _by_org(tables: Tables) -> Select[Any]:
    key = tables["org_api_keys"].c
    return _keys(tables).where(key.org_slug == bindparam("org_slug")).order_by(key.created_at, key.key_id)


def _expire_others(tables: Tables) -> Update:
    keys = tables["org_api_keys"]
    end = bindparam("end", type_=keys.c.expires_at.type)
    return (
        update(keys)
        .where(
            keys.c.org_slug == bindparam("slug"),
            keys.c.key_id != bindparam("kept"),
            keys.c.revoked_at.is_(None),
            or_(keys.c.expires_at.is_(None), keys.c.expires_at > end),
        )
        .values(expires_at=end)
    )


def _revoke(tables: Tables) -> Update:
    keys = tables["org_api_keys"]
    return (
        update(keys)
        .where(keys.c.org_slug == bindparam("slug"), keys.c.fingerprint == bindparam("mark"), keys.c.revoked_at.is_(None))
        .values(revoked_at=bindparam("at", type_=keys.c.revoked_at.type))
    )


def _touch(tables: Tables) -> Update:
    keys = tables["org_api_keys"]
    at = bindparam("at", type_=keys.c.last_used_at.type)
    # threads report late: an earlier use never overwrites a later one
    return (
        update(keys)
        .where(keys.c.key_hash == bindparam("hash"), or_(keys.c.last_used_at.is_(None), keys.c.last_used_at < at))
        .values(last_used_at=at)
    )


def _sealed(tables: Tables) -> Select[Any]:
    key = tables["org_api_keys"].c
    return (
        select(key.key_id, key.org_slug, key.sealed_key)
        .where(key.key_id > bindparam("after"))
        .order_by(key.key_id)
        .limit(bindparam("limit"))
    )


def _reseal(tables: Tables) -> Update:
    keys = tables["org_api_keys"]
    return update(keys).where(keys.c.key_id == bindparam("id"), keys.c.sealed_key == bindparam("old")).values(sealed_key=bindparam("new"))
