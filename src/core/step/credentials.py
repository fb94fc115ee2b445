"""An organisation's credentials for its providers: sealed for it alone, opened only inside a run of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from src.core.base.documents import Document
from src.core.base.faults import Conflict, Flaw, Misconfigured, Missing, Rejected
from src.core.base.identity import Actor, Tenant
from src.core.base.names import did_you_mean
from src.core.base.redaction import redacted_text
from src.core.base.secret import Secret
from src.core.crypto.vault import Binding
from src.core.ledger.store import Unit
from src.core.ledger.tables import credentials, kms_keys, orgs, slots
from src.core.ledger.tables.credentials import CredentialRecord
from src.core.providers.directory import Providers
from src.core.step import audit_trail
from src.core.step.accounts import unclear
from src.core.step.context import EarlierStep, Services, StepConfig, StepContext, StepResult
from src.core.step.counted import note_gone

DEFAULT_NAME = "default"


class CredentialConfig(Document):
    """Which credential of the organisation a step works with: by name, or of the earlier step that opened it."""

    credential_name: str | None = None
    credential_from: EarlierStep | None = None


class DecryptConfig(Document):
    provider: str
    credential_name: str | None = None


class StoreConfig(Document):
    credential_from: EarlierStep


@dataclass(frozen=True, slots=True)
class OpenCredential:
    credential_id: str
    provider: str
    name: str
    secret: Secret
    fingerprint: str
    subject: str | None = None
    connection: Mapping[str, Any] = field(default_factory=dict)
    """What is stored beside it and is no secret: for gcp project, dataset and tables."""


class Needed(NamedTuple):
    """A stored credential that a step works with."""

    provider: str
    name: str


@dataclass(frozen=True, slots=True)
class Proven:
    """A credential its provider has let in, not stored yet. `generation` is the organisation's when it was asked for.

    `validated_at` is None of one of which the provider was not asked.
    """

    provider: str
    name: str
    secret: Secret
    fingerprint: str
    subject: str | None
    connection: Mapping[str, Any]
    generation: int
    validated_at: datetime | None
    expires_at: datetime | None = None


def binding(slug: str, provider: str, credential_id: str) -> Binding:
    return Binding(slug, f"credential:{provider}", credential_id)


def open(services: Services, tenant: Tenant, provider: str, name: str = DEFAULT_NAME) -> OpenCredential:  # noqa: A001 - read as credentials.open
    found = services.ledger.read(existing, tenant.org_slug, provider, name)
    return OpenCredential(
        credential_id=found.credential_id,
        provider=provider,
        name=name,
        secret=services.vault.open(found.encrypted_credential, binding(tenant.org_slug, provider, found.credential_id)),
        fingerprint=found.fingerprint,
        subject=found.subject,
        connection=found.metadata or {},
    )


def opened(step_config: StepConfig, context: StepContext, provider: str) -> OpenCredential:
    """The credential a step works with: of the earlier step that `credential_from` names, or opened here."""
    if context.tenant is None:
        raise Misconfigured(f"step {context.step_id} opens a credential and was run without its organisation")
    source = step_config.get("credential_from")
    if source is None:
        return open(context.services, context.tenant, provider, name_in(step_config, context.inputs))
    result = context.results.get(str(source))
    if result is None or not isinstance(result.get("credential"), Secret):
        raise Misconfigured(f"step {context.step_id}: credential_from names {source!r}, which is no earlier step that opens a credential")
    return OpenCredential(
        credential_id=result["credential_id"],
        provider=provider,
        name=result["credential_name"],
        secret=result["credential"],
        fingerprint=result["fingerprint"],
        subject=result.get("subject"),
        connection=result["connection"],
    )


def handed_over(credential: OpenCredential) -> StepResult:
    """The result of a step that opens it for others."""
    return {
        "status": "SUCCESS",
        "credential": credential.secret,
        "credential_id": credential.credential_id,
        "credential_name": credential.name,
        "fingerprint": credential.fingerprint,
        "subject": credential.subject,
        "connection": dict(credential.connection),
    }


def provider_flaws(step_config: StepConfig, providers: Providers) -> list[Flaw]:
    told = providers.flaw(str(step_config["provider"])) if "provider" in step_config else None
    return [Flaw(told, "provider")] if told else []


def opened_by(step_config: StepConfig, provider: str) -> str | None:
    """The answer to `CredentialOpener.opens` of a step that gets its credential by `opened`."""
    return provider if step_config.get("credential_from") is None else None


def name_in(step_config: StepConfig, inputs: Mapping[str, Any]) -> str:
    return str(step_config.get("credential_name") or inputs.get("credential_name") or DEFAULT_NAME)


def existing(unit: Unit, slug: str, provider: str, name: str) -> CredentialRecord:
    found = credentials.find(unit, slug, provider, name)
    if found is None:
        raise _absent(unit, slug, Needed(provider, name))
    return found


def unnamed(unit: Unit, slug: str, provider: str) -> str:
    """Which one is meant by who names none: the usual one, or the only one there is."""
    names = [one.credential_name for one in credentials.list_for(unit, slug) if one.provider == provider]
    return names[0] if len(names) == 1 else DEFAULT_NAME


def lacking(unit: Unit, slug: str, needed: Needed, at: datetime) -> Rejected | None:
    """Why nothing can be done with it, in the words of the mend; None when it may be tried."""
    found = credentials.find(unit, slug, needed.provider, needed.name)
    if found is None:
        return _absent(unit, slug, needed)
    why = f"it expired on {found.expires_at:%Y-%m-%d %H:%M} UTC" if found.expires_at and found.expires_at <= at else None
    if found.validation_status == "INVALID":
        why = found.validation_error or f"{needed.provider} refused it"
    if why is None:
        # a release before asked nobody whose account the second one is of
        return None if found.subject else unclear(found, credentials.list_for(unit, slug))
    calls = f"/api/v1/integrations/{slug}/{needed.provider}"
    return Conflict(
        f"the {needed.provider} credential {needed.name!r} of {slug} is not valid: {why}; "
        f"POST {calls}/setup stores another, POST {calls}/validate asks {needed.provider} again"
    )


def _absent(unit: Unit, slug: str, needed: Needed) -> Missing:
    provider, name = needed
    others = [one.credential_name for one in credentials.list_for(unit, slug) if one.provider == provider]
    hint = did_you_mean(name, others) or (f"; it has {', '.join(others)}" if others else "")
    return Missing(
        f"organisation {slug} has no {provider} credential named {name[:64]!r}{hint}; "
        f"POST /api/v1/integrations/{slug}/{provider}/setup stores one"
    )


def resource(slug: str, provider: str, name: str) -> str:
    """As audit rows name it."""
    return f"organizations/{slug}/integrations/{provider}/{name}"


def listing(unit: Unit, slug: str) -> list[CredentialRecord]:
    known(unit, slug)
    return credentials.list_for(unit, slug)


def known(unit: Unit, slug: str) -> orgs.Org:
    org = orgs.get(unit, slug)
    if org is None:
        raise Missing(f"there is no organisation {slug}; GET /api/v1/organizations lists them")
    return org


def living(unit: Unit, slug: str, generation: int | None = None) -> orgs.Org:
    """Of this generation, where one is named: a slug may have been off-boarded and given to somebody else meanwhile."""
    org = known(unit, slug)
    if generation not in (None, org.generation):
        raise Conflict(f"organisation {slug} was onboarded anew meanwhile; nothing was stored")
    if org.status != "ACTIVE":
        raise Conflict(f"organisation {slug} is being off-boarded and takes no credentials")
    return org


def store(context: StepContext, proven: Proven) -> tuple[CredentialRecord, CredentialRecord | None]:
    """Sealed and written with its audit row in one transaction; with it comes the one of that name whose place it took."""
    services, tenant = context.services, context.tenant
    if tenant is None:
        raise Misconfigured("a credential was to be stored without its organisation")
    now = services.clock.now()
    credential_id = services.ids.new()
    # before the transaction: a keyring in the cloud may take seconds, and the ledger has one writer at a time
    sealed = services.vault.seal(proven.secret, binding(tenant.org_slug, proven.provider, credential_id))
    record = CredentialRecord(
        credential_id=credential_id,
        org_slug=tenant.org_slug,
        provider=proven.provider,
        credential_name=proven.name,
        encrypted_credential=sealed,
        fingerprint=proven.fingerprint,
        subject=proven.subject,
        metadata=dict(proven.connection),
        validation_status="VALID" if proven.validated_at else "PENDING",
        validation_error=None,
        validated_at=proven.validated_at,
        expires_at=proven.expires_at,
        created_by=context.actor.user_id and redacted_text(context.actor.user_id),
        created_at=now,
        updated_at=now,
    )
    with services.ledger.writing() as unit:
        orgs.alone(unit, tenant.org_slug)
        living(unit, tenant.org_slug, proven.generation)
        if conflict := unclear(record, credentials.list_for(unit, tenant.org_slug)):
            raise conflict
        kms_keys.note_current(unit, services.vault.key_id(sealed), now)
        before = credentials.put(unit, record)
        if before:
            note_gone(unit, before, credentials.list_for(unit, tenant.org_slug), now)
        slots.hurry(unit, tenant.org_slug, now)
        _note(unit, services, context.actor, "integrations.setup", record, replaced=before.fingerprint if before else None)
        context.still_wanted()
    return record, before


def remove(services: Services, actor: Actor, slug: str, provider: str, name: str) -> CredentialRecord:
    with services.ledger.writing() as unit:
        # also while it is off-boarded: a credential may always go, only new ones are refused
        known(unit, slug)
        found = existing(unit, slug, provider, name)
        credentials.remove(unit, slug, provider, name)
        note_gone(unit, found, credentials.list_for(unit, slug), services.clock.now())
        _note(unit, services, actor, "integrations.delete", found)
    return found


def _note(unit: Unit, services: Services, actor: Actor, action: str, record: CredentialRecord, **more: str | None) -> None:
    audit_trail.note(
        unit,
        services,
        actor,
        action,
        resource(record.org_slug, record.provider, record.credential_name),
        org_slug=record.org_slug,
        details={
            "credential_id": record.credential_id,
            "fingerprint": record.fingerprint,
            "subject": record.subject,
            "validation_status": record.validation_status,
            **more,
        },
    )
