"""What may be asked of a price book. Each request changes a sheet of the rates that stand; `Book.change` tells what that comes to."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Generic

from src.core.base.faults import Flaw
from src.core.base.names import did_you_mean
from src.core.step.prices.book import Because, BookRow, Sheet
from src.core.step.prices.rates import DECIMALS, EXACT, NEVER, D, Rate, begin, end
from src.core.step.prices.timeline import Span, alike, clashes, overlap, span, within, without

WHOLE = Decimal(100)
SMALLEST = Decimal(1).scaleb(-DECIMALS)
WORDS = ("currency", "source", "source_date", "note")
Chosen = Mapping[str, str | int]
"""Axes and what they must be; those that are not named may be anything."""


@dataclass(frozen=True)
class Add(Generic[D]):
    """New rates, where none applies."""

    rates: Sequence[D]
    because: Because | None = None

    def carry_out(self, sheet: Sheet[D]) -> list[Flaw]:
        flaws = flaws_of(self.rates)
        for rate in self.rates if not flaws else ():
            taken = next((one for one in sheet.on(rate.axes) if overlap(span(one), span(rate))), None)
            if taken is not None:
                flaws.append(Flaw(f"{named(rate)} has a rate {told(taken)}; update it, or name a time that is free"))
            sheet.lay(rate.but(origin="own"))
        return flaws


@dataclass(frozen=True)
class LayOver(Generic[D]):
    """Rates as a file has them: each takes the place of what is there in its time, and of nothing else."""

    rates: Sequence[D]
    because: Because | None = None

    def carry_out(self, sheet: Sheet[D]) -> list[Flaw]:
        flaws = flaws_of(self.rates)
        for rate in self.rates if not flaws else ():
            sheet.lay(rate.but(origin="own"))
        return flaws


@dataclass(frozen=True)
class Update(Generic[D]):
    """Another price for the rates that apply: all of a model, or those of the axes that are named.

    It begins now or when it is told, and goes on until the rate that it takes the place of would have ended, so that what is announced
    for later still comes. One that begins in the past corrects all since then.
    """

    chosen: Chosen
    anew: Mapping[str, Any]
    effective_from: datetime | None = None
    effective_to: datetime | None = None
    because: Because | None = None

    def carry_out(self, sheet: Sheet[D]) -> list[Flaw]:
        start = self.effective_from or sheet.at
        flaws = [*chosen_flaws(self.chosen, sheet.book.rates), *moment_flaws(self.effective_from, self.effective_to)]
        if flaws:
            return flaws
        applies = max(start, sheet.at)
        found = [one for one in chosen(sheet, self.chosen) if begin(one) <= applies < end(one)]
        if not found:
            return [Flaw(f"no rate of {shown(self.chosen)} applies on {_shown(applies)}; add one")]
        content = (*found[0].CONTENT, *WORDS)
        wrong = [name for name in self.anew if name not in content]
        if wrong:
            return [Flaw(f"an update says {', '.join(content)}{did_you_mean(name, content)}", field=name) for name in wrong]
        new = [within(one, start, self.effective_to or end(one)).but(**self.anew, origin="own") for one in found]
        flaws = flaws_of(new)
        for rate in new if not flaws else ():
            sheet.lay(rate)
        return flaws


@dataclass(frozen=True)
class Delete(Generic[D]):
    """From now on, or from when it is told, there is no rate. What is announced for later is taken back; what is over stays."""

    chosen: Chosen
    effective_from: datetime | None = None
    because: Because | None = "deleted"

    def carry_out(self, sheet: Sheet[D]) -> list[Flaw]:
        start = self.effective_from or sheet.at
        flaws = [*chosen_flaws(self.chosen, sheet.book.rates), *moment_flaws(self.effective_from)]
        found = [one for one in chosen(sheet, self.chosen) if end(one) > start] if not flaws else []
        for one in found:
            sheet.clear(one.axes, start, NEVER)
        if flaws or found:
            return flaws
        return [Flaw(f"no rate of {shown(self.chosen)} applies on {_shown(start)} or later; there is nothing to delete")]


@dataclass(frozen=True)
class Withdraw(Generic[D]):
    """Takes back rates that are announced for later, and lets go on what would have gone on without them."""

    chosen: Chosen = field(default_factory=dict)
    rate_ids: frozenset[str] = frozenset()
    """These alone; or all that are announced on the axes."""
    because: Because | None = "withdrawn"

    def carry_out(self, sheet: Sheet[D]) -> list[Flaw]:
        flaws = chosen_flaws(self.chosen, sheet.book.rates)
        if flaws:
            return flaws
        found = [row for row in sheet.book.standing if _fits(row.rate, self.chosen) and self._names(row.rate)]
        ahead = sorted((row for row in found if row.ahead(sheet.at)), key=lambda row: begin(row.rate))
        if not ahead:
            begun = [f"; {named(row.rate)} applies {told(row.rate)}: delete or update it" for row in found if end(row.rate) > sheet.at]
            return [Flaw(f"nothing of {shown(self.chosen)} is announced for later{begun[0] if begun else ''}")]
        for row in ahead:
            sheet.clear(row.rate.axes, *span(row.rate))
        for row in ahead:
            for rate in _instead(row, sheet, begin(row.rate), lambda rate: begin(rate) > sheet.at and self._names(rate)):
                sheet.fill(rate, *span(row.rate))
        return []

    def _names(self, rate: D) -> bool:
        return not self.rate_ids or rate.rate_id in self.rate_ids


def _instead(row: BookRow[D], sheet: Sheet[D], start: datetime, withdrawn: Callable[[D], bool]) -> Iterator[D]:
    """The rates that would apply in a withdrawn rate's time, which begins at `start`."""
    closed = sheet.book.closed_for(row)
    # a rate of the seed that goes on after one that was laid into its time is not announced by the seed
    if row.rate.origin == "seed" and not any(alike(one.rate, row.rate) for one in closed):
        # the seed has nothing else for that time; that another goes on is the owner's word, and stays when the seed is released anew
        before = [one for one in sheet.on(row.rate.axes) if end(one) == start]
        yield from (within(one, start, end(row.rate)).but(origin="own") for one in before)
        return
    for one in closed:
        if withdrawn(one.rate):
            yield from _instead(one, sheet, start, withdrawn)
        else:
            yield one.rate


