"""What an account's use comes to, and what its balances tell: counted with Decimal from the facts, by no engine and no price book."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from src.sandbox.deepseek.accounts import ACCOUNTS, Currency, DeepseekAccount
from src.sandbox.deepseek.prices import V4_PRO, Window, rate
from src.sandbox.deepseek.use import DeepseekUse, used
from src.sandbox.deepseek.wallets import CENT, NOTHING, Wallet, happened, wallet


@dataclass(frozen=True, slots=True)
class DeepseekFigure:
    """One kind of one use."""

    use: DeepseekUse
    kind: str
    quantity: int

    @property
    def day(self) -> date:
        return self.use.at.date()

    @property
    def model(self) -> str:
        return self.use.work.model

    @property
    def cost(self) -> Decimal:
        return self.quantity * self.use.price(self.kind)

    def at(self, of_window: Window, rates: str = "") -> Decimal:
        """At another time of day, or by the rates of another model."""
        return self.quantity * rate(rates or self.use.billed_as, self.kind, of_window, self.use.currency)


@dataclass(frozen=True)
class DeepseekFigures:
    figures: tuple[DeepseekFigure, ...]

    def of(self, **wanted: object) -> "DeepseekFigures":
        """Those that are so: `of(model="deepseek-flash", day=date(2026, 11, 2))`."""
        return DeepseekFigures(tuple(one for one in self.figures if all(getattr(one, name) == value for name, value in wanted.items())))

    def paid_in(self, currency: Currency) -> "DeepseekFigures":
        return DeepseekFigures(tuple(one for one in self.figures if one.use.currency == currency))

    @property
    def cost(self) -> Decimal:
        return sum((one.cost for one in self.figures), NOTHING)

    @property
    def least(self) -> Decimal:
        """Where only the day is told: the cheapest that it may have been."""
        return sum((min(_could_be(one)) for one in self.figures), NOTHING)

    @property
    def most(self) -> Decimal:
        return sum((max(_could_be(one)) for one in self.figures), NOTHING)


def _could_be(one: DeepseekFigure) -> Sequence[Decimal]:
    """V4-Pro of September may have been billed as Flash, and nobody tells which."""
    names = ("pro now", "flash now") if one.model == V4_PRO else (one.use.billed_as,)
    windows: tuple[Window, ...] = ("off_peak", "peak")
    return [one.at(each, name) for name in names for each in windows]


def right_figures(name: str, first: date, last: date, now: datetime) -> DeepseekFigures:
    """Of the days as the console tells them at a moment."""
    days = (first + timedelta(number) for number in range((last - first).days + 1))
    uses = (use for day in days for use in used(ACCOUNTS[name], day, now))
    return DeepseekFigures(tuple(DeepseekFigure(use, kind, number) for use in uses for kind, number in use.amounts.items() if number))


def paid(name: str, first: date, last: date) -> Decimal:
    """Of what was used, all but what gifts paid for; an account of one currency."""
    account = ACCOUNTS[name]
    [currency] = account.currencies
    return -sum((one.topped_up for one in happened(account, currency, first, last) if one.is_use), NOTHING)


@dataclass(frozen=True, slots=True)
class Sampled:
    """What samples of a balance come to, in whole cents as they are told."""

    total: Decimal
    """By so much all that was left became less."""
    topped_up: Decimal
    expired: Decimal

    @property
    def spent(self) -> Decimal:
        return self.total + self.topped_up - self.expired


def sampled(name: str, currency: Currency, moments: Sequence[datetime]) -> Sampled:
    """Between the first and the last of these moments."""
    account = ACCOUNTS[name]
    shown = [_shown(account, currency, at) for at in moments]
    first, last = moments[0], moments[-1]
    total = sum((shown[0].granted, shown[0].topped_up, -shown[-1].granted, -shown[-1].topped_up), NOTHING)
    came, expired = NOTHING, NOTHING
    for one in happened(account, currency, first.date(), last.date()):
        if not one.is_use and first < one.at <= last:
            came += one.topped_up + max(one.granted, NOTHING)
            # as the sample before it told what there was
            seen = [known for at, known in zip(moments, shown, strict=True) if at < one.at]
            expired += seen[-1].granted if one.granted < 0 else NOTHING
    return Sampled(total, came, expired)


def _shown(account: DeepseekAccount, currency: Currency, at: datetime) -> Wallet:
    known = wallet(account, currency, at)
    return Wallet(known.granted.quantize(CENT, ROUND_HALF_EVEN), known.topped_up.quantize(CENT, ROUND_HALF_EVEN))
