from datetime import timedelta
from typing import Annotated, Any, Final, get_args

from fastapi import APIRouter, Depends, Query, Request, Response

from src.app.answers.statement import invoices_answer, statement_answer, statement_columns, statement_rows
from src.app.answers.statement_page import statement_page
from src.app.answers.tables import MEDIA_TYPES, file_answer, form_of, rows_as
from src.app.dependencies.audited import audited
from src.app.dependencies.auth import KeyedRoute, access, caller_of, parts_of
from src.app.dependencies.tenants import living_tenant
from src.app.models.statement import InvoiceRequest, InvoicesAnswer, StatementAnswer, StatementForm
from src.app.routers.costs import MOST_FILE_ROWS, ROWS, Limit, Slug, reader_of
from src.core.base.faults import TooLarge
from src.core.base.threads import blocking
from src.core.costs import invoices as told
from src.core.costs.bridge import MonthFilter, read_bridges
from src.core.costs.comparison import Compare, month_window
from src.core.costs.filter_values import require_known
from src.core.costs.question import CostQuestion, Filters, groups_asked
from src.core.costs.statement import read_statement
from src.core.costs.verification import titles, verify
from src.core.ledger.tables import invoices
from src.core.ledger.tables.invoices import newest
from src.core.providers.directory import known_providers

router = APIRouter(prefix="/api/v1/costs", tags=["costs"], route_class=KeyedRoute)

FORMS: Final[tuple[StatementForm, ...]] = get_args(StatementForm)
TEXT: Final = {"schema": {"type": "string"}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": StatementAnswer, "content": {MEDIA_TYPES["csv"]: TEXT, MEDIA_TYPES["html"]: TEXT}}
}
MONTH: Final = "YYYY-MM"


def asked_question(
    request: Request,
    *,
    month: Annotated[str | None, Query(max_length=20, description=f"{MONTH}; the last whole month when left out")] = None,
    provider: Annotated[str | None, Query(max_length=100, description="For example gcp; all when left out")] = None,
    service: Annotated[str | None, Query(max_length=500, description="Of the rows and totals alone; as the provider names it")] = None,
    project: Annotated[str | None, Query(max_length=500, description="Of the rows and totals alone; the provider's project id")] = None,
    currency: Annotated[str | None, Query(max_length=10, description="ISO 4217; all when left out")] = None,
    group_by: Annotated[list[str] | None, Query(max_length=8, description="As of summary")] = None,
    compare: Annotated[Compare | None, Query(description="As of summary; previous_month when left out")] = None,
) -> CostQuestion:
    parts = parts_of(request)
    today = parts.clock.now().date()
    last = today.replace(day=1) - timedelta(days=1)
    first = told.month_asked(month, today) if month else last.replace(day=1)
    named = known_providers(parts.settings.configs_dir).named(provider) if provider else None
    filters = Filters(named, service, project, currency.upper() if currency else None)
    return CostQuestion(month_window(first), filters, groups_asked(group_by or ()), compare)


Asked = Annotated[CostQuestion, Depends(asked_question)]


@router.get(
    "/{org_slug}/statement",
    summary="A month beside the one before, and how far it may be trusted",
    responses=RESPONSES,
    **access("root_or_org", conditional=True),
)
async def cost_statement(
    request: Request,
    org_slug: Slug,
    question: Asked,
    limit: Limit = None,
    asked: Annotated[StatementForm | None, Query(alias="format", description="Before what Accept says")] = None,
) -> Response:
    form = form_of(request, FORMS, asked)
    whole = form == "csv" and limit is None
    reader = await reader_of(request, org_slug)
    parts = parts_of(request)
    month = f"{question.window.start:%Y%m}"
    papers = newest(await blocking(parts.ledger.read, invoices.history, reader.tenant.org_slug, month))
    found = await blocking(read_statement, reader, question, papers, limit or (MOST_FILE_ROWS if whole else ROWS))
    if not any(total.now.row_count or total.before.row_count for total in found.summary.totals):
        await blocking(require_known, reader, question.filters)
    if form == "json":
        return await blocking(statement_answer, reader.tenant, found)
    if form == "html":
        return await blocking(statement_page, reader.configs, reader.tenant, found, titles(reader))
    if whole and found.summary.groups_left_off:
        raise TooLarge(f"a currency has more than {MOST_FILE_ROWS} rows here; ask for fewer groups, or for its dearest with limit")
    return await file_answer(
        request,
        reader.tenant.org_slug,
        "csv",
        f"statement_{question.window.start:%Y-%m}",
        lambda: rows_as("csv", statement_columns(question), statement_rows(found)),
    )


@router.get(
    "/{org_slug}/invoices/{provider}/{month}",
    summary="What the paper invoice of a month asks for",
    **access("root_or_org", conditional=True),
)
async def get_invoices(request: Request, org_slug: Slug, provider: str, month: str) -> InvoicesAnswer:
    return await _invoices(request, org_slug, provider, month)


@router.put("/{org_slug}/invoices/{provider}/{month}", summary="Tell what the paper invoice of a month asks for", **access("root_or_org"))
async def put_invoice(request: Request, org_slug: Slug, provider: str, month: str, body: InvoiceRequest) -> InvoicesAnswer:
    parts, actor = parts_of(request), caller_of(request).actor
    tenant = await living_tenant(request, org_slug)
    resource = f"costs/{tenant.org_slug}/invoices"
    async with audited(parts, actor, "costs.invoice", resource, tenant.org_slug, generation=tenant.generation):
        first = told.month_asked(month, parts.clock.now().date())
        named = known_providers(parts.settings.configs_dir).served(provider).name
        whose = told.InvoiceOf(named, first, body.currency.upper())
        await blocking(told.tell, parts, actor, tenant, told.ToldInvoice(whose, body.amount, body.tax, body.number))
    return await _invoices(request, org_slug, provider, month)


async def _invoices(request: Request, org_slug: str, provider: str, month: str) -> InvoicesAnswer:
    parts = parts_of(request)
    first = told.month_asked(month, parts.clock.now().date())
    named = known_providers(parts.settings.configs_dir).served(provider).name
    reader = await reader_of(request, org_slug)
    history = await blocking(parts.ledger.read, invoices.history, reader.tenant.org_slug, f"{first:%Y%m}", named)
    bridged = await blocking(read_bridges, reader, first, MonthFilter(named))
    question = CostQuestion(month_window(first), Filters(named))
    verified = await blocking(verify, reader, first, bridged.bridges, newest(history), question)
    return InvoicesAnswer.model_validate(invoices_answer(reader.tenant, named, month, history, verified))
