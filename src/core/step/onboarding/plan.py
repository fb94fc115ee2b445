"""What onboarding an organisation takes. The dry run shows this plan, onboarding carries it out: one place decides."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal
from zoneinfo import available_timezones

from email_validator import EmailNotValidError, validate_email
from pydantic import field_validator

from src.core.base.dataset_types import dataset_types
from src.core.base.documents import Document, read_document, read_text
from src.core.base.faults import Conflict, Fault, Flaw, Misconfigured, Rejected, Unavailable
from src.core.base.identity import Tenant
from src.core.base.names import did_you_mean, slug_flaw
from src.core.base.redaction import redacted_text
from src.core.base.schema import TableSchema
from src.core.base.table_facts import TableFacts, ViewFacts
from src.core.ledger.tables import orgs
from src.core.step.context import Services
from src.core.step.losses import lost_ledger

# Files that lie beside the zones and mean something else on each machine.
NOT_ZONES = frozenset({"localtime", "posixrules", "Factory"})

Verdict = Literal["passed", "failed", "skipped"]
INPUT_CHECKS = {
    "org_slug_format": "org_slug",
    "company_name": "company_name",
    "admin_email": "admin_email",
    "subscription_plan": "subscription_plan",
    "timezone": "timezone",
}


@dataclass(frozen=True, slots=True)
class OnboardingRequest:
    org_slug: str
    company_name: str
    admin_email: str
    subscription_plan: str
    timezone: str
    adopt_dataset: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    result: Verdict
    detail: str


@dataclass(frozen=True, slots=True)
class OnboardingPlan:
    request: OnboardingRequest
    checks: tuple[Check, ...]

    @property
    def ready(self) -> bool:
        return all(check.result != "failed" for check in self.checks)

    def require(self) -> None:
        """Raises the fault that names what the caller mends: the input first, then the platform, then the slug."""
        failed = {check.name: check for check in self.checks if check.result == "failed"}
        flaws = [Flaw(failed[name].detail, field) for name, field in INPUT_CHECKS.items() if name in failed]
        if flaws:
            raise Rejected("; ".join(flaw.message for flaw in flaws), flaws=flaws)
        if "central_tables" in failed:
            raise Misconfigured(failed["central_tables"].detail)
        for name in ("organization_is_new", "dataset_is_free"):
            if name in failed:
                raise Conflict(failed[name].detail)
        if failed:
            raise Unavailable("the platform cannot onboard now: " + "; ".join(check.detail for check in failed.values()))


def requested(inputs: Mapping[str, Any], services: Services) -> OnboardingRequest:
    return OnboardingRequest(
        org_slug=inputs["org_slug"],
        company_name=inputs["company_name"],
        admin_email=inputs["admin_email"],
        subscription_plan=_given(inputs, "subscription_plan", services.ledger.plans.default.name),
        timezone=_given(inputs, "timezone", "UTC"),
        adopt_dataset=bool(inputs.get("adopt_dataset")),
    )


def _given(inputs: Mapping[str, Any], name: str, otherwise: str) -> str:
    """Left out is not the same as empty, which no check should let pass."""
    value = inputs.get(name)
    return otherwise if value is None else value


def plan(request: OnboardingRequest, services: Services, tenant: Tenant | None) -> OnboardingPlan:
    probes: list[tuple[str, Callable[[], str]]] = [
        ("org_slug_format", partial(_slug, request)),
        ("company_name", partial(_company, request)),
        ("admin_email", partial(_email, request)),
        ("subscription_plan", partial(_plan, request, services)),
        ("timezone", partial(_timezone, request)),
        ("central_tables", partial(_central_tables, services)),
        ("organization_is_new", partial(_is_new, request, services)),
        ("warehouse", partial(_warehouse, services)),
        ("dataset_is_free", partial(_dataset_is_free, request, services, tenant)),
        ("gcp", partial(_gcp, services)),
        ("vault", partial(_vault, services)),
    ]
    # all are asked, also after one has failed: whoever mends the first wants to know of the others
    return OnboardingPlan(request, tuple(_answer(name, probe) for name, probe in probes))


class Skipped(Exception):
    pass


def _answer(name: str, probe: Callable[[], str]) -> Check:
    try:
        return Check(name, "passed", probe())
    except Skipped as reason:
        return Check(name, "skipped", str(reason))
    except Fault as fault:
        return Check(name, "failed", fault.detail)


def _slug(request: OnboardingRequest) -> str:
    flaw = slug_flaw(request.org_slug)
    if flaw:
        raise Rejected(flaw)
    if redacted_text(request.org_slug) != request.org_slug:
        raise Rejected("org_slug looks like a key, and would be masked in every log; choose another")
    return f"{request.org_slug} may be a slug"


def _company(request: OnboardingRequest) -> str:
    if not request.company_name.strip():
        raise Rejected("company_name is empty")
    if not request.company_name.isprintable():
        raise Rejected("company_name holds characters that cannot be printed")
    return "there is a company name"


def _email(request: OnboardingRequest) -> str:
    try:
        validate_email(request.admin_email, check_deliverability=False)
    except EmailNotValidError as wrong:
        raise Rejected(f"admin_email is not an e-mail address: {wrong}") from wrong
    return "the address is well formed"


def _plan(request: OnboardingRequest, services: Services) -> str:
    found = services.ledger.plans.get(request.subscription_plan)
    return f"{found.name}: {found.daily_runs} runs a day, {found.monthly_runs} a month, {found.concurrent_runs} at once"


def _timezone(request: OnboardingRequest) -> str:
    if request.timezone not in zones():
        hint = did_you_mean(request.timezone[:60], zones())
        raise Rejected(f"timezone {request.timezone[:60]!r} is not an IANA zone, for example Europe/Berlin{hint}")
    return "the zone is known"


@cache
def zones() -> frozenset[str]:
    return frozenset(available_timezones() - NOT_ZONES)


def _central_tables(services: Services) -> str:
    missing = services.ledger.missing()
    lost = lost_ledger(services.settings, missing)
    if lost:
        raise lost
    if missing:
        raise Misconfigured(
            f"not bootstrapped: {', '.join(missing[:3])}{' and more' if len(missing) > 3 else ''} missing; "  # noqa: PLR2004 - three are enough to see
            "POST /api/v1/admin/bootstrap with the root key first"
        )
    return "all management tables and views are there"


def _is_new(request: OnboardingRequest, services: Services) -> str:
    if services.ledger.missing():
        raise Skipped("cannot be told before bootstrap")
    if slug_flaw(request.org_slug):
        raise Skipped("cannot be told of a slug that is none")
    if services.ledger.read(orgs.taken, request.org_slug):
        raise Conflict(taken_message(request.org_slug))
    return "no organisation has this slug"


def taken_message(slug: str) -> str:
    return (
        f"organisation {slug} exists already. If its key was lost, the root key makes a new one: "
        f"POST /api/v1/organizations/{slug}/keys/rotate; if it is half off-boarded, DELETE /api/v1/organizations/{slug} finishes that"
    )


def _warehouse(services: Services) -> str:
    services.warehouse.check()
    return f"{services.settings.warehouse_engine} answers"


def _dataset_is_free(request: OnboardingRequest, services: Services, tenant: Tenant | None) -> str:
    """An earlier organisation of this name may have left its costs: the ledger forgets when it is rebuilt, datasets do not."""
    if tenant is None or services.ledger.missing() or services.ledger.read(orgs.taken, tenant.org_slug):
        raise Skipped("told of a new organisation only")
    warehouse = services.warehouse
    if not warehouse.has_dataset(tenant):
        return f"there is no dataset {tenant.dataset} yet"
    own = _written()
    # what onboarding itself writes does not count: a crash half way leaves that, and it must be possible to go on
    filled = [table for table in warehouse.tables(tenant) if table not in own and warehouse.measure(tenant, table).rows]
    if filled and not request.adopt_dataset:
        raise Conflict(
            f"the dataset {tenant.dataset} holds data of an earlier organisation ({', '.join(filled[:3])}); "
            'onboard with "adopt_dataset": true if it is the same one and keeps its data, or choose another slug'
        )
    return f"{tenant.dataset} is taken over with the data it holds" if filled else f"{tenant.dataset} was left empty and is taken over"


def _gcp(services: Services) -> str:
    """Google itself is asked where the warehouse is its own; else a file is looked at, and nobody asked."""
    settings, asks = services.settings, services.settings.warehouse_engine == "bigquery"
    credentials = settings.google_application_credentials
    if not asks and credentials is None:
        raise Skipped("not configured: the warehouse is embedded")
    account = "the platform's own service account" if credentials is None else _account_of(credentials)
    if not asks:
        return f"the service account file of {account} is well formed; nothing embedded calls Google with it"
    services.warehouse.check()
    return f"Google lets {account} run queries in project {settings.gcp_project_id}"


def _account_of(file: Path) -> str:
    try:
        account = json.loads(file.read_text())
    except (OSError, ValueError) as wrong:
        raise Misconfigured(f"GOOGLE_APPLICATION_CREDENTIALS does not name a readable JSON file: {wrong}") from wrong
    if not isinstance(account, dict) or "client_email" not in account:
        raise Misconfigured("GOOGLE_APPLICATION_CREDENTIALS is not a service account file: it has no client_email")
    return str(account["client_email"])


def _vault(services: Services) -> str:
    services.vault.check()
    return "a secret was sealed and opened"


def _written() -> tuple[str, str]:
    """The tables that onboarding itself writes to."""
    own = dataset_types().organization.housekeeping
    return own.validation, own.profile


class DatasetConfig(Document):
    """`configs/setup/organizations/onboarding/config.yml`: what a new dataset holds."""

    tables: dict[str, TableFacts]
    views: dict[str, ViewFacts]

    @field_validator("tables")
    @classmethod
    def _has_what_onboarding_writes(cls, tables: dict[str, TableFacts]) -> dict[str, TableFacts]:
        missing = [name for name in _written() if name not in tables]
        if missing:
            raise ValueError(f"the table {missing[0]} is needed: onboarding writes to it")
        return tables

    def schemas(self, folder: Path) -> tuple[TableSchema, ...]:
        return tuple(facts.with_columns(folder, name) for name, facts in self.tables.items())

    def view_texts(self, folder: Path) -> dict[str, str]:
        files = {name: folder / "views" / f"{name}.sql" for name in self.views}
        return {name: read_text(path, str(path)) for name, path in files.items()}


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a new dataset holds, read whole so that a mistake is told when the service starts and not to the first customer."""

    schemas: tuple[TableSchema, ...]
    views: Mapping[str, str]

    @classmethod
    def read(cls, folder: Path) -> "Dataset":
        config = read_document(folder / "config.yml", DatasetConfig)
        return cls(config.schemas(folder), config.view_texts(folder))
