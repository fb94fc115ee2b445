from datetime import datetime

from sqlalchemy import Update, bindparam, update

from src.core.ledger.unit import Tables, Unit

ALGORITHM = "AES-256-GCM"


def note_current(unit: Unit, key_id: str, at: datetime, *, keyring: str = "local") -> bool:
    """Writes down that this key seals now and those before it only open; whether it was new here."""
    new = unit.insert_once(
        unit.tables["org_kms_keys"],
        {"kms_key_id": key_id, "keyring": keyring, "algorithm": ALGORITHM, "status": "CURRENT", "created_at": at, "updated_at": at},
    )
    if new:
        unit.change(unit.prepared(_rotated), {"current_key": key_id, "at": at})
    return new


def _rotated(tables: Tables) -> Update:
    keys = tables["org_kms_keys"]
    return (
        update(keys)
        .where(keys.c.status == "CURRENT", keys.c.org_slug.is_(None), keys.c.kms_key_id != bindparam("current_key"))
        .values(status="ACTIVE", rotated_at=bindparam("at"), updated_at=bindparam("at"))
    )
