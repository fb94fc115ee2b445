"""What a person with pen and paper knows of a world of bills: who used what, who told whom of it, and when each was last asked.

Written from docs/concepts.md, and not from what the product does. A charge costs a power of the radix, so that what the product sums for a
day says of each charge how often it is counted.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

RADIX = 4
"""A charge that counts three times is still seen to."""


@dataclass(frozen=True, slots=True)
class Charge:
    """Of an account's day of use, written by the provider at a moment; moments are counted, not measured."""

    number: int
    account: str
    day: date
    moment: int

    def __str__(self) -> str:
        return f"charge {self.number} of {self.account} on {self.day} (moment {self.moment})"


@dataclass(slots=True)
class Truth:
    charges: list[Charge] = field(default_factory=list)
    unknowable: set[Charge] = field(default_factory=set)
    """What held it was put away before anybody was told that it was there."""

    def charge(self, account: str, day: date, moment: int) -> Charge:
        number = len(self.of(account, day))
        made = Charge(number, account, day, moment)
        self.charges.append(made)
        return made

    def of(self, account: str, day: date) -> list[Charge]:
        return [one for one in self.charges if one.account == account and one.day == day]

    def known(self, account: str, day: date, moment: int) -> list[Charge]:
        """To somebody who reads all that was ever written, at that moment."""
        return [one for one in self.of(account, day) if one.moment <= moment and one not in self.unknowable]


def price(charge: Charge) -> Decimal:
    return Decimal(RADIX**charge.number)


def times_counted(total: Decimal, charges: Iterable[Charge]) -> Iterator[tuple[Charge, int]]:
    """How often each of these charges is in a sum of them; what is left over is of a charge that nobody made."""
    left, whole = divmod(total, 1)[0], total == total.to_integral_value()
    assert whole, f"{total} is no sum of charges"
    for one in sorted(charges, key=lambda one: one.number):
        left, times = divmod(left, RADIX)
        yield one, int(times)
    assert left == 0, f"{total} holds money that nobody charged"