@dataclass(frozen=True)
class Reset(Generic[D]):
    """The seed alone, for all time."""

    seed: Sequence[D]
    because: Because | None = "reset"

    def carry_out(self, sheet: Sheet[D]) -> list[Flaw]:
        flaws = flaws_of(self.seed)
        for rate in list(sheet) if not flaws else ():
            sheet.clear(rate.axes, *span(rate))
        for rate in self.seed if not flaws else ():
            sheet.lay(rate)
        return flaws


@dataclass(frozen=True)
class Release(Generic[D]):
    """A new edition of the seed: what the owner laid stays, and what the owner took away stays away."""

    seed: Sequence[D]
    because: Because | None = "released"

    def carry_out(self, sheet: Sheet[D]) -> list[Flaw]:
        flaws = flaws_of(self.seed)
        if flaws:
            return flaws
        kept: dict[Any, list[Span]] = {axes: list(spans) for axes, spans in sheet.book.lost().items()}
        for rate in list(sheet):
            if rate.origin == "own":
                kept.setdefault(rate.axes, []).append(span(rate))
            else:
                sheet.clear(rate.axes, *span(rate))
        for rate in self.seed:
            for part in without(rate, kept.get(rate.axes, ())):
                sheet.lay(part)
        return []


@dataclass(frozen=True)
class Discount:
    """So many percent off the list, for as long as it is told. Off the list and not off what stands: told twice, it is given once."""

    seed: Sequence[Rate]
    percent: Decimal
    chosen: Chosen = field(default_factory=dict)
    effective_from: datetime | None = None
    effective_to: datetime | None = None
    source: str = "negotiated discount"
    because: Because | None = None

    def carry_out(self, sheet: Sheet[Rate]) -> list[Flaw]:
        flaws = [*chosen_flaws(self.chosen, self.seed), *moment_flaws(self.effective_from, self.effective_to)]
        if not (self.percent.is_finite() and 0 < self.percent <= WHOLE):
            flaws.append(Flaw("is more than 0 and 100 at most", field="percent"))
        if flaws:
            return flaws
        start, stop = self.effective_from or sheet.at, self.effective_to or NEVER
        listed = [one for one in chosen(self.seed, self.chosen) if overlap(span(one), (start, stop))]
        for rate in listed:
            part = within(rate, max(begin(rate), start), min(end(rate), stop))
            note = f"list price {rate.price:f} less {self.percent:f} %"
            less = part.but(price=_less(rate.price, self.percent), origin="own", source=self.source, source_date=None, note=note)
            if not stands_already(sheet, less):
                sheet.lay(less)
        return [] if listed else [Flaw(f"the list has no rate of {shown(self.chosen)} from {_shown(start)} on")]


