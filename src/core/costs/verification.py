"""How much of a month is held against a figure from elsewhere: the paper invoice, or the provider's cost report."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal

from src.core.base.identity import Tenant
from src.core.costs.amounts import CENTS, EXACT, cents
from src.core.costs.bridge import Bridge
from src.core.costs.comparison import month_window
from src.core.costs.question import CostQuestion
from src.core.costs.reader import CostReader
from src.core.costs.reconciliation import SHARE_DECIMALS, TABLES, ReconciliationQuestion, VerifiedMonth, read_reconciliation
from src.core.ledger.tables.invoices import Invoice
from src.core.providers.directory import known_providers
from src.core.step.reconciliation import rules

Against = Literal["invoice", "cost_report"]

ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class HeldAgainst:
    """Of `money`, which is what the other figure says, `verified` is explained to the cent."""

    against: Against
    money: Decimal
    verified: Decimal
    since: datetime | None
    """When the other figure was told."""
    sentence: str
    agrees: bool = False
    """To the cent; of a figure of nothing no share says so."""

    @property
    def share(self) -> Decimal | None:
        if self.against == "invoice" and not self.money:
            return Decimal(int(self.agrees))
        return share_of(self.verified, self.money)


@dataclass(frozen=True, slots=True)
class Verification:
    """Of one provider, month and currency."""

    provider: str
    currency: str
    billed: Decimal | None
    """What the month comes to here: as its invoice was exported."""
    checks: tuple[HeldAgainst, ...]
    why: str | None
    """Why it is not verified, or not all of it."""

    @property
    def share(self) -> Decimal | None:
        """The least of its checks; None where there is nothing to hold it against."""
        return min((check.share for check in self.checks if check.share is not None), default=None)

    @property
    def verified(self) -> bool:
        return self.share == 1

    @property
    def since(self) -> datetime | None:
        return min((check.since for check in self.checks if check.since is not None), default=None)


def share_of(verified: Decimal, money_: Decimal) -> Decimal | None:
    """Rounded down: a share of 1 says that it is all. None of nothing."""
    if not money_:
        return None
    return EXACT.divide(verified, money_).quantize(SHARE_DECIMALS, rounding="ROUND_DOWN", context=EXACT)


def verify(
    reader: CostReader, first: date, bridges: Iterable[Bridge], papers: Sequence[Invoice], asked: CostQuestion
) -> list[Verification]:
    """The month that begins on this day: what is told of it here beside every figure from elsewhere."""
    wanted = asked.filters
    known = {(one.provider, one.currency): one for one in bridges}
    told = {
        (one.provider, one.currency): one
        for one in papers
        if wanted.provider in (None, one.provider) and wanted.currency in (None, one.currency)
    }
    reports = _reports(reader, first, {provider for provider, _ in known})
    found = []
    for key in sorted({*known, *told}):
        checks = [_by_paper(told[key], known.get(key))] if key in told else []
        if key in reports:
            checks.append(_by_report(reader.tenant, key[0], *reports[key]))
        found.append(_verification(reader.tenant, first, key, known.get(key), checks))
    return found


Reports = Mapping[tuple[str, str], tuple[VerifiedMonth, datetime | None]]


def _reports(reader: CostReader, first: date, providers: Iterable[str]) -> Reports:
    found: dict[tuple[str, str], tuple[VerifiedMonth, datetime | None]] = {}
    for provider in sorted(set(providers) & set(rules.reconciled(reader.configs))):
        if not reader.has(*(f"{provider}_{table}" for table in TABLES.values()), "x_cost_daily"):
            continue
        told = read_reconciliation(reader, ReconciliationQuestion(provider, month_window(first), ("month",)), 1)
        # without a day that both sides know, nothing was held against anything
        if any(count for sides, count in told.sides.items() if sides in ("both", "mixed", "reported")):
            found |= {(provider, month.currency): (month, told.told_since) for month in told.months}
    return found


def _verification(tenant: Tenant, first: date, key: tuple[str, str], bridge: Bridge | None, checks: Sequence[HeldAgainst]) -> Verification:
    provider, currency = key
    billed = None if bridge is None else bridge.invoice
    open_ = [check.sentence for check in checks if check.share != 1]
    why = "; ".join(open_) or None
    if not checks:
        call = f"/api/v1/costs/{tenant.org_slug}/invoices/{provider}/{first:%Y-%m}"
        why = f"there is no figure to hold it against yet; PUT {call} takes the paper invoice's, in {currency}"
    return Verification(provider, currency, billed, tuple(checks), why)


def _by_paper(paper: Invoice, bridge: Bridge | None) -> HeldAgainst:
    """With tax where the source tells of tax, else without."""
    amount, tax = paper.amount or ZERO, paper.tax or ZERO
    has_tax = bridge is not None and bridge.tax is not None
    asked_for = amount if has_tax else EXACT.subtract(amount, tax)
    name = f"invoice {paper.invoice_number}" if paper.invoice_number else "the paper invoice"
    # what the source does not tell of is told as that
    said = f"{name} says {cents(asked_for)} {paper.currency}" + (f" without its tax of {cents(tax)}" if tax and not has_tax else "")
    if bridge is None or bridge.invoice is None:
        return HeldAgainst("invoice", abs(asked_for), ZERO, paper.recorded_at, f"{said}, and nothing of it was loaded")
    difference = EXACT.subtract(bridge.invoice, asked_for)
    size = abs(asked_for)
    if abs(difference) * 2 < CENTS:
        return HeldAgainst("invoice", size, size, paper.recorded_at, f"{said}, to the cent what is told here", agrees=True)
    more = "more" if difference > 0 else "less"
    verified = max(ZERO, EXACT.subtract(size, abs(difference)))
    told = f"{said}, and what is told here is {cents(abs(difference))} {more}"
    return HeldAgainst("invoice", size, verified, paper.recorded_at, told + _of_tax(bridge, paper.tax))


def _of_tax(bridge: Bridge, tax: Decimal | None) -> str:
    if tax is None or bridge.tax is None or abs(EXACT.subtract(bridge.tax, tax)) * 2 < CENTS:
        return ""
    return f"; its tax is {cents(tax)} there and {cents(bridge.tax)} here"


def _by_report(tenant: Tenant, provider: str, month: VerifiedMonth, since: datetime | None) -> HeldAgainst:
    said = f"{cents(month.verified)} of {cents(month.money)} {month.currency} is explained to the cent by the provider's cost report"
    open_ = [f"{name.replace('_', ' ')} {cents(amount)}" for name, amount in month.open.items() if amount]
    mend = f"; not explained: {', '.join(open_)}; GET /api/v1/costs/{tenant.org_slug}/reconciliation?provider={provider} shows the lines"
    return HeldAgainst("cost_report", month.money, month.verified, since, said + (mend if open_ else ""))


def titles(reader: CostReader) -> dict[str, str]:
    return {name: one.title for name, one in known_providers(reader.configs).by_name.items()}
