from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from src.app.models.organizations import Answer
from src.app.models.reconciliation import ExactMoney
from src.core.costs.completeness import Status
from src.core.costs.models import ModelFigure

SixDecimals = Annotated[str, Field(pattern=r"^-?[0-9]+\.[0-9]{2,6}$", examples=["0.9825"])]


class ModelCostFigures(Answer):
    currency: str | None = Field(description="null where nothing tells it: of use without a price, in an account that pays in several")
    tokens: int | None = Field(description="null where no use by the token is known")
    quantity: int | None = Field(description="In `unit`; null where the row has several")
    unit: str | None = Field(description="token, call, image, second, ...")
    requests: int | None = Field(description="null where the provider does not count all of them, and by token_kind and user")
    figure: ModelFigure | None = Field(
        description="What the cost is: reported by the provider, computed from use and prices, estimated from balances, mixed; "
        "null where no bill is known"
    )
    cost: ExactMoney | None = Field(
        description="Of the bill, before credits; null where it is not known, or where the bill does not tell it by these groups"
    )
    credits: ExactMoney | None = Field(description="Zero or negative; null where they are not told")
    net_cost: ExactMoney | None = Field(description="After credits; null where the cost is not known")
    whole: bool = Field(description="Whether the cost lacks nothing that is known to have been used, and none of it is an estimate")
    cost_least: ExactMoney | None = Field(description="Where one of several prices holds for a part and nobody tells which; else null")
    cost_most: ExactMoney | None = Field(description="null too where nobody can say how much at most")
    computed_cost: ExactMoney | None = Field(description="What the use comes to by the price book, whichever figure the bill is")
    unpriced_tokens: int = Field(description="Tokens that the price book has no price for")
    unpriced_rows: int = Field(description="Rows of use without a price of which the cost is computed")
    cost_per_million: SixDecimals | None = Field(
        description="Cost of a million tokens, of what is charged by the token; null where part of it has no cost or no tokens"
    )
    input_tokens: int | None = Field(description="With those read from a cache and written to one")
    cached_share: SixDecimals | None = Field(description="Of the input what was read from a cache")
    cache_saved: ExactMoney | None = Field(
        description="What the input would cost more without caches, less what was paid to write to them, by the price book; "
        "null where part of it is not known"
    )
    batch_share: SixDecimals | None = Field(description="Of the tokens those used in batches")
    batch_saved: ExactMoney | None = Field(description="What they would cost more outside, by the price book; null where not known")
    completeness: Status = Field(description="The worst of the days that the row stands for and that are over")


class ModelRow(ModelCostFigures):
    kind: Literal["api"] = Field(description="api, use by the API")
    provider: str
    model: str | None = None
    token_kind: str | None = None
    project: str | None = Field(default=None, description="A workspace at Anthropic")
    key: str | None = Field(default=None, description="The API key's id; null where nobody told one")
    user: str | None = Field(default=None, description="The user's id; null where nobody told one")
    account: str | None = None
    service_tier: str | None = None
    day: date | None = Field(default=None, description="The day, UTC")
    month: str | None = Field(default=None, description="YYYYMM")


class ApartRow(Answer):
    kind: Literal["claude_code"] = Field(description="claude_code, use that a subscription covers")
    provider: str
    product: str = Field(description="The provider's product")
    model: str | None
    currency: str | None
    sessions: int | None = Field(description="Sessions that were told; null where none were")
    tokens: int | None = Field(description="Tokens that were told; null where none were")
    estimated_cost: ExactMoney | None = Field(description="The provider's own estimate; no bill")
    first_day: date
    last_day: date


class UntoldApartAnswer(Answer):
    provider: str
    first_day: date = Field(description="First of these days")
    last_day: date
    days: int = Field(description="So many of them are over and were never told")


class SeatRow(Answer):
    kind: Literal["seats"] = Field(description="seats, what a plan comes to")
    provider: str
    month: str = Field(description="YYYYMM")
    first_day: date
    last_day: date
    plan_name: str
    billing_period: str
    unit: str
    seats: int | None
    currency: str
    cost: ExactMoney | None = Field(description="Of the month as a whole, whatever part of it lies in the range; null where unpriced")
    completeness: str
    completeness_reason: str | None


class LeftOutProvider(Answer):
    provider: str
    reason: str = Field(description="Why nothing is known of it")


class UnfinishedDayAnswer(Answer):
    usage_date: date
    provider: str
    completeness: Status
    completeness_reason: str | None


class ModelsAnswer(Answer):
    org_slug: str
    from_: date = Field(alias="from")
    to: date
    group_by: list[str]
    as_of: datetime | None
    rows: list[ModelRow] = Field(description="Cost of APIs, by provider and groups")
    totals: list[ModelCostFigures] = Field(description="Of the whole range, one a currency, never added up")
    claude_code: list[ApartRow] = Field(description="Use that is no cost of an API; in no total")
    claude_code_not_told: list[UntoldApartAnswer] = Field(
        description="Days of which nobody told such use; it is not known that there was none"
    )
    seats: list[SeatRow] = Field(description="What plans come to in the months that the range touches; in no total")
    left_out: list[LeftOutProvider] = Field(description="Providers that nothing is known of; they are not known to have cost nothing")
    completeness: dict[Status, int] = Field(description="How many days of the range are what, of these providers together")
    not_complete: list[UnfinishedDayAnswer] = Field(description="Days that are over or loaded and not complete, by provider")
    not_complete_left_off: int = Field(description="How many more there are than `not_complete` tells of")
    next_cursor: str | None