@dataclass(frozen=True)
class OwnList(Generic[D]):
    """A whole list of the owner's: from its day on these rates and no others, on the axes that are named or on all."""

    rates: Sequence[D]
    chosen: Chosen = field(default_factory=dict)
    effective_from: datetime | None = None
    because: Because | None = None

    def carry_out(self, sheet: Sheet[D]) -> list[Flaw]:
        flaws = [*flaws_of(self.rates), *chosen_flaws(self.chosen, self.rates), *moment_flaws(self.effective_from)]
        start = self.effective_from or sheet.at
        for one in self.rates if not flaws else ():
            if not _fits(one, self.chosen):
                flaws.append(Flaw(f"{named(one)} is not of {shown(self.chosen)}, which the list is for"))
            if one.effective_from is not None and one.effective_from < start:
                flaws.append(Flaw(f"{named(one)} begins on {_shown(begin(one))}, before the list does", field="effective_from"))
            if end(one) <= start:
                flaws.append(Flaw(f"{named(one)} ends on {_shown(end(one))}, before the list begins", field="effective_to"))
        if flaws:
            return flaws
        laid = [within(one, max(begin(one), start), end(one)).but(origin="own") for one in self.rates]
        # the same list told again changes nothing: else each time would close and open every rate of it
        kept = {one.axes for one in laid if end(one) == NEVER and stands_already(sheet, one)}
        for one in list(chosen(sheet, self.chosen)):
            if one.axes not in kept:
                sheet.clear(one.axes, start, NEVER)
        for one in laid:
            if one.axes not in kept:
                sheet.lay(one)
        return []


def stands_already(sheet: Sheet[D], rate: D) -> bool:
    """Whether a rate that says the same applies in all of its time."""
    return any(
        begin(one) <= begin(rate) and end(one) == end(rate) and alike(one, rate) and all(getattr(one, w) == getattr(rate, w) for w in WORDS)
        for one in sheet.on(rate.axes)
    )


def flaws_of(rates: Sequence[D]) -> list[Flaw]:
    """What is wrong with each of them by itself, and which say two things of one moment."""
    wrong = [Flaw(f"{named(rate)}: {flaw.message}", field=flaw.field) for rate in rates for flaw in rate.flaws()]
    # a moment without its zone cannot be compared
    twice = clashes(rates) if not wrong else ()
    return [*wrong, *(Flaw(f"{named(two)} is told twice: {told(one)} and {told(two)}") for one, two in twice)]


def chosen_flaws(axes: Chosen, rates: Sequence[D]) -> list[Flaw]:
    known = rates[0].AXES if rates else tuple(axes)
    hints = {name: did_you_mean(name, known) or f"; one of {', '.join(known)}" for name in axes if name not in known}
    return [Flaw(f"there is no axis {name[:40]!r}{hint}", field=name) for name, hint in hints.items()]


def moment_flaws(*moments: datetime | None) -> list[Flaw]:
    wrong = [one for one in moments if one is not None and one.tzinfo is None]
    return [Flaw(f"{one.isoformat()} needs its time zone; write it as {one.isoformat()}Z") for one in wrong]


def chosen(rates: Iterable[D], axes: Chosen) -> Iterator[D]:
    return (rate for rate in rates if _fits(rate, axes))


def named(rate: D) -> str:
    return "/".join(str(value) for value in rate.axes)


def told(rate: D) -> str:
    since = f"from {_shown(rate.effective_from)}" if rate.effective_from else "since its launch"
    return f"{since} until {_shown(rate.effective_to)}" if rate.effective_to else since


def shown(axes: Chosen) -> str:
    return ", ".join(f"{name} {value}" for name, value in axes.items()) or "this book"


def _fits(rate: D, axes: Chosen) -> bool:
    return all(getattr(rate, name) == value for name, value in axes.items())


def _less(price: Decimal, percent: Decimal) -> Decimal:
    return EXACT.quantize(EXACT.multiply(price, EXACT.divide(EXACT.subtract(WHOLE, percent), WHOLE)), SMALLEST)


def _shown(moment: datetime) -> str:
    moment = moment.astimezone(UTC) if moment.tzinfo else moment
    return moment.date().isoformat() if moment.time() == datetime.min.time() else moment.isoformat(timespec="seconds")
