from datetime import datetime
from typing import Any

from sqlalchemy import Select, Update, bindparam, case, null, select, update

from src.core.ledger.unit import Tables, Unit

CLOUD = "projects/"  # as every name in Cloud KMS begins
ALGORITHM = "AES-256-GCM"


def note_current(unit: Unit, key_id: str, at: datetime) -> bool:
    """Writes down that this key seals now and every other only opens; whether it was new here."""
    # nearly always it is known, and looking takes no lock
    if unit.point(_current, {"key_id": key_id}) is not None:
        return False
    unit.hold("current key")
    in_cloud = key_id.startswith(CLOUD)
    facts = {
        "kms_key_id": key_id,
        "keyring": "gcp_kms" if in_cloud else "local",
        "key_name": key_id if in_cloud else None,
        "algorithm": ALGORITHM,
    }
    new = unit.insert_once(unit.tables["org_kms_keys"], {**facts, "status": "CURRENT", "created_at": at, "updated_at": at})
    unit.change(unit.prepared(_rotated), {"key_id": key_id, "at": at})
    return new


def sealing(unit: Unit) -> str | None:
    """The key that sealed last, as far as this ledger knows; None where nothing was sealed yet."""
    row = unit.first(unit.prepared(_sealing))
    return row[0] if row else None


def _sealing(tables: Tables) -> Select[Any]:
    keys = tables["org_kms_keys"].c
    return select(keys.kms_key_id).where(keys.status == "CURRENT", keys.org_slug.is_(None))


def _current(tables: Tables) -> Select[Any]:
    keys = tables["org_kms_keys"].c
    return select(keys.kms_key_id).where(keys.kms_key_id == bindparam("key_id"), keys.status == "CURRENT")


def _rotated(tables: Tables) -> Update:
    keys = tables["org_kms_keys"]
    named = keys.c.kms_key_id == bindparam("key_id")
    at = bindparam("at", type_=keys.c.updated_at.type)
    # of the others only the one that sealed until now: a retired key stays retired
    return (
        update(keys)
        .where(keys.c.org_slug.is_(None), named != (keys.c.status == "CURRENT"))
        .values(status=case((named, "CURRENT"), else_="ACTIVE"), rotated_at=case((named, null()), else_=at), updated_at=at)
    )
