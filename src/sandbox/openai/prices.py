"""What the sandbox's OpenAI asks for: list prices as its cost report applies them. Prices of the service are elsewhere and its own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

MILLION = Decimal(1_000_000)
SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|0125)$")
FINE_TUNED = re.compile(r"^ft:(?P<base>[^:]+):.*$")
# beyond so much input in one request the whole request costs more
LONG_INPUT, LONG_OUTPUT = Decimal(2), Decimal("1.5")


def _rates(told: str) -> Mapping[str, Decimal]:
    words = told.split()
    return {kind: Decimal(rate) for kind, rate in zip(words[::2], words[1::2], strict=True)}


# dollars for a million tokens
PER_MILLION: Mapping[str, Mapping[str, Decimal]] = {
    name: _rates(told)
    for name, told in {
        "gpt-3.5-turbo": "text 0.5 out 1.5",
        "gpt-4o": "text 2.5 cached 1.25 out 10",
        "gpt-4o-mini": "text 0.15 cached 0.075 out 0.6",
        "gpt-4o-mini batch": "text 0.075 cached 0.075 out 0.3",
        "ft:gpt-4.1": "text 3 cached 0.75 out 12",
        "gpt-5.1": "text 1.25 cached 0.125 out 10",
        "gpt-5.4": "text 2.5 image 2.5 cached 0.25 out 15",
        # published rounded: half of 0.25 would be 0.125
        "gpt-5.4 batch": "text 1.25 cached 0.13 out 7.5",
        "gpt-5.4 flex": "text 1.25 cached 0.13 out 7.5",
        "gpt-5.6-luna": "text 0.2 cached 0.02 write_30m 0.25 write_12h 0.5 out 1.2",
        "gpt-6-luna": "text 0.1 cached 0.01 write_30m 0.125 write_12h 0.25 out 0.5",
        "gpt-6.1-sol": "text 2 cached 0.1 write_30m 2.5 write_12h 5 out 10",
        "gpt-6.1-sol priority": "text 4 cached 0.2 write_30m 5 write_12h 10 out 20",
        "gpt-6-astra": "text 10 cached 1 write_30m 12.5 write_12h 25 out 50",
        "gpt-realtime-2": "text 4 cached 0.4 audio 32 cached_audio 0.4 out 24 audio_out 64",
        "gpt-image-2": "text 5 cached 1.25 image 8 image_out 30",
        "o3": "text 2 cached 0.5 out 8",
        "nova-mini": "text 0.7 out 2.1",
        "text-embedding-3-small": "input_tokens 0.02",
        "text-embedding-3-large": "input_tokens 0.13",
        "tts-1": "characters 15",
    }.items()
}
# until the day, which is no longer one of its
BEFORE: Mapping[str, tuple[date, Mapping[str, Decimal]]] = {
    "gpt-5.6-luna": (date(2026, 7, 30), _rates("text 1 cached 0.1 write_30m 1.25 write_12h 2.5 out 6")),
    "o3": (date(2025, 6, 10), _rates("text 10 cached 2.5 out 40")),
}
EACH: Mapping[str, Decimal] = {
    "whisper-1 seconds": Decimal("0.0001"),
    "dall-e-3 1024x1024": Decimal("0.04"),
    "dall-e-3 1024x1792": Decimal("0.08"),
    "web_search_calls": Decimal("0.01"),
    "file_search_calls": Decimal("0.0025"),
    "code_interpreter_sessions": Decimal("0.03"),
}
STORED_GIB_DAY = Decimal("0.10")
# of these no published list has a price
UNPUBLISHED = frozenset({"ft:gpt-4.1", "nova-mini"})
PUBLISHED_SINCE: Mapping[tuple[str, str], date] = {("gpt-5.6-luna", "write_12h"): date(2026, 7, 30)}


@dataclass(frozen=True, slots=True)
class UnchargedRate:
    """Some book may say it, and nobody was ever charged by it."""

    model: str
    kind: str
    """Of standard requests."""
    since: date
    factor: Decimal


# a book that says so is wrong: by it input costs a tenth less than is charged
MISTAKEN = UnchargedRate("gpt-6.1-sol", "text", date(2026, 11, 9), Decimal("0.9"))
# a rise that was announced, and taken back before its day
CANCELLED = UnchargedRate("gpt-6.1-sol", "text", date(2026, 11, 12), Decimal("1.5"))


def alias(model: str) -> str:
    """What a price list calls it."""
    tuned = FINE_TUNED.match(model)
    return f"ft:{SNAPSHOT.sub('', tuned['base'])}" if tuned else SNAPSHOT.sub("", model)


def published(name: str, kind: str, day: date) -> bool:
    return name not in UNPUBLISHED and day >= PUBLISHED_SINCE.get((name, kind), date.min)


def per_million(model: str, tier: str, day: date, *, long: bool) -> Mapping[str, Decimal]:
    """By kind; `tier` is standard, batch, flex or priority."""
    name = alias(model)
    until, rates = BEFORE.get(name, (date.min, {}))
    if day >= until:
        rates = PER_MILLION[name if tier == "standard" else f"{name} {tier}"]
    if not long:
        return rates
    return {kind: rate * (LONG_OUTPUT if kind == "out" else LONG_INPUT) for kind, rate in rates.items()}
