from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from src.app.answers.cost_tables import daily_answer, daily_columns, daily_rows, summary_answer, summary_columns, summary_rows
from src.app.answers.proof import proof_answer
from src.app.answers.tables import FILES, JSON_OR_TABLE, TABLE_CONTENT, file_answer, form_of, page_file, rows_as
from src.app.dependencies.auth import KeyedRoute, access, parts_of
from src.app.dependencies.days import Days
from src.app.dependencies.tenants import living_tenant
from src.app.models.costs import DailyAnswer, FileForm, Form, SummaryAnswer
from src.app.models.proof import ProofAnswer
from src.core.base.faults import TooLarge
from src.core.base.threads import blocking
from src.core.costs.comparison import Compare
from src.core.costs.daily import read_daily
from src.core.costs.filter_values import require_known
from src.core.costs.proof import prove_table
from src.core.costs.question import CostQuestion, Filters, GroupName, groups_asked, window_asked
from src.core.costs.reader import CostReader
from src.core.costs.run_sight import run_sight_of
from src.core.costs.sight import sight_of
from src.core.costs.summary import read_summary
from src.core.costs.tables import table_file
from src.core.costs.used_since import UsedSince
from src.core.providers.directory import known_providers

router = APIRouter(prefix="/api/v1/costs", tags=["costs"], route_class=KeyedRoute)

ROWS: Final = 1000
MOST_ROWS: Final = 5000
MOST_FILE_ROWS: Final = 50_000  # rows of a file without `limit` are put together in memory

Slug = Annotated[str, Path(max_length=200, description="The organisation")]
Limit = Annotated[int | None, Query(ge=1, le=MOST_ROWS, description=f"{ROWS} when left out; a file without it holds all rows")]
AskedForm = Annotated[Form | None, Query(alias="format", description="Before what Accept says")]
SUMMARY_RESPONSES: dict[int | str, dict[str, Any]] = {200: {"model": SummaryAnswer, "content": dict(TABLE_CONTENT)}}
DAILY_RESPONSES: dict[int | str, dict[str, Any]] = {200: {"model": DailyAnswer, "content": dict(TABLE_CONTENT)}}
TABLE_RESPONSES: dict[int | str, dict[str, Any]] = {200: {"description": "The rows as a file", "content": dict(TABLE_CONTENT)}}


async def reader_of(request: Request, org_slug: str) -> CostReader:
    parts = parts_of(request)
    # of nobody's dataset it cannot be said that it is lost
    tenant = await living_tenant(request, org_slug)
    # in a thread: the first to ask for the warehouse loads its driver
    warehouse = await blocking(lambda: parts.warehouse)
    # before the dataset is asked: a run that ends meanwhile has judged by more than is seen here, and never by less
    configs = parts.settings.configs_dir
    asked = (tenant.org_slug, configs)
    seen = await blocking(
        parts.ledger.read, lambda unit: (sight_of(unit, *asked), run_sight_of(unit, *asked), UsedSince.of(unit, tenant.org_slug))
    )
    return CostReader(warehouse, configs, tenant, parts.clock.now(), *seen)


def asked_question(
    request: Request,
    days: Days,
    *,
    provider: Annotated[str | None, Query(max_length=100, description="For example gcp")] = None,
    service: Annotated[str | None, Query(max_length=500, description="As the provider names it")] = None,
    project: Annotated[str | None, Query(max_length=500, description="The provider's project id")] = None,
    currency: Annotated[str | None, Query(max_length=10, description="ISO 4217")] = None,
    group_by: Annotated[
        list[str] | None,
        Query(max_length=8, description="None, one or two of provider, service, project, sku, region, account, cost_type, invoice_month"),
    ] = None,
) -> CostQuestion:
    parts = parts_of(request)
    window = window_asked(days.first, days.last, parts.clock.now().date())
    groups: tuple[GroupName, ...] = groups_asked(group_by or ())
    named = known_providers(parts.settings.configs_dir).named(provider) if provider else None
    return CostQuestion(window, Filters(named, service, project, currency.upper() if currency else None), groups)


Asked = Annotated[CostQuestion, Depends(asked_question)]


