from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from src.app.dependencies.audited import audited
from src.app.dependencies.auth import access, caller_of, parts_of
from src.app.dependencies.once import REDO, OnceRoute, once
from src.app.dependencies.tenants import living_tenant, tenant_of
from src.app.edge.provider_calls import provider_calls_of
from src.app.models.integrations import (
    CREDENTIALS,
    NAME,
    SETUPS,
    VALIDATIONS,
    IntegrationAnswer,
    IntegrationList,
    RemovedAnswer,
    SetupAnswer,
    SetupRequest,
    ValidateAnswer,
)
from src.core.base.faults import Fault
from src.core.base.identity import Tenant
from src.core.base.names import OrgSlug
from src.core.base.secret import Secret
from src.core.base.threads import blocking
from src.core.ledger.tables.credentials import CredentialRecord
from src.core.pipeline.inputs import handed_on
from src.core.pipeline.outcome import Outcome
from src.core.providers.directory import Provider, Providers, known_providers
from src.core.schedules import defaults
from src.core.schedules.editing import ScheduleEditor
from src.core.schedules.enough import shortage
from src.core.step import credentials
from src.core.step.handover import handovers
from src.core.step.prices.kinds import books_of

router = APIRouter(prefix="/api/v1/integrations", tags=["integrations"], route_class=OnceRoute)

Slug = Annotated[str, Path(max_length=200, description="The organisation")]
Named = Annotated[str, Path(max_length=40, description="The provider: gcp, or an alias of it")]
CredentialName = Annotated[str | None, Query(pattern=NAME, description="Which of them; left out, `default` or the only one there is")]
UNSAID: Mapping[str, Any] = {
    "credential_name": credentials.DEFAULT_NAME,
    "settings": {},
    "skip_validation": False,
    "another_account": False,
}
BEST_FIRST = ("VALID", "PENDING", "UNREACHABLE", "INVALID")


@router.get("/{org_slug}", summary="Every provider, and how its credentials stand", **access("root_or_org", conditional=True))
async def list_integrations(request: Request, org_slug: Slug) -> IntegrationList:
    stored = await _stored(request, org_slug)
    shown = [_integration(provider, stored) for provider in _providers(request).by_name.values()]
    return IntegrationList(org_slug=org_slug, integrations=shown)


@router.get("/{org_slug}/{provider}", summary="How one provider's credentials stand", **access("root_or_org"))
async def get_integration(request: Request, org_slug: Slug, provider: Named) -> IntegrationAnswer:
    return _integration(_providers(request).get(provider), await _stored(request, org_slug))


@router.post("/{org_slug}/{provider}/setup", summary="Try a credential at its provider and keep it", **access("root_or_org"))
@once(REDO)
async def setup_integration(request: Request, org_slug: Slug, provider: Named, body: SetupRequest) -> SetupAnswer:
    caller, parts, name = caller_of(request), parts_of(request), _providers(request).served(provider).name
    given = {**body.model_dump(), "credential": Secret(body.credential.get_secret_value())}
    resource = credentials.resource(org_slug, name, body.credential_name)
    with provider_calls_of(request).place(org_slug):
        async with audited(parts, caller.actor, "integrations.setup", resource, org_slug):
            tenant = await living_tenant(request, org_slug)
            before = await _stored(request, org_slug)
            outcome = await _asked(request, tenant, name, "setup", given)
            made = outcome.require().of("load_credential")
    record = await blocking(parts.ledger.read, credentials.existing, tenant.org_slug, name, body.credential_name)
    schedules = await _scheduled(request, tenant, record)
    short = await blocking(shortage, parts, tenant)
    said = {"status": "SUCCESS", "org_slug": org_slug, "replaced": made["replaced"], "pipeline_logging_id": outcome.run_id}
    said |= await _exchange(request, tenant, name, before)
    answer: SetupAnswer = SETUPS[name].model_validate({**_credential(record), **said, "schedules": schedules, "plan_too_small": short})
    return answer


@router.post("/{org_slug}/{provider}/validate", summary="Ask the provider again about a stored credential", **access("root_or_org"))
async def validate_integration(request: Request, org_slug: Slug, provider: Named, credential_name: CredentialName = None) -> ValidateAnswer:
    caller, parts, name = caller_of(request), parts_of(request), _providers(request).served(provider).name
    slug = tenant_of(caller, org_slug).org_slug
    chosen = credential_name or await _unnamed(request, slug, name)
    resource = credentials.resource(org_slug, name, chosen)
    with provider_calls_of(request).place(org_slug):
        async with audited(parts, caller.actor, "integrations.validate", resource, org_slug):
            tenant = await living_tenant(request, org_slug)
            await blocking(parts.ledger.read, credentials.living, tenant.org_slug, tenant.generation)
            before = await _stored(request, org_slug)
            outcome = await _asked(request, tenant, name, "validate", {"credential_name": chosen})
            outcome.require()
    record = await blocking(parts.ledger.read, credentials.existing, tenant.org_slug, name, chosen)
    await _scheduled(request, tenant, record)
    said = {"status": "SUCCESS", "org_slug": org_slug, "pipeline_logging_id": outcome.run_id}
    said |= await _exchange(request, tenant, name, before)
    answer: ValidateAnswer = VALIDATIONS[name].model_validate({**_credential(record), **said})
    return answer


