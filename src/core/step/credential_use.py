"""What a provider says of a credential, written down beside it, so that who looks at it need not ask."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from src.core.base.events import Event, stable_id
from src.core.base.faults import CredentialRefused, Misconfigured
from src.core.ledger.store import Unit
from src.core.ledger.tables import credentials as ledger_credentials
from src.core.ledger.tables import events
from src.core.ledger.tables.credentials import ValidationStatus
from src.core.providers.packages import CredentialVerdict
from src.core.step import audit_trail, credentials
from src.core.step.accounts import said_of
from src.core.step.context import StepContext
from src.core.step.credentials import OpenCredential


@contextmanager
def refusals_noted(context: StepContext, opened: OpenCredential) -> Iterator[None]:
    """Of a provider that is asked within: a credential that it refuses is INVALID from then on. No other failure says anything of it."""
    try:
        yield
    except CredentialRefused as refused:
        with context.services.ledger.writing() as unit:
            write_verdict(unit, context, opened, CredentialVerdict(valid=False, error=refused.detail))
            context.still_wanted()
        raise


@contextmanager
def in_use(context: StepContext, opened: OpenCredential) -> Iterator[None]:
    """All that it is stored for is done within: what is read with it to the end shows that it is VALID."""
    began = context.services.clock.now()
    with refusals_noted(context, opened):
        yield
    known = context.services.ledger.read(ledger_credentials.find, _slug(context), opened.provider, opened.name)
    # most runs find it so, and have nothing to write
    if known is None or known.credential_id != opened.credential_id or known.validation_status == "VALID":
        return
    with context.services.ledger.writing() as unit:
        if ledger_credentials.note_let_in(unit, opened.credential_id, began, context.services.clock.now()):
            _note(unit, context, opened, "VALID", None)
        context.still_wanted()


def write_verdict(unit: Unit, context: StepContext, opened: OpenCredential, verdict: CredentialVerdict) -> bool:
    """With its audit row; False when the credential was replaced or removed meanwhile, and nothing was written."""
    status: ValidationStatus = "VALID" if verdict.valid else "INVALID"
    before = None if verdict.valid else ledger_credentials.find(unit, _slug(context), opened.provider, opened.name)
    known = ledger_credentials.note_verdict(
        unit,
        opened.credential_id,
        status=status,
        error=verdict.error,
        at=context.services.clock.now(),
        subject=verdict.subject,
        # a refusal tells of no tables: those that were found when it worked stay
        metadata={**verdict.facts, **said_of(opened.connection)} if verdict.valid else None,
    )
    if known:
        _note(unit, context, opened, status, verdict.error)
        if before is not None and before.validation_status != "INVALID":
            events.record(unit, _refused(context, opened, before.validated_at, verdict.error))
    return known


def _refused(context: StepContext, opened: OpenCredential, since: datetime | None, why: str | None) -> Event:
    """Told once, until its provider has let it in again."""
    return Event(
        event_id=stable_id("credential", opened.credential_id, str(since)),
        type="credential.invalid",
        org_slug=_slug(context),
        occurred_at=context.services.clock.now(),
        data={"provider": opened.provider, "credential_name": opened.name, "reason": why},
    )


def _note(unit: Unit, context: StepContext, opened: OpenCredential, status: ValidationStatus, error: str | None) -> None:
    audit_trail.note(
        unit,
        context.services,
        context.actor,
        "integrations.validate",
        credentials.resource(_slug(context), opened.provider, opened.name),
        org_slug=_slug(context),
        details={
            "credential_id": opened.credential_id,
            "validation_status": status,
            "validation_error": error,
            "pipeline_logging_id": context.run_id,
        },
    )


def _slug(context: StepContext) -> str:
    if context.tenant is None:
        raise Misconfigured(f"step {context.step_id} works with a credential and was run without its organisation")
    return context.tenant.org_slug
