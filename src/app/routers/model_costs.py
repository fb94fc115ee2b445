from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from src.app.answers import model_costs as shown
from src.app.answers.tables import JSON_OR_TABLE, TABLE_CONTENT, form_of, page_file, rows_as
from src.app.dependencies.auth import KeyedRoute, access, parts_of
from src.app.dependencies.days import Days
from src.app.models.model_costs import ModelsAnswer
from src.app.routers.costs import MOST_FILE_ROWS, ROWS, AskedForm, Limit, Slug, reader_of
from src.core.base.threads import blocking
from src.core.costs.filter_values import require_known_models
from src.core.costs.model_sources import ModelSources
from src.core.costs.models import GROUPS, MOST_GROUPS, ModelFilters, ModelQuestion, model_groups, read_models
from src.core.costs.question import window_asked

router = APIRouter(prefix="/api/v1/costs", tags=["costs"], route_class=KeyedRoute)

FILTERS: Final = ("model", "token_kind", "project", "key", "currency")
RESPONSES: dict[int | str, dict[str, Any]] = {200: {"model": ModelsAnswer, "content": dict(TABLE_CONTENT)}}


def asked_filters(
    *,
    model: Annotated[str | None, Query(max_length=500, description="Model without its day, or tool, as rows name it")] = None,
    token_kind: Annotated[str | None, Query(max_length=100, description="input, cached_input, cache_write_5m, output, call, ...")] = None,
    project: Annotated[str | None, Query(max_length=500, description="The provider's project or workspace id")] = None,
    key: Annotated[str | None, Query(max_length=500, description="The id of an API key")] = None,
    currency: Annotated[str | None, Query(max_length=10, description="ISO 4217")] = None,
) -> ModelFilters:
    return ModelFilters(model, token_kind, project, key, currency.upper() if currency else None)


def asked_question(
    request: Request,
    filters: Annotated[ModelFilters, Depends(asked_filters)],
    provider: Annotated[str | None, Query(max_length=100, description="All providers of models when left out")] = None,
    *,
    days: Days,
    group_by: Annotated[
        list[str] | None, Query(max_length=16, description=f"Up to {MOST_GROUPS} of {', '.join(GROUPS)}; model when left out")
    ] = None,
) -> ModelQuestion:
    parts = parts_of(request)
    window = window_asked(days.first, days.last, parts.clock.now().date())
    return ModelQuestion(window, ModelSources.of(parts.settings.configs_dir, provider), model_groups(group_by or ()), filters)


Asked = Annotated[ModelQuestion, Depends(asked_question)]


@router.get(
    "/{org_slug}/models",
    summary="What models cost, by model, kind of token, project and key",
    responses=RESPONSES,
    **access("root_or_org", conditional=True),
)
async def model_costs(
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
    found = await blocking(read_models, reader, question, limit or (MOST_FILE_ROWS if whole else ROWS), cursor)
    if not found.lines and cursor is None:
        await blocking(require_known_models, reader, question)
    if form == "json":
        return await blocking(shown.answer, reader.tenant, question, found)
    return await page_file(
        request,
        reader.tenant.org_slug,
        form,
        f"costs_models_{question.window.start}_{question.window.end}",
        lambda: rows_as(form, shown.columns(question), shown.rows(found)),
        following=found.next_cursor,
        most=MOST_FILE_ROWS if whole else None,
    )
