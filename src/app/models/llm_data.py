"""Prices and subscriptions of model providers."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from src.app.models.organizations import Answer, Request
from src.core.step.prices.forms import NUMBER, read_moment
from src.core.step.prices.listing import RateState
from src.core.step.prices.rates import LARGEST

Origin = Literal["seed", "own"]
MOST_RATES = 5_000
EXACT_DIGITS = 15


def _exact(value: object) -> object:
    """A price as a person writes it. Bounded before it is made a number: 1e999999999 has a billion digits."""
    if value is None or isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("must be a number, or a number as a text")  # noqa: TRY004 - what the validator makes a flaw of
    text = format(Decimal(repr(value)), "f") if isinstance(value, float) else str(value)
    # beyond these digits a number of JSON is not what was written
    if isinstance(value, float) and len(text.replace(".", "").strip("0")) > EXACT_DIGITS:
        raise ValueError("has more digits than a number of JSON keeps; send it as a text")
    if not NUMBER.fullmatch(text):
        raise ValueError("is not written as 0.125, with a point and without a sign")
    return Decimal(text)


def _moment(value: object) -> object:
    if value is None:
        return value
    # a number would be taken for seconds since 1970
    if not isinstance(value, str):
        raise ValueError("is a day as a text (2026-09-01), or an instant")  # noqa: TRY004 - what the validator makes a flaw of
    return read_moment(value)


Exact = Annotated[Decimal, BeforeValidator(_exact), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}]})]
Moment = Annotated[
    datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "examples": ["2026-09-01", "2026-09-01T16:00:00Z"]})
]
Count = Annotated[int, Field(ge=0, le=LARGEST)]
Text = Annotated[str, Field(max_length=1000)]
PriceText = Annotated[str, Field(description="Exact decimal as text", examples=["2.5"])]


class Dated(Request):
    """Of every rate that is told."""

    currency: str | None = Field(default=None, max_length=3, description="ISO 4217; USD when left out")
    effective_from: Moment | None = Field(default=None, description="First instant it is for; a day is its first one, UTC")
    effective_to: Moment | None = Field(default=None, description="First instant it is not for; open when left out")
    source: Text | None = Field(default=None, description="Where the price is told")
    source_date: date | None = None
    note: Text | None = None


class PriceAxes(Request):
    """Which rates of a model; those that are left out may be anything."""

    token_kind: str | None = Field(default=None, max_length=60, description="input, cached_input, output and others")
    service_tier: str | None = Field(default=None, max_length=60)
    prompt_tokens_over: Count | None = None
    price_window: str | None = Field(default=None, max_length=60)
    region: str | None = Field(default=None, max_length=60)


class PriceRequest(Dated, PriceAxes):
    """A rate of a model; an axis that is left out makes no difference."""

    model: str = Field(min_length=1, max_length=200, description="The model, as the provider names it")
    token_kind: str = Field(max_length=60, description="input, cached_input, output and others")
    price: Exact = Field(description="Of `per` units; 0 is free")
    unit: str | None = Field(default=None, max_length=40, description="Of the kind when left out: token, call, minute ...")
    per: Annotated[int, Field(ge=1, le=LARGEST)] | None = Field(default=None, description="Of the kind when left out: 1000000 of tokens")


class PriceUpdate(Dated, PriceAxes):
    """What is to be another from `effective_from` on, or from now; what is left out stays."""

    price: Exact | None = Field(default=None, description="Of `per` units; 0 is free")
    unit: str | None = Field(default=None, max_length=40, description="What the price is for")
    per: Annotated[int, Field(ge=1, le=LARGEST)] | None = Field(default=None, description="Of how many units the price is")


class DiscountRequest(PriceAxes):
    percent: Exact = Field(description="Off the seed's list; more than 0, 100 at most")
    model: str | None = Field(default=None, min_length=1, max_length=200, description="All when left out")
    effective_from: Moment | None = Field(default=None, description="Now when left out")
    effective_to: Moment | None = None
    source: Text | None = Field(default=None, description="For example the contract")


class PlanRequest(Dated):
    """What a plan charges for one unit and one billing period."""

    plan_name: str = Field(min_length=1, max_length=200)
    billing_period: str | None = Field(default=None, max_length=20, description="month (when left out) or year")
    price: Exact | None = Field(default=None, description="null where it is agreed with each customer")
    unit: str | None = Field(default=None, max_length=20, description="seat (when left out), user, organisation or account")
    seats: Count | None = Field(default=None, description="That the organisation pays for")
    min_seats: Count | None = None
    max_seats: Count | None = None


class PlanUpdate(Dated):
    billing_period: str | None = Field(default=None, max_length=20, description="Which of the plan's rates; all when left out")
    price: Exact | None = Field(default=None, description="null where it is agreed with each customer")
    unit: str | None = Field(default=None, max_length=20, description="seat, user, organisation or account")
    seats: Count | None = Field(default=None, description="Seats that the organisation pays for")
    min_seats: Count | None = None
    max_seats: Count | None = None


class DatedAnswer(Answer):
    """One edition of a rate."""

    rate_id: str = Field(description="Costs name the rate that they were made with by it, for ever")
    edition: int = Field(description="Counts the changes of this rate, from 1")
    provider: str
    currency: str
    unit: str = Field(description="What the price is for")
    effective_from: datetime | None = Field(description="null: since its launch")
    effective_to: datetime | None = Field(description="First instant it is not for; null: open")
    origin: Origin = Field(description="own: of the organisation, which a new release of the seed leaves alone")
    state: RateState = Field(description="closed: it stands in the book no more")
    source: str = Field(description="Where the price is told")
    source_date: date | None
    note: str | None = Field(description="What else is to be known of it; null where nothing is")
    recorded_at: datetime = Field(description="When it came into the book")
    recorded_by: str | None = Field(description="Who wrote it; null for the seed")
    closed_at: datetime | None = Field(description="When it was put away; null while it stands")
    closed_by: str | None = Field(description="Who put it away; null while it stands")
    closed_because: str | None = Field(description="Why it was put away; null while it stands")
    replaced_by: str | None = Field(description="The `rate_id` that took its place; null where none did")


class PriceAnswer(DatedAnswer):
    model: str
    token_kind: str
    service_tier: str
    prompt_tokens_over: int
    price_window: str
    region: str
    price: PriceText
    per: int = Field(description="Of how many units the price is")


class PlanAnswer(DatedAnswer):
    plan_name: str
    billing_period: str
    price: PriceText | None = Field(description="Exact decimal as text; null where it is agreed with each customer")
    seats: int | None
    min_seats: int | None
    max_seats: int | None


class BookAnswer(Answer):
    org_slug: str
    provider: str
    table: str = Field(description="The price book's table")
    as_of: datetime = Field(description="The book of this moment; the pages that follow are of the same")
    own: int = Field(description="Of the rows of this answer, how many are the organisation's own")
    next_cursor: str | None


class PricingAnswer(BookAnswer):
    rows: list[PriceAnswer] = Field(description="Rates, by model")


class SubscriptionsAnswer(BookAnswer):
    rows: list[PlanAnswer] = Field(description="Plans, by name")


class CostEffect(Answer):
    """Of told costs of one month and currency: of those alone that would be others."""

    usage_month: str = Field(description="YYYYMM", examples=["202611"])
    currency: str
    cost_now: PriceText = Field(description="As they are told; what is unpriced is not in it")
    cost_then: PriceText = Field(description="As they would be told")
    difference: PriceText = Field(description="cost_then less cost_now")
    days: int = Field(description="Days whose costs would be others")
    rows: int = Field(description="How many name another rate, get a price or lose it")
    days_priced: int = Field(description="Days with use that has no price now and would have one")
    rows_priced: int
    days_unpriced: int = Field(description="Days with use that has a price now and would have none")
    rows_unpriced: int
    unpriced_reason: str | None = Field(description="Of one of these, why it would have none")


class PriceEffect(CostEffect):
    model: str = Field(description="As the changed book names it; else as usage does")


class PlanEffect(CostEffect):
    plan_name: str
    billing_period: str


class RunToCall(Answer):
    method: Literal["POST"] = Field(description="POST")
    path: str = Field(description="The address")
    start_date: date = Field(description="First day to send")
    end_date: date = Field(description="Last day to send")


class EffectPart(Answer):
    costs_known: bool = Field(description="false: nobody knows, which is not the same as no effect")
    costs_unknown_because: str | None = Field(description="Why nobody knows; null where it is known")
    costs_from: date | None = Field(description="First day of use that was looked at, about a year back; of days before it nothing is said")
    costs_to: date | None = Field(description="Last day of use that was looked at")
    costs_left_out: int = Field(description="Beyond the first 1000 of `costs`")
    costs_run: RunToCall | None = Field(description="What makes told costs so once the book is changed; null where none would be others")


class ChangePart(EffectPart):
    status: Literal["SUCCESS"] = Field(description="SUCCESS; all else is a problem")
    org_slug: str
    provider: str
    table: str = Field(description="The price book's table")
    dry_run: bool
    changed: bool = Field(description="false: the book says this already")
    at: datetime = Field(description="The moment of the change")
    opened_count: int = Field(description="Rates that come to stand in the book")
    closed_count: int = Field(description="Rates that stand there no more")


class PricingChange(ChangePart):
    costs: list[PriceEffect] = Field(description="By month, model and currency")
    opened: list[PriceAnswer] = Field(description="The first 500")
    closed: list[PriceAnswer] = Field(description="The first 500")


class SubscriptionsChange(ChangePart):
    costs: list[PlanEffect] = Field(description="By month, plan, billing period and currency")
    opened: list[PlanAnswer] = Field(description="The first 500")
    closed: list[PlanAnswer] = Field(description="The first 500")


class PutAway(Answer):
    rate_id: str = Field(description="Id of the rate")
    rate: str = Field(description="The rate in words")
    price: PriceText | None = Field(description="Exact decimal as text; null where it had none")


class ResetAnswer(EffectPart):
    status: Literal["SUCCESS"] = Field(description="SUCCESS; all else is a problem")
    org_slug: str
    provider: str
    table: str = Field(description="The price book's table")
    dry_run: bool
    table_created: bool = Field(description="Whether this call made the table")
    changed: bool = Field(description="Whether the book is another")
    opened: int = Field(description="Rates that come to stand in the book")
    closed: int = Field(description="Rates that stand there no more")
    own_put_away: int = Field(description="How many of the organisation's own rates stand no more")
    own_rates_put_away: list[PutAway] = Field(description="The first 100")
    costs: list[PriceEffect | PlanEffect] = Field(description="By month, model or plan, and currency")
    pipeline_logging_id: str | None = Field(description="null of a dry run")


# taken by routes that read their bodies themselves, so the document has to be told of them
LISTED: Final[tuple[type[Request], ...]] = (PriceRequest, PlanRequest)


def body_schema(one: type[Request], columns: tuple[str, ...]) -> Mapping[str, Any]:
    """A body that is one of them, a list, or a file, in the API's own description."""
    schema = {"$ref": f"#/components/schemas/{one.__name__}"}
    many = {"type": "array", "items": schema, "minItems": 1, "maxItems": MOST_RATES}
    lines = {"type": "string", "format": "binary", "description": f"Columns, in any order: {', '.join(columns)}"}
    return {"required": True, "content": {"application/json": {"schema": {"anyOf": [schema, many]}}, "text/csv": {"schema": lines}}}
