"""What comes after a month is over: taxes, adjustments and the cents that rounding left, all on the invoice of the month before."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from random import Random

from src.sandbox.gcp.accounts import BillingAccount
from src.sandbox.gcp.catalogue import INVOICE, ROUNDING, TAX
from src.sandbox.gcp.rows import DAY, Adjustment, Row, RowInvoice, Sku, seconds

FIRST_INVOICE = "202501"
TAX_DAYS = (2, 3, 5)
ADJUSTMENT_DAY = 4
ROUNDING_DAY = 5
Rate = Callable[[str, str], float]


def charges(account: BillingAccount, day: date, exported: int, chance: Random, rate: Rate) -> Iterator[Row]:
    month = f"{day.replace(day=1) - timedelta(days=1):%Y%m}"
    if day.day > max(TAX_DAYS) or month < FIRST_INVOICE:
        return

    def charge(sku: Sku, cost_type: str, cost: float, adjustment: Adjustment | None = None) -> Row:
        last_day = seconds(day.replace(day=1)) - DAY
        return Row(
            account.id,
            RowInvoice(month, "GOOGLE"),
            sku,
            last_day,
            last_day + DAY,
            exported,
            cost,
            None,
            account.currency,
            rate(account.currency, month),
            0.0,
            cost_type=cost_type,
            adjustment=adjustment,
        )

    if day.day in TAX_DAYS:
        for share in (0.5, 0.3, 0.2):
            yield charge(TAX, "tax", round((300 + 200 * chance.random()) * share, 6))
    if day.day == ADJUSTMENT_DAY:
        kept = Adjustment(f"sla-{month}", "Service level was not met", "MANUAL_ADJUSTMENT", "SLA_VIOLATION")
        given = Adjustment(f"goodwill-{month}", "Goodwill", "MANUAL_ADJUSTMENT", "GOODWILL")
        yield charge(INVOICE, "adjustment", -round(20 + 15 * chance.random(), 9), kept)
        yield charge(INVOICE, "adjustment", -round(5 * chance.random(), 4) / 3, given)
    if day.day == ROUNDING_DAY:
        yield charge(ROUNDING, "rounding_error", 0.004999999)
        yield charge(ROUNDING, "rounding_error", -1e-9 * int(1 + 4000 * chance.random()))
