"""How the slices of a source lie: which of them may hold a period's rows, and until when one of them may change. Pure."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar, Protocol

MONTHS = 12
ONE_DAY = timedelta(1)


@dataclass(frozen=True, slots=True)
class Holding:
    """The slices of a day or a month of use."""

    first: date
    last: date
    """From the first to this one they hold its rows as a rule."""
    closes: date
    """From this day on no more of its rows are expected."""
    later: bool
    """Whether any later slice may hold a correction of it."""

    def possible(self, today: date) -> tuple[date, date]:
        return self.first, today if self.later else self.last


class Axis(Protocol):
    """In these answers alone sources of different kinds differ."""

    @property
    def slices(self) -> str:
        """What its slices are called when people are told of them."""
        ...

    @property
    def forgets(self) -> bool:
        """Whether a slice that is no longer listed was only put away, and its rows stand; otherwise they are taken back."""
        ...

    @property
    def covers(self) -> bool:
        """Whether every day from the first slice on lies in one: where none is, it was not delivered yet."""
        ...

    def of_day(self, day: date) -> Holding: ...

    def of_month(self, first: date) -> Holding:
        """Of the month that begins on `first`."""
        ...

    def to_read(self, first: date, last: date, late_days: int | None) -> tuple[date, date]:
        """The slices that a run over a window of days of use reads; `late_days` is how far it was told to read."""
        ...

    def to_look_at(self, holding: Holding, today: date) -> tuple[date, date]:
        """The slices that must have been looked at for the period to be known at all."""
        ...

    def needed(self, slice_day: date, holding: Holding) -> date:
        """A look at this slice on this day or later is the last that the period needs of it."""
        ...

    def final(self, slice_day: date) -> date:
        """From this day on the slice as a rule says what it will say for ever."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """A slice is what was written on a day: late rows of an earlier day of use, and corrections of any."""

    late_days: int
    closing_day: int
    """An invoice month is closed on this day of the next one."""
    slices: ClassVar[str] = "load days"
    forgets: ClassVar[bool] = True
    covers: ClassVar[bool] = False

    def of_day(self, day: date) -> Holding:
        closes = self._closes(day)
        # a correction comes with whatever load day it is written on, so any later one may hold rows of the day
        # the comparison comes before the sum, which raises at the end of the calendar
        return Holding(day, closes if day > date.max - timedelta(self.late_days) else day + timedelta(self.late_days), closes, later=True)

    def of_month(self, first: date) -> Holding:
        closes = self._closes(first)
        return Holding(first, closes - ONE_DAY, closes, later=True)

    def to_read(self, first: date, last: date, late_days: int | None) -> tuple[date, date]:
        # how far a run reads is not how long rows are expected
        return first, last + timedelta(self.late_days if late_days is None else late_days)

    def to_look_at(self, holding: Holding, today: date) -> tuple[date, date]:
        # an export lists every load day from one on to today in one answer, so who saw the first saw those after it
        return holding.first, holding.first

    def needed(self, slice_day: date, holding: Holding) -> date:
        return holding.closes

    def final(self, slice_day: date) -> date:
        return slice_day + ONE_DAY if slice_day < date.max else date.max

    def _closes(self, day: date) -> date:
        """Late rows have had their time, and the invoice of the day's month is closed."""
        try:
            # late rows of a month's last days may come after the day on which its invoice is closed
            return max(_closing(day, self.closing_day), day + timedelta(self.late_days + 1))
        except OverflowError:  # at the end of the calendar
            return date.max


@dataclass(frozen=True, slots=True)
class Used:
    """A slice is what is told of a day of use; for a while it may be told otherwise."""

    restates: int
    """For so many days after it."""
    slices: ClassVar[str] = "days"
    forgets: ClassVar[bool] = False
    covers: ClassVar[bool] = False

    def of_day(self, day: date) -> Holding:
        return Holding(day, day, self._settles(day), later=False)

    def of_month(self, first: date) -> Holding:
        last = month_end(first)
        return Holding(first, last, self._settles(last), later=False)

    def to_read(self, first: date, last: date, late_days: int | None) -> tuple[date, date]:
        # the days before may be told otherwise by now, and a run that reads its own days alone would leave them as first told
        return first - timedelta(self.restates), last

    def to_look_at(self, holding: Holding, today: date) -> tuple[date, date]:
        return _begun(holding, today)

    def needed(self, slice_day: date, holding: Holding) -> date:
        return self._settles(slice_day)

    def final(self, slice_day: date) -> date:
        return self._settles(slice_day)

    def _settles(self, day: date) -> date:
        # a look on the last of these days is not the last word: it may be told otherwise on that day yet
        return day + timedelta(self.restates + 1) if day < date.max - timedelta(self.restates + 1) else date.max


@dataclass(frozen=True, slots=True)
class Period:
    """A slice is all of a span of days of use, which is delivered anew as a whole for as long as it is not closed."""

    closing_day: int
    """A month is closed on this day of the next one."""
    slices: ClassVar[str] = "periods"
    forgets: ClassVar[bool] = True
    # else a period that was not delivered between two that were would pass for one without costs
    covers: ClassVar[bool] = True

    def of_day(self, day: date) -> Holding:
        return Holding(day, day, _closing(day, self.closing_day), later=False)

    def of_month(self, first: date) -> Holding:
        last = month_end(first)
        return Holding(first, last, _closing(last, self.closing_day), later=False)

    def to_read(self, first: date, last: date, late_days: int | None) -> tuple[date, date]:
        return first, last

    def to_look_at(self, holding: Holding, today: date) -> tuple[date, date]:
        return _begun(holding, today)

    def needed(self, slice_day: date, holding: Holding) -> date:
        return _closing(slice_day, self.closing_day)

    def final(self, slice_day: date) -> date:
        return _closing(slice_day, self.closing_day)


def _begun(holding: Holding, today: date) -> tuple[date, date]:
    """Of a month that runs, the day that is not over need not be there."""
    # never an empty range: of no slices all were looked at, so a period that has just begun would pass for known
    return holding.first, min(holding.last, max(holding.first, today - ONE_DAY))


def _closing(day: date, closing_day: int) -> date:
    try:
        return _next_month(day).replace(day=closing_day)
    except ValueError:
        return date.max


def month_end(first: date) -> date:
    try:
        return _next_month(first) - ONE_DAY
    except ValueError:
        return date.max


def _next_month(day: date) -> date:
    return date(day.year, day.month + 1, 1) if day.month < MONTHS else date(day.year + 1, 1, 1)
