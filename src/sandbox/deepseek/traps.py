"""What is planted in DeepSeek's balances and exports: for each trap the right figure, and the wrong one that a usual shortcut comes to.

`measure` names what is asked: what use is `computed` at, its `least` or `most` where nobody tells which rate applies, what is `billed`,
what of it was `paid` with no gift, or what balances say was `spent` between the first and the last sample; `where` says of which account,
model, currency or days (`first`, `last`; left out, those of the reading).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from src.sandbox.deepseek.accounts import DEMO
from src.sandbox.deepseek.prices import FLASH, HOLIDAYS, PEAKS, V4_PRO, Window
from src.sandbox.deepseek.right_figures import DeepseekFigure, DeepseekFigures, paid, right_figures, sampled
from src.sandbox.deepseek.wallets import NOTHING
from src.sandbox.trap import Trap

# told twice: by the month's file, and by one of these days to the end of the reading
OVERLAP_BEGINS = date(2026, 11, 12)
SATURDAY_BEFORE, SUNDAY_AFTER = date(2026, 8, 22), date(2026, 8, 23)
HOLIDAY = min(HOLIDAYS)
AS_FLASH = date(2026, 9, 15)
GIFT_DAYS = (date(2026, 11, 1), date(2026, 11, 7))


@dataclass(frozen=True, slots=True)
class DeepseekReading:
    """Days whose exports were made at a moment, and the moments at which balances were asked for."""

    first: date
    last: date
    late: datetime
    samples: Sequence[datetime]

    def of(self, name: str) -> DeepseekFigures:
        return right_figures(name, self.first, self.last, self.late)

    def on(self, name: str, day: date) -> DeepseekFigures:
        return right_figures(name, day, day, self.late)


def traps(reading: DeepseekReading) -> list[Trap]:
    return [trap for make in MAKERS for trap in make(reading)]


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, NOTHING)


def _days(first: date, last: date | None = None) -> dict[str, str]:
    return {"first": str(first), "last": str(last or first)}


def by_hours_alone(one: DeepseekFigure) -> Decimal:
    """As a list has it that knows hours and neither weekends nor holidays."""
    within = any(begin <= one.use.at.time() < end for begin, end in PEAKS)
    told: Window = "peak" if within else "off_peak"
    return one.at(told)


def _balances(reading: DeepseekReading) -> Iterable[Trap]:
    gift = sampled("gifted", "USD", reading.samples)
    what = "what was left of a gift expired while nothing was used"
    shortcut = "takes whatever a balance lost for spend"
    yield Trap("a gift that expired", what, shortcut, gift.spent, gift.total, "spent", {"account": "gifted", "currency": "USD"})
    topped = sampled("topped", "USD", reading.samples)
    what = "20 dollars were topped up between two samples, while a gift was still paying"
    shortcut = "takes the difference of two balances for spend"
    yield Trap(
        "a top-up between two samples", what, shortcut, topped.spent, topped.total, "spent", {"account": "topped", "currency": "USD"}
    )


def _currencies(reading: DeepseekReading) -> Iterable[Trap]:
    use = reading.of("twofold")
    dollars = use.paid_in("USD").cost
    where = {"account": "twofold", "currency": "USD"}
    what = "one account pays for one model in dollars and for another in yuan"
    yield Trap("CNY beside USD", what, "adds both", dollars, use.cost, "billed", where)
    left = {currency: sampled("twofold", currency, reading.samples).spent for currency in ("USD", "CNY")}
    naive = left["USD"] + left["CNY"]
    yield Trap("balances in CNY and USD", "it has a balance in each", "adds both", left["USD"], naive, "spent", where)


def _windows(reading: DeepseekReading) -> Iterable[Trap]:
    use = reading.of(DEMO).of(model=FLASH)
    where = {"account": DEMO, "model": FLASH}
    what = "the same type stands twice on a day, once at each price"
    kept = _sum(one.cost for one in use.figures if one.use.window == "peak") + _sum(
        one.cost for one in use.figures if not any(_twin(one, other) for other in use.figures)
    )
    yield Trap("peak and off-peak in one day", what, "keeps the last row of a day, model, key and type", use.cost, kept, "computed", where)
    base = _sum(one.at("off_peak") for one in use.figures)
    yield Trap("peak hours at all", what, "charges all by the base rate", use.cost, base, "computed", where)


def _twin(one: DeepseekFigure, other: DeepseekFigure) -> bool:
    same = (one.day, one.use.work.key, one.kind) == (other.day, other.use.work.key, other.kind)
    return same and one.use.window != other.use.window


def _weekends(reading: DeepseekReading) -> Iterable[Trap]:
    before = reading.on(DEMO, SATURDAY_BEFORE)
    off = _sum(one.at("off_peak") for one in before.figures)
    what = "peak hours were on every day until 2026-08-22 16:00 UTC"
    where = {"account": DEMO, **_days(SATURDAY_BEFORE)}
    yield Trap("the weekend before 23 August", what, "takes every weekend for off-peak", before.cost, off, "computed", where)
    for name, day in (("the weekend after 23 August", SUNDAY_AFTER), ("a holiday in China", HOLIDAY)):
        use = DeepseekFigures(tuple(one for one in reading.on("bare", day).figures if one.model != V4_PRO or day < AS_FLASH))
        model = {"model": FLASH} if day >= AS_FLASH else {}
        what = "a day without peak hours is exact, though the export tells no prices"
        shortcut = "looks at the hours alone"
        where = {"account": "bare", **model, **_days(day)}
        yield Trap(name, what, shortcut, use.cost, _sum(map(by_hours_alone, use.figures)), "computed", where)


def _as_flash(reading: DeepseekReading) -> Iterable[Trap]:
    told = reading.on(DEMO, AS_FLASH).of(model=V4_PRO)
    listed = _sum(one.at(one.use.window, "pro now") for one in told.figures)
    days = _days(AS_FLASH)
    what = "V4-Pro was billed by the rates of Flash; the export tells at which price"
    where = {"account": DEMO, "model": V4_PRO, **days}
    yield Trap("V4-Pro billed as Flash", what, "charges by the list of V4-Pro", told.cost, listed, "computed", where)
    use = reading.on("bare", AS_FLASH).of(model=V4_PRO)
    listed = _sum(one.at("off_peak", "pro now") for one in use.figures)
    what = "the export tells no prices, so neither the time of day nor whose rates they were: a range"
    where = {"account": "bare", "model": V4_PRO, **days}
    yield Trap("the least of V4-Pro as Flash", what, "charges by the list's base rate", use.least, listed, "least", where)
    yield Trap("the most of V4-Pro as Flash", what, "charges by the list's base rate", use.most, listed, "most", where)


def _imports(reading: DeepseekReading) -> Iterable[Trap]:
    known = reading.of(DEMO)
    where = {"account": DEMO, "currency": "USD"}
    again = known.cost + known.cost
    yield Trap("a month file imported twice", "somebody uploads the same file again", "adds it", known.cost, again, "billed", where)
    overlapped = right_figures(DEMO, OVERLAP_BEGINS, reading.last, reading.late).cost
    what = f"a file of a range tells the days since {OVERLAP_BEGINS} once more"
    yield Trap("a range that overlaps a month", what, "adds both", known.cost, known.cost + overlapped, "billed", where)
    first, last = GIFT_DAYS
    whole = right_figures(DEMO, first, last, reading.late).cost
    what = "a gift pays first: the same model stands as Granted and as Paid"
    where = {"account": DEMO, "currency": "USD", **_days(first, last)}
    yield Trap("what a gift paid for", what, "takes every row for money", paid(DEMO, first, last), whole, "paid", where)


MAKERS: tuple[Callable[[DeepseekReading], Iterable[Trap]], ...] = (_balances, _currencies, _windows, _weekends, _as_flash, _imports)
