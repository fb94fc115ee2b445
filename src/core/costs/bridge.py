"""From the sum of a month's days to what its invoice comes to, part by part."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from src.core.base.window import Window
from src.core.costs.amounts import EXACT, money
from src.core.costs.comparison import month_window
from src.core.costs.completeness import Status
from src.core.costs.reader import COSTS_VIEW, CostReader
from src.core.providers.directory import known_providers

NEEDED: Final = (COSTS_VIEW, "x_load_manifests", "x_cost_monthly")
ZERO: Final = Decimal(0)
# each row has nine decimals at least, and each sum of days and months is rounded once
ROUNDED: Final = Decimal("0.000001")

SENTENCES: Final[Mapping[str, str]] = {
    "day_cut_before": "use of the first day of the month, which the invoice of the month before holds{cut}",
    "other_invoices": "rows of these days that stand on invoices of other months",
    "no_invoice_month": "rows of these days that name no invoice month yet",
    "late_use": "use of earlier months that came late onto this invoice",
    "day_cut_after": "use of the first day of the next month, which this invoice holds{cut}",
    "later_days": "rows of later days that this invoice holds",
    "taxes": "taxes on this invoice of days outside the month",
    "corrections": "corrections on this invoice of days outside the month",
    "rounding": "billionths, because days and months are rounded each for itself",
    "unexplained": "what no row of either side explains",
}
"""What each part is, in the order in which they are told."""
CUT: Final = "; days here are UTC, and {title} cuts its months in {zone}"


@dataclass(frozen=True, slots=True)
class BridgePart:
    name: str
    net_cost: Decimal
    row_count: int | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Bridge:
    """Of one provider and currency. `days` and the parts add up to `invoice` to the last digit."""

    provider: str
    currency: str
    days: Decimal
    parts: tuple[BridgePart, ...]
    invoice: Decimal | None
    """As exported; None where no invoice month was."""
    tax: Decimal | None
    """Of it the rows that are tax; None where the source tells of none."""
    zone: str
    why_open: str | None
    """Why it is not closed."""

    @property
    def closed(self) -> bool:
        return self.why_open is None


@dataclass(frozen=True, slots=True)
class MonthFilter:
    provider: str | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class BridgedMonth:
    bridges: tuple[Bridge, ...]
    reads: Mapping[str, datetime]
    """When each provider was read last: what says whether two answers are of one moment."""


def month_of(window: Window) -> str:
    return f"{window.start:%Y%m}"


def read_bridges(reader: CostReader, first: date, wanted: MonthFilter) -> BridgedMonth:
    """Of the month that begins on this day."""
    if not reader.has(*NEEDED):
        return BridgedMonth((), {})
    window = month_window(first)
    found = reader.ask(
        "bridge",
        {
            "first_day": window.start,
            "last_day": window.end,
            "month": month_of(window),
            "month_before": f"{window.start - timedelta(days=1):%Y%m}",
            "provider": wanted.provider,
            "currency": wanted.currency,
        },
    )
    invoices = {(row["provider"], row["currency"]): row for row in found["invoices"]}
    parts: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {key: {} for key in invoices}
    for row in found["parts"]:
        parts.setdefault((row["provider"], row["currency"]), {})[row["part"]] = row
    whose = {name: (one.title, one.invoice_zone) for name, one in known_providers(reader.configs).by_name.items()}
    return BridgedMonth(
        tuple(
            _bridge(key, found_parts, invoices.get(key), whose.get(key[0], (key[0], "UTC"))) for key, found_parts in sorted(parts.items())
        ),
        {row["provider"]: row["read_at"] for row in found["reads"]},
    )


def _bridge(
    key: tuple[str, str], found: Mapping[str, Mapping[str, Any]], invoice: Mapping[str, Any] | None, whose: tuple[str, str]
) -> Bridge:
    days = _sum(row["of_days"] for row in found.values())
    exported = None if invoice is None else invoice["net_cost"]
    parts = [_part(name, found[name]["net_cost"], found[name]["row_count"], whose) for name in SENTENCES if name in found]
    taxes = [row["tax"] for row in found.values() if row["tax"] is not None]
    left = None if exported is None else EXACT.subtract(exported, _sum((days, *(part.net_cost for part in parts))))
    if left:
        parts.append(_part("rounding" if abs(left) < ROUNDED else "unexplained", left, None, whose))
    why = _why_open(invoice, left)
    return Bridge(*key, days, tuple(parts), exported, _sum(taxes) if taxes else None, whose[1], why)


def _part(name: str, net: Decimal, rows: int | None, whose: tuple[str, str]) -> BridgePart:
    title, zone = whose
    return BridgePart(name, net, rows, SENTENCES[name].format(cut="" if zone == "UTC" else CUT.format(title=title, zone=zone)))


def _why_open(invoice: Mapping[str, Any] | None, left: Decimal | None) -> str | None:
    if invoice is None or left is None:
        return "no invoice of this month was exported"
    if abs(left) >= ROUNDED:
        return f"days and parts lack {money(left)} of the invoice month as exported; load the provider's days again"
    status: Status | None = invoice["completeness"]
    if status != "complete":
        return f"the invoice month is {status or 'not told of'}: {invoice['completeness_reason'] or 'no run has said how complete it is'}"
    return None


def _sum(amounts: Any) -> Decimal:
    total = ZERO
    for amount in amounts:
        # an amount is empty where a part has no row of the month's days
        total = EXACT.add(total, amount or ZERO)
    return total
