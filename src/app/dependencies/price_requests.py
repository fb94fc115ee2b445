"""What callers want of a price book, read from bodies and queries."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from fastapi import HTTPException
from fastapi import Request as HttpRequest
from pydantic import ValidationError

from src.app.models.llm_data import MOST_RATES, DiscountRequest, PlanRequest, PlanUpdate, PriceAxes, PriceRequest, PriceUpdate
from src.app.models.organizations import UnfitBody
from src.core.base.faults import Flaw, Rejected, TooLarge, first_flaws
from src.core.base.threads import blocking
from src.core.base.wording import json_flaw
from src.core.step.prices.changes import Discount, Update
from src.core.step.prices.forms import read_csv
from src.core.step.prices.kinds import Seed
from src.core.step.prices.rates import D, PlanRate, Rate

UNSUPPORTED = 415
CSV = "text/csv"
MOMENTS = ("effective_from", "effective_to")
# a plan's price may be agreed with each customer, its seats unknown, a note gone; these are always something
NEVER_NOTHING = frozenset({*MOMENTS, "currency", "source", "unit", "billing_period"})
BODY = "body"

M = TypeVar("M", PriceRequest, PlanRequest)


def is_csv(request: HttpRequest) -> bool:
    media = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media not in (CSV, "application/json"):
        raise HTTPException(UNSUPPORTED, f"rates are taken as application/json or {CSV}; say which in Content-Type")
    return media == CSV


async def told_rates(request: HttpRequest, seed: Seed[D], model: type[M]) -> Sequence[D]:
    """Of a JSON body: one rate, or a list of them."""
    return await blocking(_rates, model, await request.body(), seed)


async def told_lines(request: HttpRequest, seed: Seed[D]) -> Sequence[D]:
    return await blocking(_lines, await request.body(), seed)


def price_update(model_id: str, body: PriceUpdate) -> Update[Rate]:
    return _update({"model": model_id}, body.model_dump(exclude_none=True), {*PriceAxes.model_fields})


def plan_update(plan_name: str, body: PlanUpdate) -> Update[PlanRate]:
    told = {name: value for name, value in body.model_dump(exclude_unset=True).items() if value is not None or name not in NEVER_NOTHING}
    return _update({"plan_name": plan_name}, told, {"billing_period"})


def discount(seed: Seed[Rate], body: DiscountRequest) -> Discount:
    told = body.model_dump(exclude_none=True)
    percent: Decimal = told.pop("percent")
    rest = {name: told.pop(name) for name in (*MOMENTS, "source") if name in told}
    return Discount(seed.rates, percent, told, **rest)


def named_axes(**axes: str | int | None) -> Mapping[str, str | int]:
    return {name: value for name, value in axes.items() if value is not None}


def _update(subject: Mapping[str, str], told: Mapping[str, Any], axes: set[str]) -> Update[Any]:
    anew = {name: value for name, value in told.items() if name not in axes and name not in MOMENTS}
    if not anew:
        raise Rejected("nothing is to be another; say price, or what else changes", flaws=[Flaw("is required; add it", "price")])
    chosen = {**subject, **{name: told[name] for name in axes if name in told}}
    return Update(chosen, anew, told.get("effective_from"), told.get("effective_to"))


def _rates(model: type[M], body: bytes, seed: Seed[D]) -> Sequence[D]:
    return [seed.kind.rates(provider=seed.provider, **one.model_dump(exclude_none=True)) for one in _models(model, body)]


def _models(model: type[M], body: bytes) -> list[M]:
    try:
        given = json.loads(body)
    except json.JSONDecodeError as wrong:
        flaw = json_flaw(wrong)
        raise Rejected(f"the body {flaw.message}; send one rate or a list of them", flaws=[flaw]) from None
    except (ValueError, RecursionError):
        raise Rejected("the body cannot be read as JSON: send one rate or a list of them", flaws=[Flaw("cannot be read", BODY)]) from None
    many = given if isinstance(given, list) else [given]
    if not many:
        raise Rejected("the list is empty; send one rate at least", flaws=[Flaw("is empty", BODY)])
    if len(many) > MOST_RATES:
        raise TooLarge(f"these are {len(many):,} rates, and {MOST_RATES:,} at a time is the most; send them in parts")
    found: list[M] = []
    unfit: list[Any] = []
    for number, one in enumerate(many):
        try:
            found.append(model.model_validate(one))
        except ValidationError as invalid:
            place: tuple[str | int, ...] = (BODY, number) if isinstance(given, list) else (BODY,)
            unfit += _placed(invalid, place)
    if unfit:
        raise UnfitBody(unfit, given, model)
    return found


def _placed(invalid: ValidationError, place: tuple[str | int, ...]) -> list[Mapping[str, Any]]:
    return [{**error, "loc": (*place, *error["loc"])} for error in invalid.errors(include_url=False)]


def _lines(body: bytes, seed: Seed[D]) -> Sequence[D]:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Rejected("the file is not UTF-8; save it so", flaws=[Flaw("is not UTF-8", BODY)]) from None
    rates, flaws = read_csv(seed.kind.rates, text, BODY, most=MOST_RATES, provider=seed.provider)
    others = sorted({rate.provider for rate in rates if rate.provider != seed.provider})
    flaws += [Flaw(f"names {other[:40]!r}, and this book is of {seed.provider}", "provider", BODY) for other in others]
    if flaws:
        told, left_out = first_flaws(flaws, lambda flaw: flaw)
        raise Rejected(f"the file is not taken: {told[0]}", flaws=told, left_out=left_out)
    if not rates:
        raise Rejected("the file has no rates; send one line at least below the head", flaws=[Flaw("has no rates", BODY)])
    return rates
