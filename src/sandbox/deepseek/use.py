"""What the sandbox's accounts let DeepSeek do: bursts at moments of their own, each with its rates."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b

from src.sandbox.deepseek.accounts import FIRST_DAY, Currency, DeepseekAccount, moment
from src.sandbox.deepseek.prices import CHAT, FLASH, KINDS, V4_FLASH, V4_PRO, Window, billed_as, rate, window

WEEKEND = 5
HOUR = 60


@dataclass(frozen=True, slots=True)
class DeepseekWork:
    key: str
    model: str
    requests: int
    """In each of its hours on a working day; at the weekend half of them."""
    one: Mapping[str, int]
    """What a request takes on average, by kind: hit, miss and out."""
    hours: tuple[int, ...]
    since: date = FIRST_DAY
    until: date = date.max


def _tokens(*told: int) -> Mapping[str, int]:
    return dict(zip(KINDS, told, strict=True))


V4, RENAMED, RETIRED = date(2026, 5, 1), date(2026, 9, 10), date(2026, 7, 23)
DAY_AND_NIGHT, OFFICE = (2, 7, 13, 21), (3, 9, 11, 15)
WORK = (
    DeepseekWork("etl", CHAT, 200, _tokens(1500, 900, 300), DAY_AND_NIGHT, until=RETIRED),
    DeepseekWork("etl", V4_FLASH, 300, _tokens(3000, 1500, 400), DAY_AND_NIGHT, V4, RENAMED - timedelta(1)),
    DeepseekWork("etl", FLASH, 300, _tokens(3100, 1450, 410), DAY_AND_NIGHT, RENAMED),
    DeepseekWork("chat", V4_PRO, 50, _tokens(2500, 900, 500), OFFICE, V4),
    DeepseekWork("lab", V4_PRO, 9, _tokens(0, 5200, 2600), (8, 18), V4),
    DeepseekWork("lab", FLASH, 20, _tokens(600, 700, 900), (1, 10), RENAMED),
)


@dataclass(frozen=True, slots=True)
class DeepseekUse:
    work: DeepseekWork
    at: datetime
    requests: int
    amounts: Mapping[str, int]
    currency: Currency

    @property
    def window(self) -> Window:
        return window(self.at)

    @property
    def billed_as(self) -> str:
        return billed_as(self.work.model, self.at)

    def price(self, kind: str) -> Decimal:
        """Of one token."""
        return rate(self.billed_as, kind, self.window, self.currency)

    @property
    def cost(self) -> Decimal:
        return sum((number * self.price(kind) for kind, number in self.amounts.items()), Decimal(0))


def used(account: DeepseekAccount, day: date, now: datetime) -> Iterator[DeepseekUse]:
    """In the order of time; of today what has been by now."""
    if FIRST_DAY <= day <= now.date():
        yield from (one for one in _day(account, day) if one.at <= now)


def between(account: DeepseekAccount, after: datetime, until: datetime) -> Iterator[DeepseekUse]:
    for number in range((until.date() - after.date()).days + 1):
        yield from (one for one in used(account, after.date() + timedelta(number), until) if one.at > after)


@lru_cache(maxsize=2048)
def _day(account: DeepseekAccount, day: date) -> tuple[DeepseekUse, ...]:
    found = [
        _use(account, day, number, hour)
        for number, work in enumerate(WORK)
        if account.works and day.day not in account.rests and work.key in account.keys and work.since <= day <= work.until
        for hour in work.hours
    ]
    return tuple(sorted(found, key=lambda one: (one.at, one.work.key, one.work.model)))


def _use(account: DeepseekAccount, day: date, number: int, hour: int) -> DeepseekUse:
    work = WORK[number]
    chance = _chance(account.name, day, number, hour)
    requests = max(1, work.requests * (800 + chance % 401) // 1000 // account.less // (2 if day.weekday() >= WEEKEND else 1))
    amounts = {kind: requests * one * (900 + _chance(chance, kind) % 201) // 1000 for kind, one in work.one.items()}
    at = moment(day, time(hour)) + timedelta(minutes=(chance // 1000) % HOUR)
    return DeepseekUse(work, at, requests, amounts, account.currency_of(work.model))


def _chance(*told: object) -> int:
    return int.from_bytes(blake2b("/".join(map(str, told)).encode(), digest_size=8).digest())
