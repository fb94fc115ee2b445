"""Who exists in the sandbox's DeepSeek: accounts with their keys, and how each comes by its money."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from hashlib import sha256
from typing import Literal

FIRST_DAY = date(2025, 1, 1)
# what was in a wallet before, nobody asks
STORIES_BEGIN = date(2026, 8, 1)
DEMO = "demo"
Currency = Literal["USD", "CNY"]


@dataclass(frozen=True, slots=True)
class Monthly:
    """Something that happens to a wallet once a month."""

    day: int
    at: time
    kind: Literal["top_up", "gift", "expiry"]
    amount: Decimal = Decimal(0)
    """Of an expiry what is left of the gift."""


@dataclass(frozen=True, slots=True)
class DeepseekAccount:
    name: str
    pays: Mapping[str, Currency] | Currency = "USD"
    """In which currency it pays for each model, or for all."""
    opening: Decimal = Decimal(60)
    """In every currency, at STORIES_BEGIN."""
    happens: tuple[Monthly, ...] = ()
    less: int = 1
    """It works so many times less than others."""
    works: bool = True
    rests: frozenset[int] = frozenset()
    """Days of a month on which it uses nothing."""
    form: str = "new"
    """Of its console's export: see `FORMS`."""
    keys: tuple[str, ...] = ("etl", "chat", "lab")

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def currencies(self) -> tuple[Currency, ...]:
        told: set[Currency] = {self.pays} if isinstance(self.pays, str) else set(self.pays.values())
        return tuple(sorted(told))

    def currency_of(self, model: str) -> Currency:
        return self.pays if isinstance(self.pays, str) else self.pays[model.rpartition("-")[2]]

    @property
    def user_id(self) -> str:
        return f"u-{self._digest('user')[:16]}"

    def masked(self, key: str) -> str:
        digest = self._digest(key)
        return f"sk-{digest[:2]}***{digest[-2:]}"

    def _digest(self, of: str) -> str:
        return sha256(f"deepseek/{self.name}/{of}".encode()).hexdigest()


EARLY, AFTERNOON = time(0, 30), time(16)
TOPPED_UP = Monthly(1, EARLY, "top_up", Decimal(40))
ACCOUNTS: Mapping[str, DeepseekAccount] = {
    one.name: one
    for one in (
        # its gift is used up before the rest is touched
        DeepseekAccount(DEMO, happens=(TOPPED_UP, Monthly(1, EARLY, "gift", Decimal(5)))),
        DeepseekAccount("second", less=3, keys=("etl",)),
        DeepseekAccount("yuan", "CNY", Decimal(300), (Monthly(1, EARLY, "top_up", Decimal(200)),)),
        DeepseekAccount("twofold", {"flash": "USD", "pro": "CNY", "chat": "USD"}, Decimal(200), (TOPPED_UP,)),
        # while a gift is left nothing else is spent: a top-up between two samples can be told from use
        DeepseekAccount("topped", happens=(Monthly(1, EARLY, "gift", Decimal(80)), Monthly(11, AFTERNOON, "top_up", Decimal(20)))),
        DeepseekAccount(
            "gifted",
            happens=(Monthly(1, EARLY, "gift", Decimal(10)), Monthly(12, AFTERNOON, "expiry")),
            less=12,
            rests=frozenset({12, 13}),
        ),
        DeepseekAccount("bare", happens=(TOPPED_UP,), form="bare"),
        DeepseekAccount("empty", opening=Decimal(0), works=False),
        DeepseekAccount("idle", works=False),
    )
}


def moment(day: date, at: time = time()) -> datetime:
    return datetime.combine(day, at, UTC)
