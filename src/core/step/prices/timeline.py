"""Rates laid side by side on their axes, so that at no moment two of them apply. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Generic

from src.core.step.prices.rates import ALWAYS, NEVER, Axes, D, begin, end

Span = tuple[datetime, datetime]


class Timelines(Generic[D]):
    """A sheet to change: the rates of each axis, none over another."""

    def __init__(self, rates: Iterable[D] = ()) -> None:
        self._by_axes: dict[Axes, list[D]] = {}
        for rate in rates:
            self._by_axes.setdefault(rate.axes, []).append(rate)

    def __iter__(self) -> Iterator[D]:
        return (rate for line in self._by_axes.values() for rate in line)

    def on(self, axes: Axes) -> list[D]:
        return sorted(self._by_axes.get(axes, ()), key=begin)

    def clear(self, axes: Axes, start: datetime, stop: datetime) -> None:
        """What lies over the span's ends goes on outside of it."""
        kept = (part for rate in self._by_axes.get(axes, ()) for part in without(rate, [(start, stop)]))
        self._by_axes[axes] = list(kept)

    def lay(self, rate: D) -> None:
        self.clear(rate.axes, begin(rate), end(rate))
        self._by_axes[rate.axes].append(rate)

    def fill(self, rate: D, start: datetime, stop: datetime) -> None:
        """Lays it where nothing lies in this span, as one with what says the same before and after."""
        taken = [span(one) for one in self._by_axes.get(rate.axes, ())]
        for part in without(rate, [(ALWAYS, start), (stop, NEVER), *taken]):
            line = self._by_axes.get(rate.axes, ())
            first = next((one for one in line if end(one) == begin(part) and alike(one, part)), part)
            last = next((one for one in line if begin(one) == end(part) and alike(one, part)), part)
            self.lay(within(first, begin(first), end(last)))


def span(rate: D) -> Span:
    return begin(rate), end(rate)


def overlap(one: Span, two: Span) -> bool:
    return max(one[0], two[0]) < min(one[1], two[1])


def within(rate: D, start: datetime, stop: datetime) -> D:
    """The same for another time."""
    return rate.but(effective_from=None if start == ALWAYS else start, effective_to=None if stop == NEVER else stop)


def without(rate: D, spans: Iterable[Span]) -> list[D]:
    """What is left of it outside of these spans, in order; the same rate where that is all of it."""
    left, cut = [span(rate)], False
    for start, stop in spans:
        if overlap(span(rate), (start, stop)):
            cut = True
            pieces = ((piece, (piece[0], min(piece[1], start)), (max(piece[0], stop), piece[1])) for piece in left)
            left = [part for _, *parts in pieces for part in parts if part[0] < part[1]]
    return [within(rate, *piece) for piece in left] if cut else [rate]


def alike(one: D, two: D) -> bool:
    """Whether they say the same, of whatever time."""
    return within(one, ALWAYS, NEVER).rate_id == within(two, ALWAYS, NEVER).rate_id


def clashes(rates: Iterable[D]) -> Iterator[tuple[D, D]]:
    """Pairs of rates that apply at one moment on the same axes; each with the one that it begins within."""
    by_axes: dict[Axes, list[D]] = {}
    for rate in rates:
        by_axes.setdefault(rate.axes, []).append(rate)
    for line in by_axes.values():
        line.sort(key=begin)
        latest = line[0]
        for rate in line[1:]:
            if begin(rate) < end(latest):
                yield latest, rate
            latest = max(latest, rate, key=end)
