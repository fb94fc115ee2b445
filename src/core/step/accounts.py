"""Credentials of one provider of which nobody knows whether they are of one account: what that account costs would count twice."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from src.core.base.faults import Conflict
from src.core.ledger.tables.credentials import CredentialRecord
from src.core.providers.packages import PACKAGES

ANOTHER_ACCOUNT: Final = "another_account"
"""Stored beside a credential of which its owner says that it is of another account than the others."""


def said_of(connection: Mapping[str, Any]) -> Mapping[str, Any]:
    """What its owner said of it, which no answer of its provider takes away."""
    return {ANOTHER_ACCOUNT: True} if connection.get(ANOTHER_ACCOUNT) else {}


def unclear(record: CredentialRecord, stored: Iterable[CredentialRecord]) -> Conflict | None:
    """Why this one cannot be told from another that is stored; None where their accounts are named, or their owner tells them apart."""
    provider = record.provider
    if provider not in PACKAGES.names or PACKAGES.credential(provider).sources is not None:
        return None
    for other in stored:
        if other.provider != provider or other.credential_name == record.credential_name or (record.subject and other.subject):
            continue
        names = f"the {provider} credentials {other.credential_name!r} and {record.credential_name!r}"
        keep = f"set the key up as credential_name {other.credential_name!r}, whose place it takes, or delete one of them"
        if other.fingerprint == record.fingerprint:
            return Conflict(f"{names} are the same key, whose account would count twice; {keep}")
        if not (said_of(record.metadata or {}) or said_of(other.metadata or {})):
            doubt = f"nobody has said whether {names} are of one account, which would then count twice"
            apart = f'if they are of two, set {record.credential_name!r} up with "{ANOTHER_ACCOUNT}": true'
            return Conflict(f"{doubt}. If they are of one, {keep}; {apart}{_asked(record, other)}")
    return None


def _asked(*records: CredentialRecord) -> str:
    nameless = [one.credential_name for one in records if one.subject is None and one.validation_status == "PENDING"]
    # some providers name the account once they are asked
    return f"; or ask {records[0].provider}, which may name it: POST .../validate?credential_name={nameless[0]}" if nameless else ""
