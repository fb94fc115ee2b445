"""What one rate says: a price on its axes and for its time. Pure values; when a rate stood in a book is `book.py`."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import cached_property
from typing import Any, ClassVar, Literal, Self, TypeVar

from src.core.base.faults import Flaw
from src.core.base.names import did_you_mean

Origin = Literal["seed", "own"]
Axes = tuple[str | int, ...]

EVERY = "any"
"""On an axis: whatever it is there."""
ALWAYS, NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
# what BIGNUMERIC keeps on every engine
WHOLE_DIGITS, DECIMALS = 20, 18
EXACT = Context(prec=2 * (WHOLE_DIGITS + DECIMALS), rounding=ROUND_HALF_EVEN)
"""Enough for a price of any length times a quantity of any length."""
MILLION, THOUSAND = 1_000_000, 1_000
LONGEST_NAME = 200
LONGEST_TEXT = 1_000
LARGEST = 2**63 - 1
WORD = re.compile(r"[a-z0-9][a-z0-9_.-]{0,59}")
CURRENCY = re.compile(r"[A-Z]{3}")

TOKEN_KINDS = (
    *("input", "cached_input", "cache_write_5m", "cache_write_30m", "cache_write_1h", "cache_write_12h", "output"),
    *("audio_input", "cached_audio_input", "audio_output", "image_input", "cached_image_input", "image_output"),
)
MEASURED: Mapping[str, tuple[str, int]] = {
    **dict.fromkeys(TOKEN_KINDS, ("token", MILLION)),
    "characters": ("character", MILLION),
    "call": ("call", THOUSAND),
    "session": ("session", 1),
    "duration": ("minute", 1),
    "storage": ("gb_day", 1),
    "free_storage": ("gb_day", 1),
    "image": ("image", 1),
}
"""Each kind of use, with the unit it is counted in and the number of units that its price is for, where a rate does not say."""
IMAGE_OF_SIZE = re.compile(r"image_\d{1,5}x\d{1,5}", re.ASCII)
"""Images of one size, where their price depends on it."""
OTHER_UNITS = {"duration": ("second", "minute", "hour")}
BILLING_PERIODS = ("month", "year")
SEAT_UNITS = ("seat", "user", "organisation", "account")


@dataclass(frozen=True, kw_only=True)
class DatedRate:
    """What a book keeps: rates of models, and those of subscriptions."""

    AXES: ClassVar[tuple[str, ...]] = ()
    CONTENT: ClassVar[tuple[str, ...]] = ()
    """Beside the axes: what makes another rate of it when it differs."""

    provider: str
    price: Decimal | None
    currency: str = "USD"
    effective_from: datetime | None = None
    """None is since there has been such a thing."""
    effective_to: datetime | None = None
    """The first instant that it is not for."""
    source: str = ""
    source_date: date | None = None
    origin: Origin = "seed"
    note: str | None = None

    @cached_property
    def axes(self) -> Axes:
        return tuple(getattr(self, name) for name in self.AXES)

    @cached_property
    def rate_id(self) -> str:
        """Made of what it says, so that the same rate has one name in every book, and whenever it is laid down again.

        Its end is no part of it: a rate that ends is the one that costs have named.
        """
        told = ((name, getattr(self, name)) for name in (*self.AXES, *self.CONTENT, "currency", "effective_from"))
        # an axis that is added one day leaves the names of the rates that do not use it
        parts = "\x1f".join(f"{name}={_plain(value)}" for name, value in told if value != self.__dataclass_fields__[name].default)
        return f"{self.origin}_{hashlib.sha256(parts.encode()).hexdigest()[:24]}"

    def but(self, **changed: Any) -> Self:
        return replace(self, **changed)

    def flaws(self) -> Iterator[Flaw]:
        if not WORD.fullmatch(self.provider):
            yield Flaw("is no provider's name", field="provider")
        if not CURRENCY.fullmatch(self.currency):
            yield Flaw(f"{self.currency[:20]!r} is no currency; write it as USD", field="currency")
        if self.price is not None:
            yield from _price_flaws(self.price)
        for name in ("effective_from", "effective_to"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                yield Flaw("needs its time zone; write it as 2026-09-01T00:00:00Z, or as a day", field=name)
                return
        # also where only the end is told: a rate of no moment would lie over others unnoticed
        if end(self) <= begin(self):
            yield Flaw("is not after effective_from; the end is the first instant that the rate is not for", field="effective_to")
        for name in ("source", "note"):
            if len(getattr(self, name) or "") > LONGEST_TEXT:
                yield Flaw(f"is longer than {LONGEST_TEXT} letters", field=name)


D = TypeVar("D", bound=DatedRate)


@dataclass(frozen=True, kw_only=True)
class Rate(DatedRate):
    """What a model, or a tool of a provider, charges for one kind of use."""

    AXES: ClassVar[tuple[str, ...]] = ("provider", "model", "token_kind", "service_tier", "prompt_tokens_over", "price_window", "region")
    CONTENT: ClassVar[tuple[str, ...]] = ("price", "per", "unit")

    model: str
    token_kind: str
    service_tier: str = "standard"
    prompt_tokens_over: int = 0
    """Of requests with more prompt tokens than this; the whole request is charged by it."""
    price_window: str = EVERY
    region: str = EVERY
    price: Decimal
    unit: str = field(default="")
    per: int = field(default=0)

    def __post_init__(self) -> None:
        unit, per = measured(self.token_kind)
        # a unit that the kind does not say must not take the number of another
        object.__setattr__(self, "per", self.per or (per if self.unit in ("", unit) else 1))
        object.__setattr__(self, "unit", self.unit or unit)

    def flaws(self) -> Iterator[Flaw]:
        yield from _name_flaws(self.model, "model")
        if not is_kind(self.token_kind):
            hint = did_you_mean(self.token_kind, MEASURED) or f"; one of {', '.join(MEASURED)}"
            yield Flaw(f"there is no kind {self.token_kind[:40]!r}{hint}", field="token_kind")
        elif self.unit not in (allowed := OTHER_UNITS.get(self.token_kind, measured(self.token_kind)[:1])):
            yield Flaw(f"{self.token_kind} is counted by {' or '.join(allowed)}, not by {self.unit[:40]!r}", field="unit")
        for name in ("service_tier", "price_window", "region"):
            if not WORD.fullmatch(getattr(self, name)):
                yield Flaw("takes up to 60 of a-z, 0-9, '.', '_' and '-'", field=name)
        if not 0 <= self.prompt_tokens_over <= LARGEST:
            yield Flaw("is a number of tokens; 0 is every request", field="prompt_tokens_over")
        if not 1 <= self.per <= LARGEST:
            yield Flaw("is the number of units that the price is for, 1 at least", field="per")
        yield from super().flaws()

    def of(self, quantity: Decimal | int) -> Decimal:
        """The cost of so many units."""
        return EXACT.divide(EXACT.multiply(self.price, Decimal(quantity)), Decimal(self.per))


@dataclass(frozen=True, kw_only=True)
class PlanRate(DatedRate):
    """What a subscription charges for one unit of it and one billing period."""

    AXES: ClassVar[tuple[str, ...]] = ("provider", "plan_name", "billing_period")
    CONTENT: ClassVar[tuple[str, ...]] = ("price", "unit", "seats", "min_seats", "max_seats")

    plan_name: str
    billing_period: str = "month"
    """What a bill is for; the price of a yearly contract is that of the whole year."""
    price: Decimal | None = None
    """None where it is agreed with each customer."""
    unit: str = "seat"
    seats: int | None = None
    """That the organisation pays for; a seed does not know it."""
    min_seats: int | None = None
    max_seats: int | None = None

    def flaws(self) -> Iterator[Flaw]:
        yield from _name_flaws(self.plan_name, "plan_name")
        if self.billing_period not in BILLING_PERIODS:
            yield Flaw(f"is one of {', '.join(BILLING_PERIODS)}", field="billing_period")
        if self.unit not in SEAT_UNITS:
            yield Flaw(f"is one of {', '.join(SEAT_UNITS)}", field="unit")
        for name in ("seats", "min_seats", "max_seats"):
            if (count := getattr(self, name)) is not None and not 0 <= count <= LARGEST:
                yield Flaw("is a number of seats", field=name)
        yield from super().flaws()


def is_kind(token_kind: str) -> bool:
    return token_kind in MEASURED or IMAGE_OF_SIZE.fullmatch(token_kind) is not None


def measured(token_kind: str) -> tuple[str, int]:
    """Its unit, and the number of them that a price is for; nothing of what is no kind."""
    return MEASURED["image"] if IMAGE_OF_SIZE.fullmatch(token_kind) else MEASURED.get(token_kind, ("", 0))


def columns_of(kind: type[DatedRate]) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))


def covers(rate: DatedRate, at: datetime) -> bool:
    return begin(rate) <= at < end(rate)


def begin(rate: DatedRate) -> datetime:
    return rate.effective_from or ALWAYS


def end(rate: DatedRate) -> datetime:
    return rate.effective_to or NEVER


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        # 2.50 and 2.5 are one price
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return "" if value is None else str(value)


def _price_flaws(price: Decimal) -> Iterator[Flaw]:
    if not price.is_finite() or price < 0:
        yield Flaw("is 0 or more; what is free costs 0, and what has no rate is deleted", field="price")
        return
    whole, _, decimals = _plain(price).partition(".")
    if len(whole) > WHOLE_DIGITS or len(decimals) > DECIMALS:
        yield Flaw(f"takes {WHOLE_DIGITS} digits before and {DECIMALS} after the point", field="price")


def _name_flaws(name: str, of: str) -> Iterator[Flaw]:
    # ids with `:` and `/` are models too; what cannot be seen is in none
    if not name or len(name) > LONGEST_NAME or name != name.strip() or not name.isprintable():
        yield Flaw(f"takes 1 to {LONGEST_NAME} letters, none of them invisible or at its ends a space", field=of)
