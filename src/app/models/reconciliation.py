from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from src.app.models.organizations import Answer, Request
from src.core.base.cost_settings import BillRule
from src.core.costs.completeness import Status
from src.core.costs.reconciliation import Figure, Sides
from src.core.step.reconciliation.rules import BILL_RULES, Owner

ExactMoney = Annotated[
    str,
    Field(
        pattern=r"^-?[0-9]+\.[0-9]{2,18}$",
        description="Exact decimal as text, at least two decimals; never a JSON number, which many readers make a float",
        examples=["1234.50"],
    ),
]
Share = Annotated[str, Field(pattern=r"^[01]\.[0-9]{2,6}$", examples=["0.9825"])]
MOST_DIGITS = 12


def exact(value: object) -> object:
    # of a JSON number nobody knows which digits were meant
    if value is not None and not isinstance(value, str | int):
        raise ValueError('is not an exact number; write it as a text, like "0.02"')
    return value


def _share(most: int) -> Any:
    return Annotated[
        Annotated[Decimal, Field(ge=0, le=most, decimal_places=9, max_digits=MOST_DIGITS + 9)] | None,
        BeforeValidator(exact, json_schema_input_type=str | int | None),
    ]


class CostRulesRequest(Request):
    """What is left out stays; null gives a rule back to the platform."""

    provider: Annotated[str, Field(max_length=100, description="For example openai")]
    bill: BillRule | None = Field(default=None, description=f"Which figure is the bill: {', '.join(BILL_RULES)}")
    warn_share: _share(1) = Field(default=None, description="Share of a day's money, as a text: 0.005 is half a percent")  # type: ignore[valid-type]
    hold_share: _share(1) = Field(default=None, description="Not below warn_share")  # type: ignore[valid-type]
    least_amount: _share(1_000_000) = Field(default=None, description="In the day's currency")  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _something(self) -> "CostRulesRequest":
        if not self.told:
            raise ValueError("names no rule to change; send bill, warn_share, hold_share or least_amount")
        return self

    @property
    def told(self) -> dict[str, Any]:
        return {name: value for name, value in self.model_dump(exclude_unset=True).items() if name != "provider"}


class RuleOwners(Answer):
    bill: Owner = Field(description="Who set `bill`")
    warn_share: Owner = Field(description="Who set `warn_share`")
    hold_share: Owner = Field(description="Who set `hold_share`")
    least_amount: Owner = Field(description="Who set `least_amount`")


class ProviderRules(Answer):
    provider: str
    bill: BillRule = Field(description="Which figure is the bill")
    warn_share: str = Field(description="Share of a day's money from which unexplained money is warned of")
    hold_share: str = Field(description="Share from which it keeps the day provisional")
    least_amount: str = Field(description="Unexplained money of a day below which neither is done")
    whose: RuleOwners = Field(description="Who set each rule")


class CostRulesAnswer(Answer):
    org_slug: str
    rules: list[ProviderRules] = Field(description="One a provider")
    note: str = Field(description="Of which days they hold")


class CauseAmounts(Answer):
    cache: ExactMoney | None = Field(description="By tokens read from a cache or written to one")
    batch: ExactMoney | None = Field(description="By use in batches")
    tier: ExactMoney | None = Field(description="By the tier of service")
    long_context: ExactMoney | None = Field(description="By prompts beyond the length from which another price holds")
    rate_differs: ExactMoney | None = Field(description="By another price than the book has")
    model_unknown: ExactMoney | None = Field(description="By models that the book does not know")
    not_in_usage: ExactMoney | None = Field(description="In the report and not in the usage")
    not_in_report: ExactMoney | None = Field(description="In the usage and not in the report")
    late_data: ExactMoney | None = Field(description="By days that one side is still adding to")
    rounding: ExactMoney | None = Field(description="By the rounding of the report")
    unexplained: ExactMoney | None = Field(description="By nothing that is known")


class OpenMoney(Answer):
    unexplained: ExactMoney = Field(description="By nothing that is known")
    rate_differs: ExactMoney = Field(description="By another price than the book has")
    model_unknown: ExactMoney = Field(description="By models that the book does not know")
    late_data: ExactMoney = Field(description="By days that one side is still adding to")
    not_in_usage: ExactMoney = Field(description="In the report and not in the usage")
    not_in_report: ExactMoney = Field(description="In the usage and not in the report")


class VerifiedShare(Answer):
    month: str = Field(description="YYYYMM, its part that lies in the range")
    currency: str
    billed: ExactMoney | None = Field(description="Net, by the figure that is the bill")
    money: ExactMoney = Field(description="The same without signs, line by line, so that no credit hides a charge")
    verified: ExactMoney = Field(description="Of `money` what is explained to the cent")
    share: Share | None = Field(description="verified / money, rounded down; null where nothing was billed")
    open: OpenMoney = Field(description="What is not: differences without signs, by cause")


class ReconciliationRow(Answer):
    day: date | None = Field(default=None, description="The day, UTC")
    month: str | None = Field(default=None, description="Month, YYYYMM")
    account: str | None = None
    project: str | None = None
    model: str | None = None
    line_item: str | None = Field(default=None, description="Line of the provider's report")
    cause: str | None = Field(default=None, description="Why the sides differ")
    currency: str | None = Field(description="null on a day of which nothing is known")
    sides: Sides = Field(description="Which of usage and report know these days; mixed where that differs")
    figure: Figure | None = Field(description="Which of both is the bill; null where there is none")
    billed: ExactMoney | None = Field(description="Net, by the figure that is the bill; null where there is none")
    computed: ExactMoney | None = Field(description="By usage and price book; null where it knows nothing")
    reported: ExactMoney | None = Field(description="By the provider's report; null where it says nothing")
    difference: ExactMoney | None = Field(description="Reported less computed; by cause its part")
    causes: CauseAmounts | None = Field(description="Their sum is the difference; null where rows are told by cause")
    least_price_ratio: str | None = Field(description="Reported over our price where the rate differs")
    most_price_ratio: str | None = Field(description="The largest of these; null where no rate differs")
    remainder: str | None = Field(description="ok, warn or hold, the worst of its days")
    line_count: int = Field(description="How many lines of either side it stands for")


class ReconciliationAnswer(Answer):
    org_slug: str
    provider: str
    from_: date = Field(alias="from")
    to: date
    group_by: list[str]
    rule: ProviderRules = Field(description="In force for days that are made from now on")
    verified: list[VerifiedShare] = Field(description="One a month and currency")
    verified_since: date | None = Field(description="First day that both sides know, of all days")
    told_since: datetime | None = Field(description="Since when that day is told so; null where no day is, or nobody kept it")
    days: dict[Sides, int] = Field(description="How many days of the range are known to which side")
    days_without_both: dict[date, Sides] = Field(description="Days that not both sides know, with which side does")
    completeness: dict[Status, int] = Field(description="How many days of the range are what")
    as_of: datetime | None
    rows: list[ReconciliationRow] = Field(description="One a group and currency")
    next_cursor: str | None
