"""Ledger records as the API shows them."""

from datetime import datetime
from typing import Literal

from src.app.models.organizations import KeyAnswer, OrganizationAnswer
from src.core.ledger.tables.keys import KeyRecord
from src.core.ledger.tables.orgs import Org


def organization_answer(org: Org) -> OrganizationAnswer:
    return OrganizationAnswer(
        org_slug=org.org_slug,
        company_name=org.company_name,
        admin_email=org.admin_email,
        status=org.status,
        subscription_plan=org.plan,
        subscription_status=org.subscription_status,
        timezone=org.timezone,
        dataset_id=org.dataset_id,
        created_at=org.created_at,
    )


def key_answer(record: KeyRecord, now: datetime) -> KeyAnswer:
    return KeyAnswer(
        api_key_fingerprint=record.fingerprint,
        state=key_state(record, now),
        created_at=record.created_at,
        expires_at=record.expires_at,
        revoked_at=record.revoked_at,
        last_used_at=record.last_used_at,
    )


def key_state(record: KeyRecord, now: datetime) -> Literal["active", "expiring", "expired", "revoked"]:
    # asked first: a key that was revoked while its grace went on may still have its end before it
    if record.revoked_at is not None:
        return "revoked"
    if record.expires_at is None:
        return "active"
    return "expiring" if record.expires_at > now else "expired"
