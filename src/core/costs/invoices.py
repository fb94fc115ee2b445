"""What an organisation tells of a provider's paper invoice."""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from src.core.base.faults import Conflict, Flaw, Rejected
from src.core.base.identity import Actor, Tenant
from src.core.base.redaction import redacted_text
from src.core.base.window import EARLIEST
from src.core.ledger.store import Unit
from src.core.ledger.tables import invoices, orgs
from src.core.ledger.tables.invoices import Invoice
from src.core.step import audit_trail
from src.core.step.context import Services

MONTH: Final = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class InvoiceOf:
    provider: str
    month: date
    currency: str

    @property
    def invoice_month(self) -> str:
        return f"{self.month:%Y%m}"


@dataclass(frozen=True, slots=True)
class ToldInvoice:
    """Of the paper; an amount of None takes back what was told."""

    whose: InvoiceOf
    amount: Decimal | None
    tax: Decimal | None = None
    number: str | None = None


def month_asked(said: str, today: date, name: str = "month") -> date:
    """Its first day, from YYYY-MM."""
    match = MONTH.fullmatch(said)
    if match is None:
        raise Rejected(f"{redacted_text(said)[:20]!r} is no month; write it as {today:%Y-%m}", flaws=[Flaw("is no month", name)])
    first = date(int(match[1]), int(match[2]), 1) if int(match[1]) else date.min
    if not EARLIEST <= first <= today:
        raise Rejected(
            f"{first:%Y-%m} is no month that costs are kept for; ask for one from {EARLIEST:%Y-%m} to {today:%Y-%m}",
            flaws=[Flaw("is no month that costs are kept for", name)],
        )
    return first


def tell(services: Services, actor: Actor, tenant: Tenant, told: ToldInvoice) -> None:
    if told.amount is not None and told.tax is not None and abs(told.tax) > abs(told.amount):
        raise Rejected(
            f"tax {told.tax:f} is more than the amount {told.amount:f}, which holds it; send the amount with tax",
            flaws=[Flaw("is more than the amount", "tax")],
        )
    services.ledger.write(_tell, services, actor, tenant, told)


def _tell(unit: Unit, services: Services, actor: Actor, tenant: Tenant, told: ToldInvoice) -> None:
    slug, whose = tenant.org_slug, told.whose
    # a slug may have been given to somebody else while this was on its way
    if not orgs.lives(unit, slug, tenant.generation):
        raise orgs.off_boarded(slug)
    kept = [one for one in invoices.history(unit, slug, whose.invoice_month, whose.provider) if one.currency == whose.currency]
    now = Invoice(
        provider=whose.provider,
        invoice_month=whose.invoice_month,
        currency=whose.currency,
        version=len(kept) + 1,
        amount=told.amount,
        tax=None if told.amount is None else told.tax,
        invoice_number=None if told.amount is None else told.number,
        recorded_at=services.clock.now(),
        recorded_by=actor.user_id,
    )
    before = kept[-1] if kept else None
    # told again as it stands: no change, and nothing to be audited
    if now.told == (before.told if before else (None, None, None)):
        return
    if not invoices.add(unit, slug, now):
        raise Conflict("this invoice was changed by somebody else in between; read it again and send the change once more")
    resource = f"costs/{slug}/invoices/{whose.provider}/{whose.month:%Y-%m}"
    details = {"currency": whose.currency, "before": _shown(before), "after": _shown(now)}
    audit_trail.note(unit, services, actor, "costs.invoice", resource, org_slug=slug, details=details)


def _shown(invoice: Invoice | None) -> dict[str, Any] | None:
    if invoice is None or invoice.amount is None:
        return None
    return {"amount": f"{invoice.amount:f}", "tax": None if invoice.tax is None else f"{invoice.tax:f}", "number": invoice.invoice_number}
