"""What each use is charged, at every moment and for prompts of every length: a price book laid out for one join. Pure.

The card has one row for each use, span of time and range of prompt lengths, and none is missing: where the book has no rate, a row says so
and why. Which rate it is, `PriceList` says; here it is only asked at every moment at which it may answer otherwise.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import gcd
from typing import Any

from src.core.base.faults import Misconfigured
from src.core.base.schema import Field, TableSchema
from src.core.step.prices.book import Book
from src.core.step.prices.kinds import Seed
from src.core.step.prices.model_names import ModelName, ModelNames
from src.core.step.prices.price_list import PriceList, Use
from src.core.step.prices.rates import ALWAYS, DECIMALS, EVERY, EXACT, LARGEST, NEVER, WHOLE_DIGITS, Rate, begin, covers, end, is_kind

RATES = TableSchema(
    "rates",
    (
        Field("told_model", "STRING", "REQUIRED", "As usage tells it; empty where it tells none"),
        Field("told_tier", "STRING", "REQUIRED"),
        Field("told_kind", "STRING", "REQUIRED"),
        Field("told_region", "STRING", "REQUIRED"),
        Field("told_window", "STRING", "REQUIRED", "Time of day; several joined by `|` where nobody tells which of them it was"),
        Field("valid_from", "TIMESTAMP", "REQUIRED"),
        Field("valid_to", "TIMESTAMP", "REQUIRED", "First instant that the row is not for"),
        Field("over_from", "INT64", "REQUIRED", "For prompts of more tokens than this"),
        Field("over_to", "INT64", "REQUIRED", "And of no more than this"),
        Field("model", "STRING", description="As the book names it"),
        Field("name_rule", "STRING", description="Rules by which the name was found"),
        Field("rate_id", "STRING", description="Empty where there is no rate"),
        Field("service_tier", "STRING"),
        Field("token_kind", "STRING", description="Kind of the rate; another than told_kind where that has none of its own"),
        Field("price", "BIGNUMERIC"),
        Field("per", "INT64"),
        Field("unit", "STRING"),
        Field("unit_factor", "INT64", description="So many of the use's unit make one of the rate's"),
        Field("currency", "STRING"),
        Field("unit_price", "BIGNUMERIC", description="Of one of the use's unit, cut to 18 decimals"),
        Field("rest", "INT64", description="What was cut off, in parts of the 18th decimal"),
        Field("rest_of", "INT64", description="How many of these parts are one in the 18th decimal"),
        Field("most", "INT64", description="Quantity beyond which the cost has more digits than a column"),
        Field("doubt_over", "INT64", "REQUIRED", "A prompt of more tokens than this may be charged otherwise"),
        Field(
            "long_rate_id", "STRING", description="Dearest rate of those for longer prompts; empty where there is none, or nobody tells it"
        ),
        Field("long_unit_price", "BIGNUMERIC"),
        Field("long_rest", "INT64"),
        Field("long_rest_of", "INT64"),
        Field("long_most", "INT64"),
        Field("unpriced_reason", "STRING"),
        Field("price_rule", "STRING"),
        Field("rate_until", "TIMESTAMP", "REQUIRED", "First instant at which it is charged otherwise"),
        Field("change_reason", "STRING", "REQUIRED", "What is said of a use that lasts until then"),
        Field("least_price", "BIGNUMERIC", description="Of one unit, where one of several rates applies and nobody tells which"),
        Field("most_price", "BIGNUMERIC", description="The dearest of these; empty where one of them has no price"),
        Field("uncached_price", "BIGNUMERIC", description="Of one unit had it been plain input; beside least_price where that is told"),
        Field("uncached_most_price", "BIGNUMERIC", description="The same beside most_price"),
        Field("standard_price", "BIGNUMERIC", description="Of one unit in the tier standard"),
        Field("beside_most", "INT64", description="Quantity beyond which one of these five comes to more digits than a column"),
    ),
)
# so many of the first are one of the second; a GB of storage is 2**30 bytes, as the cost report counts it
FACTORS: Mapping[tuple[str, str], int] = {
    ("second", "minute"): 60,
    ("second", "hour"): 3_600,
    ("minute", "hour"): 60,
    ("byte", "gb_day"): 2**30,
}
UseKey = tuple[str, str, str, str, str]
KEY = ("told_model", "told_tier", "told_kind", "told_region", "told_window")
WINDOWS = "|"
STANDARD = "standard"
# that charge less than the standard one, for patience
SAVING = frozenset({"batch", "flex"})
LARGEST_COST = 10 ** (WHOLE_DIGITS + DECIMALS) - 1


@dataclass(frozen=True, slots=True)
class ToldUse:
    """A use as a provider's meters tell it, whatever its quantity; see `configs/system/books/uses.sql`."""

    model: str | None
    service_tier: str
    token_kind: str
    kind_else: str | None
    unit: str
    region: str = EVERY
    price_window: str = EVERY

    @property
    def key(self) -> UseKey:
        return self.model or "", self.service_tier, self.token_kind, self.region, self.price_window

    @property
    def windows(self) -> Sequence[str]:
        return self.price_window.split(WINDOWS)

    @property
    def plain_kind(self) -> str | None:
        """What the same tokens are had no cache been asked or filled; None of what has nothing to do with one."""
        if "cache" not in self.token_kind:
            return None
        return self.token_kind.replace("cached_", "") if self.token_kind.startswith("cached_") else "input"


