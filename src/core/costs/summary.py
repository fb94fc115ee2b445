from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from src.core.costs.amounts import UNKNOWN, AmountChange, Amounts, Figure, money
from src.core.costs.completeness import Status, calendar_of
from src.core.costs.question import CostQuestion
from src.core.costs.reader import COSTS_VIEW, CostReader
from src.core.engine.port import Scalar

NEEDED: Final = (COSTS_VIEW, "x_load_manifests", "x_cost_daily", "x_cost_monthly", "x_cost_history")
# more are told by their number: an answer of ten thousand lines is read by nobody
CHANGES_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Sum:
    keys: Mapping[str, str | None]
    currency: str
    now: Amounts
    before: Amounts
    change: AmountChange
    figure: Figure | None
    """Of the range, not of the one before."""


@dataclass(frozen=True, slots=True)
class InvoiceMonth:
    """What an invoice month comes to, whatever part of it lies in the range."""

    provider: str
    invoice_month: str
    currency: str
    amounts: Amounts
    figure: Figure
    completeness: Status | None
    completeness_reason: str | None
    pipeline_logging_id: str
    published_at: datetime


@dataclass(frozen=True, slots=True)
class ShownRestatement:
    provider: str
    grain: str
    period: str
    currency: str
    billed_before: Decimal | None
    billed_after: Decimal | None
    net_before: Decimal | None
    net_after: Decimal | None
    said_since: datetime | None
    changed_at: datetime
    reason: str
    pipeline_logging_id: str

    @property
    def sentence(self) -> str:
        since = f" since {_moment(self.said_since)}" if self.said_since else ""
        said = "said nothing" if self.net_before is None else f"said {money(self.net_before)} {self.currency}{since}"
        says = "gone" if self.net_after is None else f"{money(self.net_after)} {self.currency}"
        return f"{self.provider} {self.period} {said}, {says} since {_moment(self.changed_at)}, because {self.reason}"


@dataclass(frozen=True, slots=True)
class Summary:
    groups: tuple[Sum, ...]
    groups_left_off: int
    totals: tuple[Sum, ...]
    completeness: Mapping[Status, int]
    completeness_before: Mapping[Status, int]
    as_of: datetime | None
    invoices: tuple[InvoiceMonth, ...]
    restatements: tuple[ShownRestatement, ...]
    restatements_left_off: int


def read_summary(reader: CostReader, question: CostQuestion, limit: int) -> Summary:
    """What the window comes to, beside the window of equal length before it."""
    found = reader.ask("summary", _parameters(question, limit)) if reader.has(*NEEDED) else NOTHING
    calendar = calendar_of(found["marks"], found["unmarked"], found["spans"], reader.now)
    before = calendar.counts(question.previous)
    whole = not (before["missing"] or before["partial"])
    return Summary(
        groups=tuple(_sum(row, question, whole=whole) for row in sorted(found["sums"], key=lambda row: (row["currency"], row["place"]))),
        groups_left_off=found["groups_left_off"],
        totals=tuple(_sum(row, None, whole=whole) for row in sorted(found["totals"], key=lambda row: str(row["currency"]))),
        completeness=calendar.counts(question.window),
        completeness_before=before,
        as_of=calendar.as_of,
        invoices=tuple(_invoice(row) for row in sorted(found["invoices"], key=_invoice_order)),
        restatements=tuple(sorted((ShownRestatement(**row) for row in found["changes"]), key=_change_order, reverse=True)),
        restatements_left_off=found["changes_found"] - len(found["changes"]),
    )


NOTHING: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("sums", "totals", "marks", "unmarked", "spans", "invoices", "changes"), ()),
    "groups_left_off": 0,
    "changes_found": 0,
}


def _parameters(question: CostQuestion, limit: int) -> dict[str, Scalar]:
    window = question.window
    return {
        **question.parameters(),
        "previous_day": question.previous.start,
        "first_month": f"{window.start:%Y%m}",
        "last_month": f"{window.end:%Y%m}",
        "first_text": str(window.start),
        "last_text": str(window.end),
        "groups_shown": limit,
        "changes_shown": CHANGES_SHOWN,
    }


def _sum(row: Mapping[str, Any], question: CostQuestion | None, *, whole: bool) -> Sum:
    """`whole` says whether the earlier range may be compared with: growth against days that were never loaded is none."""
    keys = dict(zip(question.groups, (row["key_1"], row["key_2"]), strict=False)) if question else {}
    now, before = Amounts.now(row), Amounts.before(row)
    return Sum(keys, row["currency"], now, before, AmountChange.between(before, now) if whole else UNKNOWN, row["figure"])


def _invoice(row: Mapping[str, Any]) -> InvoiceMonth:
    return InvoiceMonth(
        row["provider"],
        row["invoice_month"],
        row["currency"],
        Amounts.now(row),
        row["figure"],
        row["completeness"],
        row["completeness_reason"],
        row["pipeline_logging_id"],
        row["published_at"],
    )


def _invoice_order(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["invoice_month"], row["provider"], row["currency"]


def _change_order(change: ShownRestatement) -> tuple[datetime, str, str, str]:
    return change.changed_at, change.period, change.provider, change.currency


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
