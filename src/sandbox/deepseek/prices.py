"""What the sandbox's DeepSeek asks for, and when it is peak time. Prices of the service are elsewhere and its own."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Literal

from src.sandbox.deepseek.accounts import Currency

Window = Literal["any", "off_peak", "peak"]
MILLION = Decimal(1_000_000)
KINDS = ("hit", "miss", "out")
WINDOWS_SINCE = datetime(2026, 8, 16, 16, tzinfo=UTC)
WEEKENDS_FREE_SINCE = datetime(2026, 8, 22, 16, tzinfo=UTC)
PEAKS = ((time(1), time(4)), (time(6), time(10)))
# days in Beijing; in these hours they are days of UTC too
HOLIDAYS = frozenset({*(date(2026, 9, day) for day in (25, 26, 27)), *(date(2026, 10, day) for day in range(1, 8))})
SATURDAY = 5
FLASH_CHANGED = datetime(2026, 9, 10, tzinfo=UTC)
AS_FLASH_SINCE = datetime(2026, 9, 14, 4, tzinfo=UTC)
# the list says that V4-Pro has its own rates again; since when it had them, only whoever was charged knows
AS_FLASH_UNTIL = datetime(2026, 10, 12, tzinfo=UTC)
PEAK_FACTOR = 2
FLASH, V4_FLASH, V4_PRO, CHAT = "deepseek-flash", "deepseek-v4-flash", "deepseek-v4-pro", "deepseek-chat"
# for a million tokens from the cache, anew and out: at any time, or off-peak
RATES: Mapping[tuple[str, Currency], str] = {
    ("flash now", "USD"): "0.003 0.15 0.6",
    ("flash now", "CNY"): "0.02 1 4",
    ("flash in August", "USD"): "0.007 0.22 0.66",
    ("flash in August", "CNY"): "0.05 1.5 4.5",
    ("flash before", "USD"): "0.0028 0.14 0.28",
    ("flash before", "CNY"): "0.02 1 2",
    ("pro now", "USD"): "0.022 0.66 1.98",
    ("pro now", "CNY"): "0.15 4.5 13.5",
    ("pro before", "USD"): "0.003625 0.435 0.87",
    ("pro before", "CNY"): "0.025 3 6",
    ("chat", "USD"): "0.028 0.28 0.42",
    ("chat", "CNY"): "0.2 2 3",
}


def window(at: datetime) -> Window:
    if at < WINDOWS_SINCE:
        return "any"
    free = at.date() in HOLIDAYS or (at >= WEEKENDS_FREE_SINCE and at.weekday() >= SATURDAY)
    return "peak" if not free and any(first <= at.time() < end for first, end in PEAKS) else "off_peak"


def billed_as(model: str, at: datetime) -> str:
    """The name of its rates."""
    if model == CHAT:
        return "chat"
    as_flash = model == V4_PRO and AS_FLASH_SINCE <= at < AS_FLASH_UNTIL
    if at < WINDOWS_SINCE:
        return "pro before" if model == V4_PRO else "flash before"
    if model == V4_PRO and not as_flash:
        return "pro now"
    return "flash now" if at >= FLASH_CHANGED else "flash in August"


def rate(name: str, kind: str, of_window: Window, currency: Currency) -> Decimal:
    """For one token, by the name of the rates."""
    told = Decimal(RATES[name, currency].split()[KINDS.index(kind)])
    return told * (PEAK_FACTOR if of_window == "peak" else 1) / MILLION