@router.delete("/{org_slug}/{provider}", summary="Forget a stored credential", **access("root_or_org"))
async def delete_integration(request: Request, org_slug: Slug, provider: Named, credential_name: CredentialName = None) -> RemovedAnswer:
    caller, parts, name = caller_of(request), parts_of(request), _providers(request).served(provider).name
    slug = tenant_of(caller, org_slug).org_slug
    chosen = credential_name or await _unnamed(request, slug, name)
    resource = credentials.resource(org_slug, name, chosen)
    async with audited(parts, caller.actor, "integrations.delete", resource, org_slug):
        gone = await blocking(credentials.remove, parts, caller.actor, slug, name, chosen)
    others = await blocking(parts.ledger.read, credentials.listing, slug)
    editor = ScheduleEditor(parts, parts.catalog, caller.actor, tenant_of(caller, org_slug))
    await blocking(defaults.drop, editor, name, chosen, last=not any(one.provider == name for one in others))
    return RemovedAnswer(
        org_slug=org_slug,
        provider=name,
        credential_name=chosen,
        credential_fingerprint=gone.fingerprint,
        state="deleted",
        kept=[
            *(f"the credential {one.credential_name!r}" for one in others if one.provider == name),
            *(f"its price book {book}" for book in books_of(parts.settings.configs_dir, name)),
            "what was loaded with it: tables, books and runs",
        ],
    )


async def _unnamed(request: Request, slug: OrgSlug, provider: str) -> str:
    return await blocking(parts_of(request).ledger.read, credentials.unnamed, slug, provider)


async def _scheduled(request: Request, tenant: Tenant, record: CredentialRecord) -> list[str]:
    """The schedules that come with a valid credential, by pipeline and cron expression."""
    if record.validation_status != "VALID":
        return []
    parts = parts_of(request)
    editor = ScheduleEditor(parts, parts.catalog, caller_of(request).actor, tenant)
    made = await blocking(defaults.keep, editor, record.provider, record.credential_name)
    parts.timekeeper.wake()
    return [f"{schedule.document}: {schedule.schedule_cron} {schedule.timezone}" for schedule in made]


async def _exchange(request: Request, tenant: Tenant, provider: str, before: list[CredentialRecord]) -> dict[str, Any]:
    """What changes hands with what was stored, and what nobody knows from then on."""
    after = await _stored(request, tenant.org_slug)
    try:
        found = await blocking(handovers, parts_of(request), tenant, provider, before, after)
    except Fault as fault:
        # the credential is kept by now, and an answer that failed would say that it is not
        call = f"POST /api/v1/integrations/{tenant.org_slug}/{provider}/validate"
        because = f"the credential is kept; what changes hands with it cannot be told: {fault.detail}; ask again by {call}"
        return {"changes": None, "unknown": None, "changes_unknown_because": because}
    return {**asdict(found), "changes_unknown_because": None}


async def _asked(request: Request, tenant: Tenant, provider: str, call: str, given: Mapping[str, Any]) -> Outcome:
    parts, document_id = parts_of(request), f"integrations/{provider}/{call}"
    inputs = handed_on(parts.catalog.get(document_id).document.inputs, given, UNSAID, provider)

    def run(begins: Callable[[], object]) -> Awaitable[Outcome]:
        return parts.executor.run(document_id, actor=caller_of(request).actor, tenant=tenant, inputs=inputs, begins=begins)

    return await provider_calls_of(request).carried_out(request, run)


def _providers(request: Request) -> Providers:
    return known_providers(parts_of(request).settings.configs_dir)


async def _stored(request: Request, named: str) -> list[CredentialRecord]:
    slug = tenant_of(caller_of(request), named).org_slug
    return await blocking(parts_of(request).ledger.read, credentials.listing, slug)


def _integration(provider: Provider, stored: list[CredentialRecord]) -> IntegrationAnswer:
    # of a provider that this release has no package for, a later one may have stored some
    own = [record for record in stored if record.provider == provider.name in CREDENTIALS]
    found = {record.validation_status for record in own}
    status = next((one for one in BEST_FIRST if one in found), "NOT_SET_UP" if provider.served else "NOT_SERVED")
    return IntegrationAnswer.model_validate(
        {
            "provider": provider.name,
            "title": provider.title,
            "kind": provider.kind,
            "status": status,
            "credentials": [_credential(record) for record in own],
        }
    )


def _credential(record: CredentialRecord) -> Mapping[str, Any]:
    return {
        # first, so that nothing a provider keeps here takes the place of what the row itself says
        **(record.metadata or {}),
        "provider": record.provider,
        "credential_name": record.credential_name,
        "credential_fingerprint": record.fingerprint,
        "subject": record.subject,
        "validation_status": record.validation_status,
        "validation_error": record.validation_error,
        "validated_at": record.validated_at,
        "expires_at": record.expires_at,
        "created_at": record.created_at,
    }
