"""Prices and subscriptions of every model provider that has a seed."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from src.app.answers.prices import book_before, change_answer, costs_of, effects_answer, file_page, file_pieces, page_answer, reset_answer
from src.app.answers.tables import MEDIA_TYPES, file_answer, form_of, next_link
from src.app.dependencies.audited import audited
from src.app.dependencies.auth import access, caller_of, parts_of
from src.app.dependencies.once import REDO, OnceRoute, Repeat, once
from src.app.dependencies.price_requests import discount, is_csv, named_axes, plan_update, price_update, told_lines, told_rates
from src.app.dependencies.tenants import living_tenant
from src.app.models.llm_data import (
    Count,
    DiscountRequest,
    Moment,
    Origin,
    PlanRequest,
    PlanUpdate,
    PriceRequest,
    PriceUpdate,
    PricingAnswer,
    PricingChange,
    ResetAnswer,
    SubscriptionsAnswer,
    SubscriptionsChange,
    body_schema,
)
from src.core.base.faults import Conflict, Flaw, Rejected
from src.core.base.threads import blocking
from src.core.base.turns import Turns
from src.core.ledger.store import Unit
from src.core.providers.directory import known_providers
from src.core.step.credentials import known
from src.core.step.prices.book import Book, BookRequest
from src.core.step.prices.changes import Add, Chosen, Delete, LayOver, OwnList, Withdraw
from src.core.step.prices.forms import file_columns
from src.core.step.prices.kinds import PRICING, SUBSCRIPTIONS, BookKind, seed_of
from src.core.step.prices.listing import BookQuestion
from src.core.step.prices.rates import D, PlanRate, Rate
from src.core.step.prices.seeding import laying, told
from src.core.step.prices.store import BookStore, Changed

router = APIRouter(prefix="/api/v1/integrations", tags=["prices"], route_class=OnceRoute)

ROWS: Final = 1000
MOST_ROWS: Final = 5000
AT: Final = "/{org_slug}/{provider}"

Slug = Annotated[str, Path(max_length=200, description="The organisation")]
Named = Annotated[str, Path(max_length=40, description="The provider, or an alias of it")]
ModelId = Annotated[str, Path(max_length=200, description="May hold `:` and `/`")]
PlanName = Annotated[str, Path(max_length=200)]
DryRun = Annotated[bool, Query(description="Changes nothing and answers what it would change")]
Word = Annotated[str | None, Query(max_length=200)]
Tokens = Annotated[Count | None, Query()]
At = Annotated[Moment | None, Query(description="Rates that are for this day or instant of use")]
AsOf = Annotated[Moment | None, Query(description="The book as it was then")]
History = Annotated[bool, Query(description="Every edition of every rate")]
Limit = Annotated[int | None, Query(ge=1, le=MOST_ROWS, description=f"{ROWS} when left out; a file without it holds all rows")]
Cursor = Annotated[str | None, Query(max_length=4000, description="`next_cursor` of the page before")]
AskedForm = Annotated[Literal["json", "csv"] | None, Query(alias="format", description="Before what Accept says")]
From = Annotated[Moment | None, Query(description="Now when left out; a day is its first instant, UTC")]
Paging = tuple[int | None, str | None, Literal["json", "csv"] | None]
Back = Annotated[bool, Query(description="Takes back what is announced for later, and nothing else")]
Replace = Annotated[bool, Query(description="Of a file: from `effective_from` on these rates and no others")]
CSV_TOO: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {MEDIA_TYPES["csv"]: {"schema": {"type": "string"}}}}}


def _taking(model: type[PriceRequest | PlanRequest], kind: BookKind[Any]) -> dict[str, Any]:
    declared = access("root_or_org")["openapi_extra"]
    return {"openapi_extra": {**declared, "requestBody": body_schema(model, file_columns(kind.rates))}}


@router.get(
    f"{AT}/pricing",
    summary="The price book of models",
    response_model=PricingAnswer,
    responses=CSV_TOO,
    **access("root_or_org", conditional=True),
)
async def list_pricing(
    request: Request, org_slug: Slug, provider: Named, *,
    model: Word = None, token_kind: Word = None, service_tier: Word = None, origin: Annotated[Origin | None, Query()] = None,
    at: At = None, as_of: AsOf = None, history: History = False,
    limit: Limit = None, cursor: Cursor = None, asked: AskedForm = None,
) -> Response:  # fmt: skip
    equal = named_axes(model=model, token_kind=token_kind, service_tier=service_tier, origin=origin)
    store = await _store(request, org_slug, provider, PRICING)
    return await _listed(request, store, BookQuestion(equal, at, as_of, history), (limit, cursor, asked))


@router.post(
    f"{AT}/pricing", summary="Add rates, or lay a file over the book", response_model=PricingChange, **_taking(PriceRequest, PRICING)
)
@once(Repeat())
async def add_pricing(
    request: Request, org_slug: Slug, provider: Named, *, dry_run: DryRun = False, replace: Replace = False, effective_from: From = None
) -> Response:
    store = await _store(request, org_slug, provider, PRICING)
    verb, asked = await _told(request, store, PriceRequest, replace=replace, effective_from=effective_from)
    return await _changed(request, store, asked, verb, dry_run=dry_run)


@router.put(
    f"{AT}/pricing/{{model_id:path}}", summary="Another price for a model's rates", response_model=PricingChange, **access("root_or_org")
)
async def update_pricing(
    request: Request, org_slug: Slug, provider: Named, model_id: ModelId, body: PriceUpdate, *, dry_run: DryRun = False
) -> Response:
    store = await _store(request, org_slug, provider, PRICING)
    return await _changed(request, store, price_update(model_id, body), "update", dry_run=dry_run)


@router.delete(
    f"{AT}/pricing/{{model_id:path}}",
    summary="End a model's rates, or take back announced ones",
    response_model=PricingChange,
    **access("root_or_org"),
)
async def delete_pricing(
    request: Request, org_slug: Slug, provider: Named, model_id: ModelId, *,
    token_kind: Word = None, service_tier: Word = None, prompt_tokens_over: Tokens = None, price_window: Word = None, region: Word = None,
    effective_from: From = None, withdraw: Back = False, dry_run: DryRun = False,
) -> Response:  # fmt: skip
    axes = named_axes(
        token_kind=token_kind, service_tier=service_tier, prompt_tokens_over=prompt_tokens_over, price_window=price_window, region=region
    )
    store: BookStore[Rate] = await _store(request, org_slug, provider, PRICING)
    verb, asked = _ended({"model": model_id, **axes}, effective_from, withdraw=withdraw)
    return await _changed(request, store, asked, verb, dry_run=dry_run)


@router.post(f"{AT}/pricing/reset", summary="The seed's prices alone", **access("root_or_org"))
@once(REDO)
async def reset_pricing(request: Request, org_slug: Slug, provider: Named, *, dry_run: DryRun = False) -> ResetAnswer:
    return await _reset(request, await _store(request, org_slug, provider, PRICING), dry_run=dry_run)


@router.post(f"{AT}/pricing/discount", summary="So many percent off the list", response_model=PricingChange, **access("root_or_org"))
@once(REDO)
async def discount_pricing(
    request: Request, org_slug: Slug, provider: Named, body: DiscountRequest, *, dry_run: DryRun = False
) -> Response:
    store = await _store(request, org_slug, provider, PRICING)
    return await _changed(request, store, discount(store.seed, body), "discount", dry_run=dry_run)


@router.get(
    f"{AT}/subscriptions",
    summary="The price book of plans",
    response_model=SubscriptionsAnswer,
    responses=CSV_TOO,
    **access("root_or_org", conditional=True),
)
async def list_subscriptions(
    request: Request, org_slug: Slug, provider: Named, *,
    plan_name: Word = None, billing_period: Word = None, origin: Annotated[Origin | None, Query()] = None,
    at: At = None, as_of: AsOf = None, history: History = False,
    limit: Limit = None, cursor: Cursor = None, asked: AskedForm = None,
) -> Response:  # fmt: skip
    equal = named_axes(plan_name=plan_name, billing_period=billing_period, origin=origin)
    store = await _store(request, org_slug, provider, SUBSCRIPTIONS)
    return await _listed(request, store, BookQuestion(equal, at, as_of, history), (limit, cursor, asked))


@router.post(
    f"{AT}/subscriptions",
    summary="Add plans, or lay a file over the book",
    response_model=SubscriptionsChange,
    **_taking(PlanRequest, SUBSCRIPTIONS),
)
@once(Repeat())
async def add_subscription(
    request: Request, org_slug: Slug, provider: Named, *, dry_run: DryRun = False, replace: Replace = False, effective_from: From = None
) -> Response:
    store = await _store(request, org_slug, provider, SUBSCRIPTIONS)
    verb, asked = await _told(request, store, PlanRequest, replace=replace, effective_from=effective_from)
    return await _changed(request, store, asked, verb, dry_run=dry_run)


@router.put(
    f"{AT}/subscriptions/{{plan_name:path}}",
    summary="Another price, or seats, of a plan",
    response_model=SubscriptionsChange,
    **access("root_or_org"),
)
async def update_subscription(
    request: Request, org_slug: Slug, provider: Named, plan_name: PlanName, body: PlanUpdate, *, dry_run: DryRun = False
) -> Response:
    store = await _store(request, org_slug, provider, SUBSCRIPTIONS)
    return await _changed(request, store, plan_update(plan_name, body), "update", dry_run=dry_run)


@router.delete(
    f"{AT}/subscriptions/{{plan_name:path}}",
    summary="End a plan's rates, or take back announced ones",
    response_model=SubscriptionsChange,
    **access("root_or_org"),
)
async def delete_subscription(
    request: Request, org_slug: Slug, provider: Named, plan_name: PlanName, *,
    billing_period: Word = None, effective_from: From = None, withdraw: Back = False, dry_run: DryRun = False,
) -> Response:  # fmt: skip
    chosen = {"plan_name": plan_name, **named_axes(billing_period=billing_period)}
    store: BookStore[PlanRate] = await _store(request, org_slug, provider, SUBSCRIPTIONS)
    verb, asked = _ended(chosen, effective_from, withdraw=withdraw)
    return await _changed(request, store, asked, verb, dry_run=dry_run)


@router.post(f"{AT}/subscriptions/reset", summary="The seed's plans alone", **access("root_or_org"))
@once(REDO)
async def reset_subscriptions(request: Request, org_slug: Slug, provider: Named, *, dry_run: DryRun = False) -> ResetAnswer:
    return await _reset(request, await _store(request, org_slug, provider, SUBSCRIPTIONS), dry_run=dry_run)


async def _store(request: Request, named: str, provider: str, kind: BookKind[D]) -> BookStore[D]:
    parts = parts_of(request)
    seed = seed_of(parts.settings.configs_dir, known_providers(parts.settings.configs_dir).get(provider).name, kind)
    tenant = await living_tenant(request, named)
    if request.method != "GET":
        await blocking(parts.ledger.read, _open, tenant.org_slug)
    return BookStore(parts, tenant, seed)


def _open(unit: Unit, slug: str) -> None:
    if known(unit, slug).status != "ACTIVE":
        raise Conflict(f"organisation {slug} is being off-boarded; its price books are changed no more")


async def _listed(request: Request, store: BookStore[D], question: BookQuestion, paging: Paging) -> Response:
    limit, cursor, asked = paging
    form = form_of(request, ("json", "csv"), asked)
    async with _reading(request, store):
        if form == "json":
            return await blocking(page_answer, store, question, limit or ROWS, cursor)
        page = await blocking(file_page, store, question, limit, cursor)
    following = {"Link": next_link(request, page.next_cursor)} if page.next_cursor else None
    return await file_answer(request, store.tenant.org_slug, "csv", store.seed.table, lambda: file_pieces(store, page), headers=following)


async def _told(
    request: Request, store: BookStore[D], model: type[Any], *, replace: bool, effective_from: Any
) -> tuple[str, BookRequest[D]]:
    if not is_csv(request):
        if replace or effective_from is not None:
            raise Rejected("replace and effective_from are of a file (text/csv); a rate says itself when it begins")
        return "add", Add(await told_rates(request, store.seed, model))
    if effective_from is not None and not replace:
        raise Rejected("effective_from is of replace=true; without it each line says when it begins")
    rates = await told_lines(request, store.seed)
    return ("replace", OwnList(rates, effective_from=effective_from)) if replace else ("lay_over", LayOver(rates))


def _ended(chosen: Chosen, effective_from: Any, *, withdraw: bool) -> tuple[str, BookRequest[Any]]:
    if withdraw and effective_from is not None:
        flaws = [Flaw("is not taken", "effective_from")]
        raise Rejected("withdraw takes back all that is announced; leave effective_from out, or delete from that day", flaws=flaws)
    return ("withdraw", Withdraw(chosen)) if withdraw else ("delete", Delete(chosen, effective_from))


async def _changed(request: Request, store: BookStore[D], asked: BookRequest[D], verb: str, *, dry_run: bool) -> Response:
    actor, action = caller_of(request).actor, f"{store.seed.kind.name}.{verb}"
    if dry_run:
        async with _reading(request, store):
            done = await blocking(store.preview, asked, actor)
    else:
        async with _auditing(request, store, action), _turns(request).turn(store.resource):
            done = await blocking(store.change, asked, actor, action)
    async with _reckoning(request, store):
        return await blocking(change_answer, store, done, dry_run=dry_run)


async def _reset(request: Request, store: BookStore[D], *, dry_run: bool) -> ResetAnswer:
    parts, actor, name = parts_of(request), caller_of(request).actor, store.seed.kind.name
    if dry_run:
        async with _reading(request, store):
            done = await blocking(store.preview, laying(store.seed, "reset"), actor)
        async with _reckoning(request, store):
            return await blocking(_would_reset, store, done)
    document_id = f"{store.seed.provider}/seed/reset"
    async with _auditing(request, store, f"{name}.reset"), _turns(request).turn(store.resource):
        before = await blocking(book_before, store)
        outcome = await parts.executor.run(document_id, actor=actor, tenant=store.tenant, inputs={"book": name})
        laid = outcome.require().of("load_seed")["books"][name]
    async with _reckoning(request, store):
        return await blocking(_has_reset, store, before, laid, outcome.run_id)


def _would_reset(store: BookStore[Any], done: Changed[Any]) -> ResetAnswer:
    return reset_answer(store, told(done), None, costs_of(store, done, written=False))


def _has_reset(store: BookStore[Any], before: Book[Any], laid: Mapping[str, Any], run_id: str) -> ResetAnswer:
    return reset_answer(store, laid, run_id, effects_answer(store, lambda: (before, store.read()), written=True))


def _auditing(request: Request, store: BookStore[Any], action: str) -> AbstractAsyncContextManager[None]:
    tenant = store.tenant
    return audited(parts_of(request), caller_of(request).actor, action, store.resource, tenant.org_slug, generation=tenant.generation)


def _reading(request: Request, store: BookStore[Any]) -> AbstractAsyncContextManager[None]:
    """Who reads waits for who reads: a whole book is in memory each time."""
    return _turns(request).turn(("read", store.resource))


def _reckoning(request: Request, store: BookStore[Any]) -> AbstractAsyncContextManager[None]:
    """What a change does to costs is asked for one after another: of many rows it takes seconds, and what the machine has."""
    return _turns(request).turn(("costs", store.resource))


def _turns(request: Request) -> Turns:
    turns: Turns = request.app.state.book_turns
    return turns
