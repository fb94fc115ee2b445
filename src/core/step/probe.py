"""Does this credential work? One question for every provider, asked when it is set up, when it is validated, and by a run."""

import threading
from collections.abc import Mapping
from typing import Any

from src.core.base.documents import Document
from src.core.base.faults import Conflict, Flaw, Misconfigured, Rejected, Unavailable
from src.core.base.identity import Tenant
from src.core.base.redaction import redacted_text
from src.core.base.secret import Secret
from src.core.ledger.tables import credentials as ledger_credentials
from src.core.providers.link import linked
from src.core.providers.packages import PACKAGES, CredentialVerdict
from src.core.step import credentials
from src.core.step.accounts import ANOTHER_ACCOUNT
from src.core.step.context import EarlierStep, Services, StepConfig, StepContext, StepResult
from src.core.step.credential_use import write_verdict
from src.core.step.credentials import OpenCredential


class ProbeConfig(Document):
    credential_from: EarlierStep | None = None


class ProbeOfProviderConfig(ProbeConfig):
    provider: str


def probe(
    services: Services, provider: str, secret: Secret, settings: Mapping[str, Any], given_up: threading.Event | None = None
) -> CredentialVerdict:
    """A provider that cannot be asked (Unavailable, Throttled) is no verdict."""
    ask = PACKAGES.credential(provider).probe
    try:
        with linked(services, provider, given_up) as link:
            return ask(link, secret, settings)
    except Rejected as refused:
        return CredentialVerdict(valid=False, error=refused.detail, flaws=refused.flaws)


def recognised(provider: str, secret: Secret, settings: Mapping[str, Any]) -> CredentialVerdict:
    """What cannot be a credential of the provider is refused here too; whether it works is not known."""
    recognise = PACKAGES.credential(provider).recognise
    if recognise is None:
        raise Rejected(f"a credential of {provider} is not kept without asking {provider}; leave skip_validation out")
    return recognise(secret, settings)


def validate(provider: str, step_config: StepConfig, context: StepContext) -> StepResult:
    """Of a stored credential, when `credential_from` names the step that opened it: what is said of it is written down.

    Otherwise of the one among the inputs, which the next step stores: a refusal fails the step, and nothing is stored.
    """
    tenant = context.tenant
    if tenant is None:
        raise Misconfigured("a credential was to be validated without its organisation")
    if step_config.get("credential_from") is not None:
        return _asked_again(context, credentials.opened(step_config, context, provider))
    return _asked_first(provider, context, tenant)


def require_valid(provider: str, step_config: StepConfig, context: StepContext) -> StepResult:
    """Of a stored credential, in a run: what is said of it is written down, and one that is refused ends the run."""
    result = _asked_again(context, credentials.opened(step_config, context, provider))
    if result["validation_status"] != "VALID":
        raise Rejected(str(result["validation_error"]))
    return result


def _asked_first(provider: str, context: StepContext, tenant: Tenant) -> StepResult:
    services = context.services
    name = credentials.name_in({}, context.inputs)
    if redacted_text(name) != name:
        raise Rejected("credential_name looks like a key; it is a name for people", flaws=[Flaw("looks like a key", "credential_name")])
    given = context.inputs["credential"]
    secret = given if isinstance(given, Secret) else Secret(given)
    # before the provider is asked: what is stored later is held against this generation
    org = services.ledger.read(credentials.living, tenant.org_slug, tenant.generation)
    unasked = bool(context.inputs.get("skip_validation"))
    settings = context.inputs.get("settings") or {}
    verdict = recognised(provider, secret, settings) if unasked else probe(services, provider, secret, settings, context.given_up)
    if not verdict.valid or verdict.secret is None:
        raise Rejected(verdict.error or f"{provider} refuses this credential", flaws=verdict.flaws)
    return {
        "status": "SUCCESS",
        "provider": provider,
        "credential_name": name,
        "credential": verdict.secret,
        "fingerprint": verdict.fingerprint,
        "subject": verdict.subject,
        "connection": {**verdict.facts, **({ANOTHER_ACCOUNT: True} if context.inputs.get(ANOTHER_ACCOUNT) else {})},
        "generation": org.generation,
        "validated_at": None if unasked else services.clock.now(),
        "expires_at": verdict.expires_at,
    }


def _asked_again(context: StepContext, opened: OpenCredential) -> StepResult:
    services = context.services
    try:
        verdict = probe(services, opened.provider, opened.secret, opened.connection.get("settings") or {}, context.given_up)
    # also where nobody is asked as things are set up: the credential is not what has to be mended
    except (Unavailable, Misconfigured) as silent:
        with services.ledger.writing() as unit:
            ledger_credentials.note_unreachable(unit, opened.credential_id, silent.detail, services.clock.now())
            context.still_wanted()
        raise
    with services.ledger.writing() as unit:
        # a verdict on what is no more would be written to what stands in its place
        if not write_verdict(unit, context, opened, verdict):
            raise Conflict(f"the {opened.provider} credential {opened.name!r} was replaced or removed while {opened.provider} was asked")
        context.still_wanted()
    status = "VALID" if verdict.valid else "INVALID"
    return {"status": "SUCCESS", "validation_status": status, "validation_error": verdict.error, "subject": verdict.subject}