@dataclass(frozen=True, slots=True)
class ExactPrice:
    """Of one unit of a use: a cost is `whole * quantity + rest * quantity / rest_of`, in the last decimal that a column has."""

    whole: int
    rest: int
    rest_of: int

    @classmethod
    def of(cls, rate: Rate, factor: int) -> "ExactPrice | None":
        """None where the rest would outgrow 64 bits: the price of more than two thousand million units, and no round number of them."""
        units = rate.per * factor
        whole, rest = divmod(int(rate.price.scaleb(DECIMALS, EXACT)), units)
        common = gcd(rest, units)
        rest, rest_of = rest // common, units // common
        return cls(whole, rest, rest_of) if 2 * rest * (rest_of - 1) + rest_of <= LARGEST else None

    @property
    def each(self) -> Fraction:
        return self.whole + Fraction(self.rest, self.rest_of)

    @property
    def most(self) -> int:
        """The quantity beyond which a cost has more digits than a column."""
        return min(LARGEST, int((LARGEST_COST - 1) / self.each)) if self.each else LARGEST

    @property
    def unit_price(self) -> Decimal:
        return Decimal(self.whole).scaleb(-DECIMALS, EXACT)


@dataclass(frozen=True, slots=True)
class PromptCharge:
    """What a use is charged in one range of prompt lengths; without a rate the reason says why."""

    over_from: int
    over_to: int
    rate: Rate | None = None
    factor: int = 1
    exact: ExactPrice | None = None
    reason: str | None = None
    doubt_over: int = LARGEST
    dearest: "PromptCharge | None" = None
    """Of longer prompts; None where one of these has no rate."""
    least: "PromptCharge | None" = None
    most: "PromptCharge | None" = None
    """Of several rates one of which applies: what none is below, and what none is above."""

    @property
    def round(self) -> ExactPrice | None:
        """Its price, where that has no more digits than are kept."""
        return self.exact if self.exact and not self.exact.rest else None


@dataclass(frozen=True, slots=True)
class Beside:
    """What the same use would be charged as another."""

    uncached: ExactPrice | None = None
    uncached_most: ExactPrice | None = None
    """Of a range: beside the least of it, and beside the most."""
    standard: ExactPrice | None = None


@dataclass(frozen=True, slots=True)
class RateCard:
    shape: TableSchema
    rows: Sequence[Mapping[str, Any]]


def rate_card(uses: Iterable[Mapping[str, Any]], seed: Seed[Rate], book: Book[Rate], absent: str | None = None) -> RateCard:
    """Of the uses that `configs/system/books/uses.sql` tells; `absent` says why there is no book."""
    names = ModelNames(frozenset(rate.model for rate in book.rates), seed.aliases)
    by_model: dict[str, list[Rate]] = {}
    for rate in book.rates:
        by_model.setdefault(rate.model, []).append(rate)
    told: dict[UseKey, ToldUse] = {}
    rows: list[Mapping[str, Any]] = []
    for use in (ToldUse(**one) for one in uses):
        # joined by its key, a use that is told in two ways would find two rates, and its cost would count twice
        if told.setdefault(use.key, use) != use:
            raise Misconfigured(f"meters tell {' '.join(use.key[:3])} in two ways, and one of them has to be right")
        if told[use.key] is use:
            name = names.resolve(use.model or "")
            rows += _UseOfModel(use, name, seed.provider, by_model.get(name.model or "", []), absent).rows()
    return RateCard(RATES, rows)


