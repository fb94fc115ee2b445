from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from src.core.base.window import EARLIEST
from src.core.costs.amounts import UNKNOWN, AmountChange, Amounts, Figure
from src.core.costs.comparison import Comparison
from src.core.costs.completeness import CompletenessCalendar, Status, calendar_of
from src.core.costs.lacks import Lacks
from src.core.costs.question import CostQuestion, GroupName
from src.core.costs.reader import COSTS_VIEW, CostReader
from src.core.costs.restatements import ShownRestatement, restatement
from src.core.engine.port import Scalar
from src.core.providers.directory import known_providers

NEEDED: Final = (COSTS_VIEW, "x_load_manifests", "x_cost_daily", "x_cost_monthly", "x_cost_history")
# more are told by their number: an answer of ten thousand lines is read by nobody
CHANGES_SHOWN: Final = 200
# names that are one provider's own: what of another lacks is no part of such a group
OWN_KEYS: Final = frozenset(("provider", "service", "project", "sku", "account"))


@dataclass(frozen=True, slots=True)
class Sum:
    keys: Mapping[str, str | None]
    currency: str
    now: Amounts
    before: Amounts
    change: AmountChange
    why_null: str | None
    """Why the change, or its percentage, is not told."""
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
class Summary:
    comparison: Comparison
    calendar: CompletenessCalendar
    reads: Mapping[str, datetime | None]
    """When each provider was read last."""
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
    """What the window comes to, beside the days it is compared with."""
    comparison = question.comparison
    given = _parameters(question, comparison, limit)
    found = reader.ask("summary", given) if reader.has(*NEEDED) else reader.seen(dict(NOTHING), given)
    calendar = calendar_of(found["marks"], found["unmarked"], found["spans"], reader.now)
    titles = {name: one.title for name, one in known_providers(reader.configs).by_name.items()}
    judge = _Judge(Lacks(calendar, question.window, comparison), found["payers"])
    return Summary(
        comparison=comparison,
        calendar=calendar,
        reads={row["provider"]: row["read_at"] for row in found["spans"]},
        groups=tuple(judge.sum(row, question.groups) for row in sorted(found["sums"], key=lambda row: (row["currency"], row["place"]))),
        groups_left_off=found["groups_left_off"],
        totals=tuple(judge.sum(row, ()) for row in sorted(found["totals"], key=lambda row: str(row["currency"]))),
        completeness=calendar.counts(question.window),
        completeness_before=calendar.counts(() if comparison.empty else comparison.window),
        as_of=calendar.as_of,
        invoices=tuple(_invoice(row) for row in sorted(found["invoices"], key=_invoice_order)),
        restatements=tuple(sorted((restatement(row, titles) for row in found["changes"]), key=_change_order, reverse=True)),
        restatements_left_off=found["changes_found"] - len(found["changes"]),
    )


NOTHING: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("sums", "totals", "payers", "marks", "unmarked", "spans", "invoices", "changes"), ()),
    "groups_left_off": 0,
    "changes_found": 0,
}


def _parameters(question: CostQuestion, comparison: Comparison, limit: int) -> dict[str, Scalar]:
    window = question.window
    return {
        **question.parameters(),
        # of days that are none nothing is asked
        "previous_day": EARLIEST if comparison.empty else comparison.window.start,
        "previous_last": EARLIEST if comparison.empty else comparison.window.end,
        "first_month": f"{window.start:%Y%m}",
        "last_month": f"{window.end:%Y%m}",
        "first_text": str(window.start),
        "last_text": str(window.end),
        "groups_shown": limit,
        "changes_shown": CHANGES_SHOWN,
    }


@dataclass(frozen=True, slots=True)
class _Judge:
    """Says of each sum whether its two ranges may be compared."""

    lacks: Lacks
    payers: Sequence[Mapping[str, Any]]
    """Which provider has rows of which currency."""

    def sum(self, row: Mapping[str, Any], groups: Sequence[GroupName]) -> Sum:
        keys = dict(zip(groups, (row.get("key_1"), row.get("key_2")), strict=False))
        now, before = Amounts.now(row), Amounts.before(row)
        why = self.lacks.comparison.why_null or self.lacks.of(self._providers(row, keys)) or self._empty(now, before)
        change = AmountChange.between(before, now) if why is None else UNKNOWN
        if why is None and change.net_percent is None:
            why = "the earlier net cost is 0, of which nothing is a percentage"
        return Sum(keys, row["currency"], now, before, change, why, row["figure"])

    def _empty(self, now: Amounts, before: Amounts) -> str | None:
        sides = ((self.lacks.now, now), (self.lacks.comparison.window, before))
        lacking = [window for window, amounts in sides if amounts.row_count is None]
        return "; ".join(f"there are no rows of it in {window.start} to {window.end}" for window in lacking) or None

    def _providers(self, row: Mapping[str, Any], keys: Mapping[str, str | None]) -> set[str]:
        if row["first_provider"] == row["last_provider"] and any(keys[name] is not None for name in OWN_KEYS & keys.keys()):
            return {row["first_provider"]}
        # of a provider without any rows it is not known in which currency they would be
        others = {one["provider"] for one in self.payers} - {one["provider"] for one in self.payers if one["currency"] == row["currency"]}
        return self.lacks.providers - others


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
