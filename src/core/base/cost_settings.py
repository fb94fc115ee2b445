from decimal import Decimal
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from src.core.base.faults import Flaw

BillRule = Literal["reported_where_complete", "reported", "computed"]


class CostSettings(BaseSettings):
    """Rules of costs for every organisation that has none of its own."""

    bill_rule: BillRule = Field(
        default="reported_where_complete",
        description="Which figure is the bill where a provider reports costs beside usage: reported_where_complete, reported or computed; "
        "an organisation may have another",
    )
    reconciliation_warn_share: Decimal = Field(
        default=Decimal("0.005"),
        ge=0,
        le=1,
        description="Share of a day's money from which what no cause explains is warned of; an organisation may have another",
    )
    reconciliation_hold_share: Decimal = Field(
        default=Decimal("0.02"), ge=0, le=1, description="Share from which it keeps the day provisional; not below the one that warns"
    )
    reconciliation_least_amount: Decimal = Field(
        default=Decimal("0.50"),
        ge=0,
        le=1_000_000,
        description="Unexplained money of a day, in its currency, below which neither is done",
    )

    def cost_flaws(self) -> list[Flaw]:
        if self.reconciliation_hold_share < self.reconciliation_warn_share:
            return [Flaw("is below RECONCILIATION_WARN_SHARE; a day is warned of before it is held", "RECONCILIATION_HOLD_SHARE")]
        return []