class _UseOfModel:
    """One use, held against all rates of its model."""

    def __init__(self, use: ToldUse, name: ModelName, provider: str, rates: Sequence[Rate], absent: str | None) -> None:
        self._use, self._name, self._rates, self._absent = use, name, rates, absent
        self._list = PriceList(rates)
        known = {rate.token_kind for rate in rates}
        # only where the book knows none of this kind: what has no price in a tier, or had none at the time, is not priced as another
        self._kind = use.kind_else if use.kind_else in known and use.token_kind not in known else use.token_kind
        plain = use.plain_kind
        self._plain = "input" if plain and plain not in known else plain
        region = use.region if use.region != EVERY else name.region or EVERY
        sought = Use(provider, name.model or "", self._kind or "", use.service_tier, region=region)
        self._sought = [replace(sought, price_window=window) for window in use.windows]

    def rows(self) -> Iterator[dict[str, Any]]:
        moments = sorted({ALWAYS, NEVER, *(moment for rate in self._rates for moment in (begin(rate), end(rate)))})
        lines: dict[tuple[int, int], list[_Span]] = {}
        for since, until in pairwise(moments):
            for charge in self._charges(since):
                span = _Span(since, until, charge, self._beside(charge, since))
                line = lines.setdefault((charge.over_from, charge.over_to), [])
                if line and line[-1].until == since and (line[-1].charge, line[-1].beside) == (span.charge, span.beside):
                    span = replace(span, since=line.pop().since)
                line.append(span)
        yield from (self._row(span, until) for line in lines.values() for span, until in _charged_until(line))

    def _charges(self, at: datetime) -> list[PromptCharge]:
        steps = sorted({step for one in self._sought for step in self._list.steps(one, at)})
        short, *longer = (self._one_of(over, to, at) for over, to in pairwise((*steps, LARGEST)))
        return [self._doubted(short, longer, at), *longer]

    def _one_of(self, over: int, to: int, at: datetime) -> PromptCharge:
        """Of a use whose hour nobody tells one rate applies of those of all hours that it may have had."""
        every = [self._charge(one, over, to, at) for one in self._sought]
        unknown = next((one for one in every if one.exact is None), None)
        if unknown is not None or len({(one.exact, one.rate and one.rate.currency) for one in every}) == 1:
            return unknown or every[0]
        least, most = (extreme(every, key=_each) for extreme in (min, max))
        if least.rate is None or most.rate is None or len({one.rate.currency for one in every if one.rate}) > 1:
            return PromptCharge(over, to, reason="no one currency: the rates of the hours that it may have had are in several")
        reason = f"range: charged by one of the rates of {', '.join(self._use.windows)}, and nobody tells which"
        return PromptCharge(over, to, reason=reason, least=least, most=most)

    def _beside(self, charge: PromptCharge, at: datetime) -> Beside:
        """Of a use that is charged by one rate, and of both ends of a range."""
        ends = [charge] if charge.rate else [one for one in (charge.least, charge.most) if one]
        found = Beside()
        for one, name in zip(ends, ("uncached", "uncached_most"), strict=False):
            [sought, *_] = [sought for sought in self._sought if self._charge(sought, one.over_from, one.over_to, at).rate == one.rate]
            if self._plain:
                found = replace(found, **{name: self._priced_like(one, replace(sought, token_kind=self._plain), at)})
            if charge.rate and self._use.service_tier in SAVING:
                found = replace(found, standard=self._priced_like(one, replace(sought, service_tier=STANDARD), at))
        return found

    def _priced_like(self, charge: PromptCharge, sought: Use, at: datetime) -> ExactPrice | None:
        other = self._charge(sought, charge.over_from, charge.over_to, at)
        return other.round if other.rate and charge.rate and other.rate.currency == charge.rate.currency else None

    def _charge(self, sought: Use, over: int, to: int, at: datetime) -> PromptCharge:
        rate = self._list.rate(replace(sought, prompt_tokens=over + 1), at)
        if rate is None:
            return PromptCharge(over, to, reason=self._reason(over, at))
        told = self._use.unit
        factor = 1 if rate.unit == told else FACTORS.get((told, rate.unit), 0)
        if not factor:
            return PromptCharge(over, to, reason=f"unit unknown: the rate is by the {rate.unit}, and this is counted by the {told}")
        exact = ExactPrice.of(rate, factor)
        if exact is None:
            return PromptCharge(
                over, to, reason=f"not exact: a price for {rate.per} of {rate.unit} is more than can be reckoned to the last digit"
            )
        return PromptCharge(over, to, rate, factor, exact)

    def _doubted(self, short: PromptCharge, longer: Sequence[PromptCharge], at: datetime) -> PromptCharge:
        """What is not sure of a use whose prompts have a length that nobody tells."""
        if short.least:
            # the dearest of longer prompts is what none is above
            ends = [short.most, *(one.most or one for one in longer)]
            return replace(
                short, most=None if any(one is None or one.exact is None for one in ends) else max(filter(None, ends), key=_each)
            )
        if short.rate is None:
            return short
        if not longer:
            # another tier charges long prompts otherwise, and nobody says whether this one does
            tiers = (replace(one, service_tier=tier) for tier in self._list.tiers for one in self._sought)
            elsewhere = [step for one in tiers for step in self._list.steps(one, at)[1:]]
            return replace(short, doubt_over=min(elsewhere, default=LARGEST))
        if any(one.exact is None for one in longer):
            return replace(short, doubt_over=short.over_to)
        if all(one.exact == short.exact for one in longer):
            return short
        return replace(short, doubt_over=short.over_to, dearest=max(longer, key=_each))

    def _reason(self, over: int, at: datetime) -> str:
        if not is_kind(self._use.token_kind):
            return f"kind unknown: {self._use.token_kind} is no kind of use that has a price"
        if self._absent is not None:
            return f"no price book: {self._absent}"
        if self._name.model is None:
            tuned = "no fine-tuned rates of what this was trained from" if "fine_tuned" in self._name.rules else "none of this name"
            return f"model unknown: {f'the price book has {tuned}' if self._use.model else 'usage names none'}"
        of_tier = [rate for rate in self._rates if rate.service_tier == self._use.service_tier]
        of_kind = [rate for rate in of_tier if rate.token_kind == self._kind]
        what = f" of {self._kind}" if of_tier else ""
        return f"no rate: {self._name.model} has none{what} in the tier {self._use.service_tier}{_when(of_kind, over, at)}"

    def _row(self, span: "_Span", until: datetime) -> dict[str, Any]:
        use, charge, rate, name = self._use, span.charge, span.charge.rate, self._name
        row: dict[str, Any] = {
            **dict(zip(KEY, use.key, strict=True)),
            "valid_from": span.since,
            "valid_to": span.until,
            "rate_until": until,
            "over_from": charge.over_from,
            "over_to": charge.over_to,
            "model": name.model,
            "name_rule": name.reason if name.model else None,
            "doubt_over": charge.doubt_over,
            "unpriced_reason": charge.reason,
            "change_reason": f"rate changed: at {_told(until)}, within the time that this adds up; load the day again to have it in parts",
        }
        row |= _beside_columns(charge, span.beside)
        if rate is None:
            return row
        rules = (name.reason, *(["kind_else"] if self._kind != use.token_kind else []), *(["long"] if charge.over_from else []))
        of_rate = ("rate_id", "service_tier", "token_kind", "price", "per", "unit", "currency")
        row |= {column: getattr(rate, column) for column in of_rate}
        row |= {"unit_factor": charge.factor, "price_rule": "+".join(rules), **_exact_columns(charge)}
        if charge.dearest:
            row |= {"long_rate_id": charge.dearest.rate and charge.dearest.rate.rate_id, **_exact_columns(charge.dearest, "long_")}
        return row


