"""When each slice of a source was last looked at. Pure.

A look says what the source had on a range of slices, and nothing of any other: a later look at another range makes it no newer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

ONE_DAY = timedelta(1)


@dataclass(frozen=True, slots=True)
class Look:
    """At the slices from `first` to `last`, on the day `at`."""

    first: date
    last: date
    at: date


@dataclass(frozen=True)
class Looks:
    """The newest at each slice, as ranges that do not overlap, in order."""

    ranges: tuple[Look, ...] = ()

    @classmethod
    def of(cls, looks: Iterable[Look]) -> "Looks":
        made = cls()
        # the oldest first: in whatever order the rows are read, the newest look at a slice is the one that stays
        for look in sorted(looks, key=lambda look: look.at):
            made = made.with_look(look)
        return made

    def with_look(self, new: Look) -> "Looks":
        """It takes the place of those before, where it looked."""
        kept = [new]
        for old in self.ranges:
            if old.first < new.first:
                kept.append(Look(old.first, min(old.last, new.first - ONE_DAY), old.at))
            if old.last > new.last:
                kept.append(Look(max(old.first, new.last + ONE_DAY), old.last, old.at))
        joined: list[Look] = []
        for look in sorted(kept, key=lambda look: look.first):
            if joined and joined[-1].at == look.at and joined[-1].last + ONE_DAY == look.first:
                joined[-1] = Look(joined[-1].first, look.last, look.at)
            else:
                joined.append(look)
        return Looks(tuple(joined))

    @cached_property
    def since(self) -> date | None:
        return self.ranges[0].first if self.ranges else None

    @cached_property
    def latest(self) -> date | None:
        """The day of the newest look, at whatever slices."""
        return max((look.at for look in self.ranges), default=None)

    def within(self, first: date, last: date) -> tuple[Look, ...]:
        return tuple(
            Look(max(look.first, first), min(look.last, last), look.at) for look in self.ranges if look.first <= last and look.last >= first
        )

    def cover(self, first: date, last: date) -> bool:
        """Whether each slice of this range was looked at."""
        there = self.within(first, last)
        # the ranges do not overlap, so their days come to those of the range only where none of them lacks
        return first > last or sum((look.last - look.first).days + 1 for look in there) == (last - first).days + 1

    def at(self, day: date) -> date | None:
        return next((look.at for look in self.within(day, day)), None)

    def unseen_before(self, day: date) -> date:
        """The latest day up to this one that was not looked at."""
        for look in reversed(self.ranges):
            if look.first <= day <= look.last:
                day = look.first - ONE_DAY
        return day
