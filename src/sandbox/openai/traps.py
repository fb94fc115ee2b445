"""What is planted in the reports: for each trap the right figure, and the wrong one that a usual shortcut comes to.

`measure` names what is asked: what use is `computed` at, what is `billed`, a cause of the difference, or days told as `complete`; `where`
says of which organisation, model (as a price list calls it), key or day.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal

from src.sandbox.openai.organizations import DEMO, LOST_KEY, NOON, ORGANIZATIONS, PROJECT_KEYS, WITHIN_AN_HOUR, Agreed
from src.sandbox.openai.prices import CANCELLED, MILLION, MISTAKEN, UnchargedRate, per_million
from src.sandbox.openai.right_figures import NOTHING, RightFigure, RightFigures, right_figures
from src.sandbox.trap import Trap

SOL, SNAPSHOT, WAITING = "gpt-6.1-sol", "gpt-4o-mini", "gpt-5.4"
# read from a cache or written into one
CACHE_KINDS = frozenset({"cached", "write_30m", "write_12h"})
TIERS = ("batch", "flex")
SHARED_KEY = "staging"
HALF = Decimal("0.5")
# of money that is shared out
SHARED_DIGITS = 6


@dataclass(frozen=True, slots=True)
class TwoReadings:
    """Days that are read twice: the morning after the last of them, and when nothing changes any more."""

    first: date
    last: date
    early: datetime
    late: datetime

    def of(self, organization: str, when: datetime | None = None) -> RightFigures:
        return right_figures(ORGANIZATIONS[organization], self.first, self.last, when or self.late)


def traps(reading: TwoReadings) -> list[Trap]:
    return [trap for make in MAKERS for trap in make(reading)]


def _rate(one: RightFigure, tier: str, kind: str = "") -> Decimal:
    """Of a short request, for one token."""
    return per_million(one.model or "", tier, one.day, long=False)[kind or one.kind] / MILLION


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, NOTHING)


def _cached_twice(reading: TwoReadings) -> Iterable[Trap]:
    use = reading.of(DEMO).of(price_name=SOL)
    again = _sum(one.quantity * _rate(one, one.tier, "text") for one in use.figures if one.kind in CACHE_KINDS)
    yield Trap(
        "cached tokens twice",
        "input_tokens holds what was read from the cache and written into it",
        "charges all of input_tokens as input, then the cached ones once more",
        use.listed,
        use.listed + again,
        "computed",
        {"organization": DEMO, "model": SOL},
    )


def _snapshots(reading: TwoReadings) -> Iterable[Trap]:
    use = reading.of(DEMO).of(price_name=SNAPSHOT)
    yield Trap(
        "snapshot names",
        "use is told of gpt-4o-mini-2024-07-18, and price lists have gpt-4o-mini",
        "joins the two by name: what is not found costs nothing",
        use.listed,
        NOTHING,
        "computed",
        {"organization": DEMO, "model": SNAPSHOT},
    )


def _tiers(reading: TwoReadings) -> Iterable[Trap]:
    whole = reading.of(DEMO).of(price_name=WAITING)
    cheaper = _sum(whole.of(tier=tier).listed for tier in TIERS)
    use = [one for tier in TIERS for one in whole.of(tier=tier).figures]
    where = {"organization": DEMO, "model": WAITING, "tier": ",".join(TIERS)}
    standard = _sum(one.quantity * _rate(one, "standard") for one in use)
    yield Trap(
        "batch and flex",
        "work that can wait is charged by rates of its own",
        "charges every request by the standard rate",
        cheaper,
        standard,
        "computed",
        where,
    )
    yield Trap(
        "half of a rate",
        "cached input of batch and flex is published as 0.13, half of the standard rate is 0.125",
        "takes half of the standard rate",
        cheaper,
        standard * HALF,
        "computed",
        where,
    )


def _long_context(reading: TwoReadings) -> Iterable[Trap]:
    yield Trap(
        "long context",
        "requests beyond 272,000 tokens cost twice the input; no bucket of use tells of them, the cost report does",
        "leaves a difference that nobody explains",
        reading.of(DEMO).causes["long_context"],
        NOTHING,
        "cause_long_context",
        {"organization": DEMO},
    )


def _cents(reading: TwoReadings) -> Iterable[Trap]:
    right = reading.of(DEMO).charged
    yield Trap(
        "cents and dollars",
        "the cost report tells dollars; that of another provider tells cents",
        "reads both alike",
        right,
        right / 100,
        "billed",
        {"organization": DEMO},
    )


def _restated(reading: TwoReadings) -> Iterable[Trap]:
    early, late = reading.of("restated", reading.early).charged, reading.of("restated").charged
    where = {"organization": "restated"}
    what = "a day grows until three days after it"
    yield Trap("restated trailing days", what, "reads a day once, when it is over", late, early, "billed", where)
    yield Trap("restated days added", what, "appends what it reads again", late, early + late, "billed", where)


def _unknown_model(reading: TwoReadings) -> Iterable[Trap]:
    yield Trap(
        "an unknown model",
        "no list has a price of nova-mini and of a fine-tuned gpt-4.1",
        "takes what is not on the list for free",
        reading.of("novel").causes["model_unknown"],
        NOTHING,
        "cause_model_unknown",
        {"organization": "novel"},
    )


def _lost_key(reading: TwoReadings) -> Iterable[Trap]:
    yield Trap(
        "an API key that vanished",
        "a key was deleted, and is on no list of keys any more",
        "joins costs with the list of keys",
        round(reading.of("novel").of(key=LOST_KEY).charged, SHARED_DIGITS),
        NOTHING,
        "billed",
        {"organization": "novel", "key": LOST_KEY},
    )


def _keys_refused(reading: TwoReadings) -> Iterable[Trap]:
    known = reading.of("coarse")
    project = next(one.project for one in PROJECT_KEYS if one.name == SHARED_KEY)
    keys = {one.key for one in known.of(project=project).figures if one.key}
    where = {"organization": "coarse", "key": SHARED_KEY}
    what = "costs by key are refused (400); two keys of a project use the same models"
    right = round(known.of(key=SHARED_KEY).charged, SHARED_DIGITS)
    yield Trap("costs by key refused", what, "has no money by key", right, NOTHING, "billed", where)
    equal = round(known.of(project=project).charged / len(keys), SHARED_DIGITS)
    yield Trap("costs by key shared out", what, "shares a project's money out among its keys equally", right, equal, "billed", where)


def _late_costs(reading: TwoReadings) -> Iterable[Trap]:
    """Of the last day, as it is told on the morning after it."""
    yesterday = RightFigures(tuple(one for one in reading.of("late", reading.early).figures if one.day == reading.last))
    yield Trap(
        "costs a day after usage",
        "use of yesterday is told today, what it costs tomorrow",
        "takes the cost report's silence for nothing",
        yesterday.listed,
        yesterday.charged,
        "billed_early",
        {"organization": "late", "day": reading.last.isoformat()},
    )


def _two_rates(reading: TwoReadings) -> Iterable[Trap]:
    for one, name in ((NOON, "two rates in one day"), (WITHIN_AN_HOUR, "two rates in one hour")):
        day = one.since.date()
        use = RightFigures(tuple(each for each in reading.of("midday").of(price_name=one.model).figures if each.day == day))
        yield Trap(
            name,
            f"the price of {one.model} changes at {one.since:%H:%M} of a day",
            "asks which rate applies on the day",
            _agreed(use, one),
            use.listed,
            "computed",
            {"organization": "midday", "model": one.model, "day": day.isoformat()},
        )


def _agreed(use: RightFigures, agreed: Agreed) -> Decimal:
    since = agreed.since.timestamp()
    return _sum((one.listed or NOTHING) * (agreed.share if one.at >= since else 1) for one in use.figures)


def _cancelled(reading: TwoReadings) -> Iterable[Trap]:
    use = reading.of(DEMO).of(price_name=CANCELLED.model)
    yield Trap(
        "a rise that was cancelled",
        f"a rise of input of {CANCELLED.model} was announced for {CANCELLED.since}, and taken back before it came",
        "keeps the price that was announced",
        use.listed,
        _sum((one.listed or NOTHING) * (CANCELLED.factor if _concerns(CANCELLED, one) else 1) for one in use.figures),
        "computed",
        {"organization": DEMO, "model": CANCELLED.model},
    )


def _concerns(rate: UnchargedRate, one: RightFigure) -> bool:
    return one.price_name == rate.model and one.day >= rate.since and one.kind == rate.kind and one.tier == "standard"


def _mistaken(reading: TwoReadings) -> Iterable[Trap]:
    use = [one for one in reading.of("novel").figures if _concerns(MISTAKEN, one)]
    yield Trap(
        "a rate that the book has wrong",
        "input costs a tenth more than the book says, and some of the requests may have been long",
        "takes what is dearer for long requests",
        _sum((one.listed or NOTHING) * (1 - MISTAKEN.factor) for one in use),
        NOTHING,
        "cause_rate_differs",
        {"organization": "novel", "model": MISTAKEN.model},
    )


def _empty(reading: TwoReadings) -> Iterable[Trap]:
    days = (reading.last - reading.first).days + 1
    yield Trap(
        "empty against empty",
        "neither report has anything of an organisation that used nothing",
        "finds both sides equal, and calls the days checked",
        NOTHING,
        Decimal(days),
        "agreeing",
        {"organization": "idle"},
    )


def _discount(reading: TwoReadings) -> Iterable[Trap]:
    use = reading.of("discount").of(price_name=SOL)
    where = {"organization": "discount", "model": SOL}
    share = ORGANIZATIONS["discount"].price
    yield Trap(
        "an organisation's discount",
        "it pays 85 % of the list price",
        "charges by the list",
        use.listed * share,
        use.listed,
        "computed",
        where,
    )
    yield Trap(
        "a discount that no book has",
        "the report is 15 % below use at the list's prices, in every line",
        "leaves a difference that nobody explains",
        use.charged - use.listed,
        NOTHING,
        "cause_rate_differs",
        where,
    )


MAKERS: tuple[Callable[[TwoReadings], Iterable[Trap]], ...] = (
    _cached_twice,
    _snapshots,
    _tiers,
    _long_context,
    _cents,
    _restated,
    _unknown_model,
    _lost_key,
    _keys_refused,
    _late_costs,
    _two_rates,
    _cancelled,
    _mistaken,
    _empty,
    _discount,
)


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)