@dataclass(frozen=True, slots=True)
class _Span:
    since: datetime
    until: datetime
    charge: PromptCharge
    beside: Beside


def _charged_until(line: Sequence[_Span]) -> Iterator[tuple[_Span, datetime]]:
    """What it would be charged as another may change while it is charged as before."""
    until = NEVER
    found = []
    for number in reversed(range(len(line))):
        follows = line[number + 1] if number + 1 < len(line) else None
        if follows is None or follows.since != line[number].until or follows.charge != line[number].charge:
            until = line[number].until
        found.append((line[number], until))
    return reversed(found)


def _each(charge: PromptCharge) -> Fraction:
    return charge.exact.each if charge.exact else Fraction(0)


def _beside_columns(charge: PromptCharge, beside: Beside) -> dict[str, Any]:
    prices = {
        "least_price": charge.least and charge.least.round,
        "most_price": charge.most and charge.most.round,
        "uncached_price": beside.uncached,
        "uncached_most_price": beside.uncached_most,
        "standard_price": beside.standard,
    }
    told = {name: price for name, price in prices.items() if price}
    row: dict[str, Any] = {name: price.unit_price for name, price in told.items()}
    if told:
        row |= {"beside_most": min(price.most for price in told.values())}
    currency = charge.least and charge.least.rate and charge.least.rate.currency
    return row | ({"currency": currency} if currency else {})


def _exact_columns(charge: PromptCharge, prefix: str = "") -> dict[str, Any]:
    return {f"{prefix}{name}": getattr(charge.exact, name) for name in ("unit_price", "rest", "rest_of", "most")}


def _when(rates: Sequence[Rate], over: int, at: datetime) -> str:
    """For what they are not, where there are any."""
    if not rates:
        return ""
    if any(covers(rate, at) for rate in rates):
        return f" for prompts of more than {over} tokens" if over else " at every hour and in every region"
    later = [begin(rate) for rate in rates if begin(rate) > at]
    return f" before {_told(min(later))}" if later else f" since {_told(max(end(rate) for rate in rates))}"


def _told(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
