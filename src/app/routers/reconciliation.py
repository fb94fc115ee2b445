from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from src.app.answers import reconciliation as shown
from src.app.answers.tables import JSON_OR_TABLE, TABLE_CONTENT, form_of, page_file, rows_as
from src.app.dependencies.audited import audited
from src.app.dependencies.auth import KeyedRoute, access, caller_of, parts_of
from src.app.dependencies.days import Days
from src.app.dependencies.tenants import living_tenant
from src.app.models.reconciliation import CostRulesAnswer, CostRulesRequest, ReconciliationAnswer
from src.app.routers.costs import MOST_FILE_ROWS, ROWS, AskedForm, Limit, Slug, reader_of
from src.core.base.identity import Tenant
from src.core.base.threads import blocking
from src.core.costs.filter_values import require_known_reconciled
from src.core.costs.question import window_asked
from src.core.costs.reconciliation import GROUPS, ReconciliationQuestion, read_reconciliation, reconciled_groups
from src.core.providers.directory import known_providers
from src.core.step.reconciliation import rules
from src.core.step.reconciliation.rules import RulesInForce

router = APIRouter(prefix="/api/v1/costs", tags=["costs"], route_class=KeyedRoute)

RESPONSES: dict[int | str, dict[str, Any]] = {200: {"model": ReconciliationAnswer, "content": dict(TABLE_CONTENT)}}


def asked_question(
    request: Request,
    provider: Annotated[str, Query(max_length=100, description="For example openai")],
    days: Days,
    *,
    project: Annotated[str | None, Query(max_length=500, description="The provider's project id")] = None,
    model: Annotated[str | None, Query(max_length=500, description="Model without its day, or tool")] = None,
    currency: Annotated[str | None, Query(max_length=10, description="ISO 4217")] = None,
    group_by: Annotated[list[str] | None, Query(max_length=8, description=f"One or two of {', '.join(GROUPS)}; day when left out")] = None,
) -> ReconciliationQuestion:
    parts = parts_of(request)
    window = window_asked(days.first, days.last, parts.clock.now().date())
    filters = {"project": project, "model": model, "currency": currency.upper() if currency else None}
    named = _required(parts.settings.configs_dir, provider)
    return ReconciliationQuestion(named, window, reconciled_groups(group_by or ()), filters)


Asked = Annotated[ReconciliationQuestion, Depends(asked_question)]


@router.get(
    "/{org_slug}/reconciliation",
    summary="Costs by usage beside the provider's own report, and why they differ",
    responses=RESPONSES,
    **access("root_or_org", conditional=True),
)
async def reconcile_costs(
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
    found = await blocking(read_reconciliation, reader, question, limit or (MOST_FILE_ROWS if whole else ROWS), cursor)
    if not found.months and cursor is None:
        await blocking(require_known_reconciled, reader, question)
    if form == "json":
        [rule] = await _in_force(request, reader.tenant, question.provider)
        return await blocking(shown.answer, reader.tenant, question, found, rule)
    return await page_file(
        request,
        reader.tenant.org_slug,
        form,
        f"{question.provider}_reconciliation_{question.window.start}_{question.window.end}",
        lambda: rows_as(form, shown.columns(question), shown.rows(question, found)),
        following=found.next_cursor,
        most=MOST_FILE_ROWS if whole else None,
    )


@router.get(
    "/{org_slug}/rules", summary="Which figure is the bill, and when a day is warned of or held", **access("root_or_org", conditional=True)
)
async def get_rules(
    request: Request,
    org_slug: Slug,
    provider: Annotated[str | None, Query(max_length=100, description="All that are reconciled when left out")] = None,
) -> CostRulesAnswer:
    configs = parts_of(request).settings.configs_dir
    names = (_required(configs, provider),) if provider else await blocking(rules.reconciled, configs)
    tenant = await living_tenant(request, org_slug)
    return _answer(tenant, await _in_force(request, tenant, *names))


@router.put("/{org_slug}/rules", summary="Set these rules for one provider", **access("root_or_org"))
async def put_rules(request: Request, org_slug: Slug, body: CostRulesRequest) -> CostRulesAnswer:
    parts, actor = parts_of(request), caller_of(request).actor
    tenant = await living_tenant(request, org_slug)
    resource = f"costs/{tenant.org_slug}/rules"
    async with audited(parts, actor, "costs.rules", resource, tenant.org_slug, generation=tenant.generation):
        provider = await blocking(_required, parts.settings.configs_dir, body.provider)
        changed = await blocking(rules.change, parts, actor, tenant, rules.RulesChange(provider, body.told))
    return _answer(tenant, [changed])


def _required(configs: Path, said: str) -> str:
    """By a provider's name or an alias of it."""
    return rules.require_reconciled(configs, known_providers(configs).named(said))


async def _in_force(request: Request, tenant: Tenant, *providers: str) -> list[RulesInForce]:
    parts = parts_of(request)
    return [await blocking(parts.ledger.read, rules.in_force, parts.settings, tenant.org_slug, one) for one in providers]


def _answer(tenant: Tenant, found: list[RulesInForce]) -> CostRulesAnswer:
    return CostRulesAnswer.model_validate(
        {
            "org_slug": tenant.org_slug,
            "rules": [shown.rules_shown(one) for one in found],
            "note": shown.NOTE.replace("{org}", tenant.org_slug).replace(
                "{provider}", found[0].provider if len(found) == 1 else "{provider}"
            ),
        }
    )
