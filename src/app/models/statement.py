import re
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from src.app.models.costs import PreviousAnswer, RestatementAnswer, SumAnswer
from src.app.models.organizations import Answer, Request
from src.app.models.reconciliation import ExactMoney, Share, exact
from src.core.costs.completeness import Status
from src.core.costs.verification import Against

StatementForm = Literal["json", "csv", "html"]
MOST_DIGITS = 29


PLAIN = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?", re.ASCII)


def _plain(value: object) -> object:
    if isinstance(value, str) and not PLAIN.fullmatch(value):
        raise ValueError("is no plain number; write it like 1190.00")
    return exact(value)


def _on_paper(value: str) -> str:
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in value):  # noqa: PLR2004 - ASCII's control characters
        raise ValueError("holds characters that no paper has; write it as it is printed")
    return value


PaperNumber = Annotated[str, Field(max_length=100), AfterValidator(_on_paper)]


def _without_sign(value: Decimal | None) -> Decimal | None:
    """Nothing is nothing, also where a minus stands before it."""
    return abs(value) if value is not None and not value else value


def _paper(description: str) -> Any:
    number = Annotated[Decimal, Field(max_digits=MOST_DIGITS, decimal_places=9)]
    told = BeforeValidator(_plain, json_schema_input_type=str | int | None)
    return Annotated[number | None, told, AfterValidator(_without_sign), Field(description=description)]


class InvoiceRequest(Request):
    """What a provider's paper invoice of one month and currency asks for; where there are several papers, their sum."""

    amount: _paper("Tax included, as a text: 1190.00; null takes back what was told")  # type: ignore[valid-type]
    currency: Annotated[str, Field(pattern=r"^[A-Za-z]{3}$", description="ISO 4217")]
    tax: _paper("Tax within the amount; left out, the amounts alone are compared") = None  # type: ignore[valid-type]
    number: Annotated[PaperNumber | None, Field(description="As the paper has it")] = None


class ToldInvoiceAnswer(Answer):
    currency: str
    version: int = Field(description="1 for what was told first, one more for each change")
    amount: ExactMoney | None = Field(description="Tax included; null where it was taken back")
    tax: ExactMoney | None = Field(description="null where nobody told it")
    number: str | None = Field(description="As the paper has it; null where it was not told")
    recorded_at: datetime = Field(description="When it was told")
    recorded_by: str | None = Field(description="Who says they told it")


class HeldAgainstAnswer(Answer):
    against: Against = Field(description="Where the other figure comes from")
    money: ExactMoney = Field(description="What the other figure says")
    verified: ExactMoney = Field(description="Of `money` what is explained to the cent")
    share: Share | None = Field(
        description="verified / money, rounded down; of a paper of nothing 1 or 0; null where a report tells nothing"
    )
    since: datetime | None = Field(description="When the other figure was told")
    sentence: str


class VerificationAnswer(Answer):
    provider: str
    currency: str
    billed: ExactMoney | None = Field(description="The invoice month as exported; null where none was")
    verified: bool = Field(description="Whether every cent is what a figure from elsewhere says")
    share: Share | None = Field(description="The least of its checks; null while there is no figure to hold it against")
    since: datetime | None = Field(description="Since when it is told so; null while there is no figure")
    why: str | None = Field(description="Why it is not verified, or not all of it, and which call helps")
    checks: list[HeldAgainstAnswer] = Field(description="Each figure it is held against")


class InvoicesAnswer(Answer):
    org_slug: str
    provider: str
    month: str = Field(description="Month of the invoice, YYYYMM")
    invoices: list[ToldInvoiceAnswer] = Field(description="Those that hold, one a currency")
    history: list[ToldInvoiceAnswer] = Field(description="Every version, by currency")
    verification: list[VerificationAnswer] = Field(description="What the papers are held against")


class BridgePartAnswer(Answer):
    part: str = Field(description="What lies between days and invoice")
    net_cost: ExactMoney = Field(description="What it comes to, after credits")
    row_count: int | None = Field(description="Rows of the bill behind it; null where they are not counted")
    sentence: str


class BridgeAnswer(Answer):
    provider: str
    currency: str
    days: ExactMoney = Field(description="What the days of the month come to, net")
    parts: list[BridgePartAnswer] = Field(description="What lies between: days and parts add up to the invoice")
    invoice: ExactMoney | None = Field(description="The invoice month as exported; null where none was")
    zone: str = Field(description="Where the provider cuts its months; days here are UTC")
    closed: bool = Field(description="Whether days and parts come to the invoice month, and it is complete")
    why_open: str | None = Field(description="Why it does not close; null where it does")


class NotCompleteAnswer(Answer):
    usage_date: date
    completeness: Status
    reason: str | None


class StatementAnswer(Answer):
    org_slug: str
    month: str = Field(description="YYYY-MM")
    from_: date = Field(alias="from")
    to: date
    group_by: list[str]
    as_of: datetime | None
    trust: str = Field(description="In one sentence, how far the month may be trusted")
    closed: bool = Field(description="Whether days and bridge come to the invoices as exported")
    verified: bool = Field(description="Whether every cent is what a figure from elsewhere says")
    previous: PreviousAnswer = Field(description="What the month is compared with")
    totals: list[SumAnswer] = Field(description="One a currency, never added up")
    rows: list[SumAnswer] = Field(description="The dearest first, each currency by itself")
    rows_left_off: int = Field(description="Groups beyond `limit` of a currency; totals hold them")
    completeness: dict[Status, int] = Field(description="How many days of the month are what")
    not_complete: list[NotCompleteAnswer] = Field(description="Days of the month that are not complete, with why")
    bridge: list[BridgeAnswer] = Field(description="From the month's days to its invoice, by provider and currency")
    verification: list[VerificationAnswer] = Field(description="What the month is held against, by provider and currency")
    restatements: list[RestatementAnswer] = Field(description="What said something else before, the newest first")
    restatements_left_off: int = Field(description="How many more there are than `restatements` tells of")
