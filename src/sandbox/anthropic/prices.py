"""What the sandbox's Anthropic asks for: list prices as its cost reports apply them. Prices of the service are elsewhere and its own."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

MILLION = Decimal(1_000_000)
SNAPSHOT = re.compile(r"-\d{8}$")
BATCH, FAST, HOME = Decimal("0.5"), Decimal(2), Decimal("1.1")
SEARCH, CONTAINER_HOUR, SESSION_HOUR = Decimal("0.01"), Decimal("0.05"), Decimal("0.08")
# dollars for a million tokens: read from the cache, input, written for five minutes, for an hour, output
KINDS = ("read", "input", "write_5m", "write_1h", "out")


def _rates(told: str) -> Mapping[str, Decimal]:
    return {kind: Decimal(rate) for kind, rate in zip(KINDS, told.split(), strict=True)}


PER_MILLION: Mapping[str, Mapping[str, Decimal]] = {
    name: _rates(told)
    for name, told in {
        "claude-3-5-haiku": "0.08 0.8 1 1.6 4",
        "claude-haiku-4-5": "0.1 1 1.25 2 5",
        "claude-haiku-5-5": "0.01 0.1 0.125 0.2 0.5",
        "claude-sonnet-4-5": "0.3 3 3.75 6 15",
        "claude-sonnet-5": "0.2 2 2.5 4 10",
        "claude-sonnet-5-5": "0.1 2 2.5 4 10",
        "claude-opus-4-1": "1.5 15 18.75 30 75",
        "claude-opus-4-6": "0.5 5 6.25 10 25",
        "claude-opus-5-5": "0.2 4 5 8 20",
        "claude-fable-5-2": "0.2 8 10 16 40",
        "claude-nova-1": "0.07 0.7 0.875 1.4 2.1",
    }.items()
}
# a cache read rate that changed overnight: the day is the first of the new one
READ_BEFORE: Mapping[str, tuple[date, Decimal]] = {"claude-sonnet-5-5": (date(2026, 10, 7), Decimal("0.2"))}
# of longer prompts the whole request: the threshold, the first day without it, and the factors of input and output
LONGER: Mapping[str, tuple[int, date, Decimal, Decimal]] = {
    "claude-haiku-5-5": (100_000, date.max, Decimal(5), Decimal(5)),
    "claude-opus-4-6": (200_000, date(2026, 3, 13), Decimal(2), Decimal("1.5")),
}
# of these no published list has a price
UNPUBLISHED = frozenset({"claude-nova-1"})


def alias(model: str) -> str:
    """What a price list calls it."""
    return SNAPSHOT.sub("", model)


def rate(model: str, kind: str, day: date, *, tier: str = "standard", fast: bool = False, geo: str = "global", over: int = 0) -> Decimal:
    """Dollars for one token."""
    name = alias(model)
    price = PER_MILLION[name][kind]
    changed, before = READ_BEFORE.get(name, (date.min, price))
    if kind == "read" and day < changed:
        price = before
    threshold, ended, more, more_out = LONGER.get(name, (0, date.min, Decimal(1), Decimal(1)))
    if threshold and over >= threshold and day < ended:
        price *= more_out if kind == "out" else more
    price *= BATCH if tier == "batch" else 1
    price *= FAST if fast else 1
    price *= HOME if geo == "us" else 1
    return price / MILLION
