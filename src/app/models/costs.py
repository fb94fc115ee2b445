from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from src.app.models.organizations import Answer
from src.core.costs.amounts import Figure
from src.core.costs.comparison import Compare
from src.core.costs.completeness import Status

Money = Annotated[
    str,
    Field(
        pattern=r"^-?[0-9]+\.[0-9]{2,9}$",
        description="Exact decimal as text, at least two decimals; never a JSON number, which many readers make a float",
        examples=["1234.50"],
    ),
]
ShownFigure = Annotated[
    Figure | None,
    Field(
        description="What the amounts are: billed by the provider, reported by it where it sends no itemised bill, computed from "
        "use and prices, estimated from balances, or mixed of these; null where there are no rows",
    ),
]
NO_ROWS = "null where there are no rows, which is not the same as costing nothing"


class AmountsAnswer(Answer):
    billed_cost: Money | None = Field(description=f"Before credits; {NO_ROWS}")
    credits: Money | None = Field(description="Zero or negative")
    net_cost: Money | None = Field(description="After credits")
    row_count: int | None = Field(description="Rows of the provider's bill behind it")


class Keys(Answer):
    """The groups that were asked for; the others are left out."""

    provider: str | None = None
    service: str | None = None
    project: str | None = None
    sku: str | None = None
    region: str | None = None
    account: str | None = None
    cost_type: str | None = None
    invoice_month: str | None = None


class DailyRow(AmountsAnswer, Keys):
    usage_date: date
    currency: str | None = Field(description="null where there are no rows")
    figure: ShownFigure
    completeness: Status
    completeness_reason: str | None = Field(description="By provider; null when all is complete")
    source_as_of: datetime | None = Field(
        description="When the newest row of the day was written by its provider; the oldest of several providers"
    )


class TotalAnswer(AmountsAnswer):
    currency: str
    figure: ShownFigure


class DailyAnswer(Answer):
    org_slug: str
    from_: date = Field(alias="from")
    to: date
    group_by: list[str]
    as_of: datetime | None = Field(
        description="When the newest publication behind this answer became visible; pages that differ in it were read across one"
    )
    rows: list[DailyRow] = Field(description="One a day and group; a day without rows stands once")
    totals: list[TotalAnswer] = Field(description="Of the whole range, not of this page; one a currency, never added up")
    completeness: dict[Status, int] = Field(description="How many days of the range are what")
    next_cursor: str | None = Field(description="Given back as `cursor` for the next page; null on the last")


class ChangeAnswer(Answer):
    billed_cost: Money | None = Field(description="Difference before credits; null where it cannot be told")
    net_cost: Money | None = Field(description="Difference after credits; null where it cannot be told")
    net_percent: Money | None = Field(description="Of the earlier net cost; null where that is zero")
    why_null: str | None = Field(description="Why a change is not told")


class SumAnswer(AmountsAnswer, Keys):
    currency: str
    figure: ShownFigure
    previous: AmountsAnswer = Field(description="The same of the range it is compared with")
    change: ChangeAnswer = Field(
        description="null where one of the two ranges has no rows, or days of either are missing, partial or unpriced; `why_null` says so"
    )


class InvoiceAnswer(AmountsAnswer):
    provider: str
    invoice_month: str = Field(description="YYYYMM")
    currency: str
    figure: Figure = Field(description="What the amounts are: billed, reported, computed, estimated or mixed")
    completeness: Status | None = Field(description="Of the month as a whole; null where no run has said")
    completeness_reason: str | None
    pipeline_logging_id: str = Field(description="Id of the run that published it")
    published_at: datetime = Field(description="When it became visible")


class RestatementAnswer(Answer):
    sentence: str
    provider: str
    grain: str = Field(description="day or month")
    period: str = Field(description="YYYY-MM-DD or YYYYMM")
    currency: str
    billed_before: Money | None = Field(description="What it said before credits; null where it said nothing")
    billed_after: Money | None = Field(description="What it says before credits; null where it says nothing")
    net_before: Money | None = Field(description="What it said after credits; null where it said nothing")
    net_after: Money | None = Field(description="What it says after credits; null where it says nothing")
    said_since: datetime | None = Field(description="Since when it had said so")
    changed_at: datetime = Field(description="When it changed")
    reason: str = Field(description="Why it changed")
    pipeline_logging_id: str = Field(description="Id of the run that changed it")


class PreviousAnswer(Answer):
    compare: Compare = Field(description="As it was asked for, or as the range lies in the calendar")
    sentence: str
    days: int = Field(description="How many days it has")
    from_: date = Field(alias="from")
    to: date
    completeness: dict[Status, int] = Field(description="How many of its days are what")


class SummaryAnswer(Answer):
    org_slug: str
    from_: date = Field(alias="from")
    to: date
    group_by: list[str]
    as_of: datetime | None
    completeness: dict[Status, int] = Field(description="How many days of the range are what")
    previous: PreviousAnswer = Field(description="What the range is compared with")
    totals: list[SumAnswer] = Field(description="One a currency, never added up")
    groups: list[SumAnswer] = Field(description="The dearest first, each currency by itself")
    groups_left_off: int = Field(description="Groups beyond `limit` of a currency; totals hold them")
    invoice_months: list[InvoiceAnswer] = Field(description="Control totals of the invoices that the range touches, each as a whole")
    restatements: list[RestatementAnswer] = Field(description="What said something else before, the newest first")
    restatements_left_off: int = Field(description="How many more there are than `restatements` tells of")


Form = Literal["json", "csv", "parquet"]
FileForm = Literal["csv", "parquet"]