def asked_comparison(
    question: Asked,
    compare: Annotated[
        Compare | None, Query(description="With what; previous_month for whole months and a month to date when left out")
    ] = None,
) -> CostQuestion:
    return replace(question, compare=compare)


Compared = Annotated[CostQuestion, Depends(asked_comparison)]


@router.get(
    "/{org_slug}/daily",
    summary="Costs by day, with how complete each day is",
    responses=DAILY_RESPONSES,
    **access("root_or_org", conditional=True),
)
async def daily_costs(
    request: Request,
    org_slug: Slug,
    question: Asked,
    *,
    limit: Limit = None,
    cursor: Annotated[str | None, Query(max_length=6000, description="`next_cursor` of the page before")] = None,
    asked: AskedForm = None,
) -> Response:
    form = form_of(request, JSON_OR_TABLE, asked)
    whole = form != "json" and limit is None
    reader = await reader_of(request, org_slug)
    found = await blocking(read_daily, reader, question, limit or (MOST_FILE_ROWS if whole else ROWS), cursor)
    if not any(total.amounts.row_count for total in found.totals):
        await blocking(require_known, reader, question.filters)
    if form == "json":
        return await blocking(daily_answer, reader.tenant, question, found)
    return await page_file(
        request,
        reader.tenant.org_slug,
        form,
        f"costs_daily_{_days(question)}",
        lambda: rows_as(form, daily_columns(question), daily_rows(found)),
        following=found.next_cursor,
        most=MOST_FILE_ROWS if whole else None,
    )


@router.get(
    "/{org_slug}/summary",
    summary="What a range comes to, beside what it is compared with",
    responses=SUMMARY_RESPONSES,
    **access("root_or_org", conditional=True),
)
async def cost_summary(request: Request, org_slug: Slug, question: Compared, limit: Limit = None, asked: AskedForm = None) -> Response:
    form = form_of(request, JSON_OR_TABLE, asked)
    whole = form != "json" and limit is None
    reader = await reader_of(request, org_slug)
    found = await blocking(read_summary, reader, question, limit or (MOST_FILE_ROWS if whole else ROWS))
    if not any(total.now.row_count or total.before.row_count for total in found.totals):
        await blocking(require_known, reader, question.filters)
    if form == "json":
        return await blocking(summary_answer, reader.tenant, question, found)
    if whole and found.groups_left_off:
        raise TooLarge(
            f"a currency has more than {MOST_FILE_ROWS} groups here; ask for fewer days or groups, or for its dearest with limit"
        )
    return await file_answer(
        request,
        reader.tenant.org_slug,
        form,
        f"costs_summary_{_days(question)}",
        lambda: rows_as(form, summary_columns(question), summary_rows(found)),
    )


@router.get(
    "/{org_slug}/tables/{table}",
    summary="Download a table or a window of it",
    response_class=Response,
    responses=TABLE_RESPONSES,
    **access("root_or_org"),
)
async def table_rows(
    request: Request,
    org_slug: Slug,
    table: Annotated[str, Path(max_length=127, description="A table or view of the organisation's dataset")],
    days: Days,
    asked: Annotated[FileForm | None, Query(alias="format", description="Before what Accept says")] = None,
) -> Response:
    form = form_of(request, FILES, asked)
    reader = await reader_of(request, org_slug)
    begin = partial(table_file, reader, table, days.first, days.last, "csv" if form == "csv" else "parquet")
    window = "".join(f"_{day}" for day in days if day)
    return await file_answer(request, reader.tenant.org_slug, form, f"{table}{window}", begin)


@router.get(
    "/{org_slug}/tables/{table}/proof",
    summary="Hold a table of raw rows against what was loaded",
    **access("root_or_org"),
)
async def table_proof(
    request: Request,
    org_slug: Slug,
    table: Annotated[str, Path(max_length=127, description="A table of raw rows, for example gcp_billing_daily_raw")],
) -> ProofAnswer:
    reader = await reader_of(request, org_slug)
    return proof_answer(reader.tenant, table, await blocking(prove_table, reader, table), reader.now)


def _days(question: CostQuestion) -> str:
    return f"{question.window.start}_{question.window.end}"
