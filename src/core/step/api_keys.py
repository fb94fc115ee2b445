"""An organisation's API keys: made once, kept as a hash and a sealed copy, shown to nobody again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from src.core.base.faults import Conflict, Missing
from src.core.base.identity import Actor, Tenant
from src.core.base.names import OrgSlug, fingerprint, key_hash
from src.core.base.secret import Secret
from src.core.crypto.vault import Binding
from src.core.ledger.store import Unit
from src.core.ledger.tables import keys, kms_keys, orgs
from src.core.ledger.tables.keys import KeyRecord
from src.core.ledger.tables.orgs import Org
from src.core.step import audit_trail
from src.core.step.context import Services

SECRET_LENGTH = 16  # the customer's format: {org_slug}_api_{16 letters and digits}, 95 bits


@dataclass(frozen=True, slots=True)
class MintedKey:
    key_id: str
    org_slug: OrgSlug
    key: Secret
    sealed: str
    sealed_by: str

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.key.reveal())


@dataclass(frozen=True, slots=True)
class Rotation:
    minted: MintedKey
    replaced: tuple[KeyRecord, ...]


def mint(services: Services, slug: OrgSlug) -> MintedKey:
    key_id = services.ids.new()
    key = Secret(f"{slug}_api_{services.ids.secret(SECRET_LENGTH)}")
    sealed = services.vault.seal(key, binding(slug, key_id))
    return MintedKey(key_id, slug, key, sealed, services.vault.key_id(sealed))


def binding(slug: str, key_id: str) -> Binding:
    # bound to its row: copied to another it does not open
    return Binding(slug, "api_key", key_id)


def opened(services: Services, record: KeyRecord) -> Secret:
    return services.vault.open(record.sealed_key, binding(record.org_slug, record.key_id))


def store(unit: Unit, minted: MintedKey, at: datetime) -> None:
    kms_keys.note_current(unit, minted.sealed_by, at)
    keys.add(
        unit,
        key_id=minted.key_id,
        org_slug=minted.org_slug,
        key_hash=key_hash(minted.key.reveal()),
        fingerprint=minted.fingerprint,
        sealed_key=minted.sealed,
        created_at=at,
    )


def rotate(services: Services, actor: Actor, tenant: Tenant, grace: timedelta) -> Rotation:
    """A new key; those before it stay valid for the grace and no longer than they already were."""
    now, slug = services.clock.now(), tenant.org_slug
    # sealed before the unit: Cloud KMS may take its time, and who writes waits for the unit to end
    minted = mint(services, slug)
    with services.ledger.writing() as unit:
        orgs.alone(unit, slug)
        # sealing takes its time, and a key of whoever has the slug by then is not this caller's
        if not orgs.lives(unit, slug, tenant.generation):
            raise orgs.off_boarded(slug)
        # its onboarding was broken off after the profile, and this is how its owner comes by a key
        if _living(unit, slug).plan is None:
            orgs.complete(unit, slug, services.ledger.plans.default, now)
        store(unit, minted, now)
        living = {record.key_id for record in keys.list_for(unit, slug) if record.usable(now)} - {minted.key_id}
        # after the new one is stored: where nothing is undone, a rotation that breaks off leaves a key too many, never none
        keys.expire_others(unit, slug, minted.key_id, now + grace)
        replaced = tuple(record for record in keys.list_for(unit, slug) if record.key_id in living)
        audit_trail.note(
            unit,
            services,
            actor,
            "keys.rotate",
            f"organizations/{slug}/keys/{minted.fingerprint}",
            org_slug=slug,
            details={"grace_seconds": int(grace.total_seconds()), "replaced": [record.fingerprint for record in replaced]},
        )
    return Rotation(minted, replaced)


def revoke(services: Services, actor: Actor, slug: OrgSlug, named: str) -> None:
    now = services.clock.now()
    with services.ledger.writing() as unit:
        _living(unit, slug)
        known = {record.fingerprint: record for record in keys.list_for(unit, slug)}
        if named not in known:
            raise Missing(f"organisation {slug} has no key with fingerprint {named!r}; GET /api/v1/organizations/{slug}/keys lists them")
        if not keys.revoke(unit, slug, named, now):
            raise Conflict(f"key {named} is revoked already")
        audit_trail.note(
            unit,
            services,
            actor,
            "keys.revoke",
            f"organizations/{slug}/keys/{named}",
            org_slug=slug,
        )


def listing(unit: Unit, slug: OrgSlug) -> list[KeyRecord]:
    _living(unit, slug)
    return keys.list_for(unit, slug)


def _living(unit: Unit, slug: OrgSlug) -> Org:
    org = orgs.get(unit, slug)
    if org is None:
        raise Missing(f"there is no organisation {slug}; GET /api/v1/organizations lists them")
    return org
