"""Which days a window is compared with. Pure."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from typing import Final, Literal

from src.core.base.window import Window

Compare = Literal["previous_month", "previous_range", "year_before"]

MONTHS_OF_A_YEAR: Final = 12
ONE_DAY: Final = timedelta(1)


@dataclass(frozen=True, slots=True)
class Comparison:
    by: Compare
    window: Window
    """Where there are none of the days that would be compared with, the last day before them, of which nothing is asked."""
    sentence: str
    why_null: str | None = None
    """Why the two are not compared: the days are not the same number of each month's."""
    empty: bool = False


def compared(window: Window, asked: Compare | None) -> Comparison:
    """Whole months and a month to date are compared by month where nothing else is asked for: months differ in length."""
    by = asked or ("previous_month" if _by_month(window) else "previous_range")
    if by == "previous_range":
        end = window.start - ONE_DAY
        before = Window(end - timedelta(days=len(window) - 1), end)
        return _comparison(by, before, "the day right before" if len(window) == 1 else "as many days right before")
    step = MONTHS_OF_A_YEAR if by == "year_before" else 1
    # as few as may be, for a range of several months is not compared with a part of itself
    steps = next(steps for steps in count(1) if _back(window.end, steps * step) < window.start and _apart(window, steps * step))
    return _earlier(window, by, steps, steps * step)


def month_window(first: date) -> Window:
    """The whole month that begins on this day."""
    return Window(first, first.replace(day=monthrange(first.year, first.month)[1]))


def whole_months(window: Window) -> bool:
    return window.start.day == 1 and window.end == month_window(window.end.replace(day=1)).end


def _by_month(window: Window) -> bool:
    return whole_months(window) or (window.start.day == 1 and _months(window) == 1)


def _months(window: Window) -> int:
    """How many months it touches."""
    return (window.end.year - window.start.year) * MONTHS_OF_A_YEAR + window.end.month - window.start.month + 1


def _apart(window: Window, months: int) -> bool:
    # of whole months the last day is the month's, and not the day of that number
    return not whole_months(window) or months >= _months(window)


def _earlier(window: Window, by: Compare, steps: int, months: int) -> Comparison:
    first, last = _month_back(window.start, months), _month_back(window.end, months)
    if whole_months(window):
        # February is compared with the whole of January, and not with 28 days of it
        return _comparison(by, Window(first.start, last.end), _whole(by, steps, _months(window)))
    said = f"the same days of the {'month' if by == 'previous_month' else 'year'} before"
    if steps > 1:
        said = f"the same days {steps} {'months' if by == 'previous_month' else 'years'} before"
    starts = first.start.replace(day=window.start.day) if window.start.day <= len(first) else first.end + ONE_DAY
    ends = last.start.replace(day=min(window.end.day, len(last)))
    lacking = [one for one in (_lacking(window, window.start, first), _lacking(window, window.end, last)) if one]
    why = "; ".join(dict.fromkeys(lacking)) or None
    if starts > ends:
        return Comparison(by, Window.day(ends), f"{said}, of which there are none", why, empty=True)
    return _comparison(by, Window(starts, ends), said, why)


def _comparison(by: Compare, window: Window, said: str, why: str | None = None) -> Comparison:
    days = "1 day" if len(window) == 1 else f"{len(window)} days"
    return Comparison(by, window, f"{said}, {window.start} to {window.end} ({days})", why)


def _whole(by: Compare, steps: int, months: int) -> str:
    if by == "previous_month":
        return "the whole month before" if months == 1 else f"the {months} whole months before"
    named = "the same month" if months == 1 else f"the same {months} months"
    return f"{named} of the year before" if steps == 1 else f"{named} {steps} years before"


def _lacking(window: Window, edge: date, earlier: Window) -> str | None:
    """The days at this edge of the window that the earlier month has not."""
    if edge.day <= len(earlier):
        return None
    month = month_window(edge.replace(day=1))
    first = max(window.start, month.start.replace(day=len(earlier) + 1))
    last = min(window.end, month.end)
    days = f"{first} has" if first == last else f"{first} to {last} have"
    return f"{days} no counterpart, for {earlier.start:%B %Y} has {len(earlier)} days"


def _month_back(day: date, months: int) -> Window:
    """The whole month so many months before the one of this day."""
    number = day.year * MONTHS_OF_A_YEAR + day.month - 1 - months
    return month_window(date(number // MONTHS_OF_A_YEAR, number % MONTHS_OF_A_YEAR + 1, 1))


def _back(day: date, months: int) -> date:
    """The same day so many months before, or the last of a month that has no such day."""
    month = _month_back(day, months)
    return month.start.replace(day=min(day.day, len(month)))
