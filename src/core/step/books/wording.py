"""What is said to have brought a change that no slice's kinds explain. Pure."""

from dataclasses import dataclass
from datetime import date
from typing import Final

AS_TOLD: Final = "as the source tells it now"
BY_RIVAL: Final = "by another export of the account taking its place"
BY_BOTH: Final = "as the source tells it now, at the rates that stand now"
BY_PRICES: Final = "as the price book tells it now"
BY_RULES: Final = "as the rules of the bill tell it now"
BY_RULES_AND_PRICES: Final = "as the rules of the bill and the price book tell it now"


@dataclass(frozen=True, slots=True)
class Wording:
    """Of the days that a publication makes anew."""

    read: frozenset[date] = frozenset()
    """Rows of them were read."""
    unread: frozenset[date] = frozenset()
    """They were made anew of rows that were there."""
    priced: frozenset[date] = frozenset()
    """Rows that rates are read for came out otherwise."""
    moved: frozenset[date] = frozenset()
    """The price book was changed since they were told."""
    rivals: bool = False

    def of(self, period: str, *, other_figure: bool = False) -> str:
        """A day, or a month as YYYYMM; `other_figure` where it tells another of both figures than it did."""
        if self.rivals:
            return BY_RIVAL
        read, unread, priced, moved = (_of(period, days) for days in (self.read, self.unread, self.priced, self.moved))
        # an invoice month may be of days that lie in another one
        if read or not unread:
            return BY_BOTH if priced and moved else AS_TOLD
        # nothing was read of it, so what changed is what is made of its rows
        if not priced:
            return BY_RULES
        return BY_RULES_AND_PRICES if other_figure else BY_PRICES


def _of(period: str, days: frozenset[date]) -> frozenset[date]:
    return frozenset(day for day in days if period in (str(day), f"{day:%Y%m}"))


AS_READ: Final = Wording()
