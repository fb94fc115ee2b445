"""What lies in an account's wallets, and who paid for each use: the gift first, then what was topped up."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from src.sandbox.deepseek.accounts import STORIES_BEGIN, Currency, DeepseekAccount, Monthly, moment
from src.sandbox.deepseek.use import DeepseekUse, used

CENT = Decimal("0.01")
NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Wallet:
    granted: Decimal
    topped_up: Decimal


@dataclass(frozen=True, slots=True)
class Happened:
    """To one wallet at one moment."""

    at: datetime
    what: DeepseekUse | Monthly
    granted: Decimal
    """By so much what was given became more."""
    topped_up: Decimal
    wallet: Wallet
    """After it."""

    @property
    def is_use(self) -> bool:
        return isinstance(self.what, DeepseekUse)


def wallet(account: DeepseekAccount, currency: Currency, now: datetime) -> Wallet:
    """Exactly; DeepSeek tells it in whole cents."""
    if now.date() < STORIES_BEGIN:
        return _opening(account, currency)
    known = _at_end(account, currency, now.date() - timedelta(1))
    for one in _day(account, currency, now.date()):
        if one.at <= now:
            known = one.wallet
    return known


def happened(account: DeepseekAccount, currency: Currency, first: date, last: date) -> Iterator[Happened]:
    day = first
    while day <= last:
        yield from _day(account, currency, day)
        day += timedelta(1)


def _opening(account: DeepseekAccount, currency: Currency) -> Wallet:
    return Wallet(NOTHING, account.opening if currency in account.currencies else NOTHING)


def _at_end(account: DeepseekAccount, currency: Currency, day: date) -> Wallet:
    # day by day, so that none asks all before it at once
    known = _opening(account, currency)
    each = STORIES_BEGIN
    while each <= day:
        told = _day(account, currency, each)
        known = told[-1].wallet if told else known
        each += timedelta(1)
    return known


@lru_cache(maxsize=4096)
def _day(account: DeepseekAccount, currency: Currency, day: date) -> tuple[Happened, ...]:
    """Of days before the stories begin: all was paid, and what lay there is not told."""
    whole = moment(day + timedelta(1)) - timedelta(microseconds=1)
    known = _before(account, currency, day)
    events: list[tuple[datetime, DeepseekUse | Monthly]] = [(one.at, one) for one in used(account, day, whole) if one.currency == currency]
    if day >= STORIES_BEGIN:
        events += [(moment(day, one.at), one) for one in account.happens if one.day == day.day]
    told: list[Happened] = []
    for at, what in sorted(events, key=lambda one: one[0]):
        granted, topped_up = _moves(what, known)
        known = Wallet(known.granted + granted, known.topped_up + topped_up)
        told.append(Happened(at, what, granted, topped_up, known))
    return tuple(told)


@lru_cache(maxsize=4096)
def _before(account: DeepseekAccount, currency: Currency, day: date) -> Wallet:
    if day <= STORIES_BEGIN:
        return _opening(account, currency)
    # the day before is known already whoever asks day by day
    told = _day(account, currency, day - timedelta(1))
    return told[-1].wallet if told else _before(account, currency, day - timedelta(1))


def _moves(what: DeepseekUse | Monthly, known: Wallet) -> tuple[Decimal, Decimal]:
    if isinstance(what, DeepseekUse):
        gift = min(known.granted, what.cost)
        return -gift, gift - what.cost
    if what.kind == "expiry":
        return -known.granted, NOTHING
    return (what.amount, NOTHING) if what.kind == "gift" else (NOTHING, what.amount)
