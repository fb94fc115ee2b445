"""Paper invoices as an organisation told of them: a change is another row, so that what was told before stays."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, bindparam, or_, select

from src.core.ledger.tables import orgs
from src.core.ledger.unit import Tables, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    provider: str
    invoice_month: str
    currency: str
    version: int
    amount: Decimal | None
    """None where it was taken back."""
    tax: Decimal | None
    invoice_number: str | None
    recorded_at: datetime
    recorded_by: str | None

    @property
    def told(self) -> tuple[Decimal | None, Decimal | None, str | None]:
        return self.amount, self.tax, self.invoice_number


COLUMNS = tuple(Invoice.__dataclass_fields__)


def add(unit: Unit, org_slug: str, invoice: Invoice) -> bool:
    """False where another change of the same invoice has this version."""
    orgs.alone(unit, org_slug)
    values = {name: getattr(invoice, name) for name in COLUMNS}
    return unit.insert_once(unit.tables["org_invoices"], {"org_slug": org_slug, **values})


def history(unit: Unit, org_slug: str, month: str, provider: str | None = None) -> list[Invoice]:
    """Every version of the month's invoices, of one provider or of all."""
    rows = unit.rows(unit.prepared(_of_month), {"of_org": org_slug, "of_month": month, "of_provider": provider})
    return [Invoice(**dict(zip(COLUMNS, row, strict=True))) for row in rows]


def newest(found: list[Invoice]) -> list[Invoice]:
    """Those that hold: the last version of each, but for those that were taken back."""
    last = {(one.provider, one.currency): one for one in sorted(found, key=lambda one: one.version)}
    return [one for _, one in sorted(last.items()) if one.amount is not None]


def _of_month(tables: Tables) -> Select[Any]:
    invoice = tables["org_invoices"].c
    wanted = bindparam("of_provider", type_=invoice.provider.type)
    return (
        select(*(invoice[name] for name in COLUMNS))
        .where(
            invoice.org_slug == bindparam("of_org"),
            invoice.invoice_month == bindparam("of_month"),
            or_(wanted.is_(None), invoice.provider == wanted),
        )
        .order_by(invoice.provider, invoice.currency, invoice.version)
    )
