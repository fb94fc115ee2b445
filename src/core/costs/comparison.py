"""Which days a window is compared with. Pure."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal, get_args

from src.core.base.window import Window

Compare = Literal["previous_month", "previous_range", "year_before"]

COMPARES: Final[tuple[Compare, ...]] = get_args(Compare)
MONTHS_OF_A_YEAR: Final = 12


@dataclass(frozen=True, slots=True)
class Comparison:
    by: Compare
    window: Window

    @property
    def sentence(self) -> str:
        said = {
            "previous_month": "the same days of the month before",
            "previous_range": "as many days right before",
            "year_before": "the same days of the year before",
        }[self.by]
        return f"{said}, {self.window.start} to {self.window.end} ({len(self.window)} days)"


def compared(window: Window, asked: Compare | None) -> Comparison:
    """Whole months and a month to date are compared by month where nothing else is asked for: months differ in length."""
    by = asked or ("previous_month" if _by_month(window) else "previous_range")
    if by == "previous_range":
        end = window.start - timedelta(days=1)
        return Comparison(by, Window(end - timedelta(days=len(window) - 1), end))
    return Comparison(by, _earlier(window, MONTHS_OF_A_YEAR if by == "year_before" else _months(window)))


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


def _earlier(window: Window, months: int) -> Window:
    end = _back(window.end, months)
    # February is compared with the whole of January, and not with 28 days of it
    return Window(_back(window.start, months), month_window(end.replace(day=1)).end if whole_months(window) else end)


def _back(day: date, months: int) -> date:
    """The same day so many months before, or the last of a month that has no such day."""
    count = day.year * MONTHS_OF_A_YEAR + day.month - 1 - months
    first = date(count // MONTHS_OF_A_YEAR, count % MONTHS_OF_A_YEAR + 1, 1)
    return first.replace(day=min(day.day, month_window(first).end.day))
