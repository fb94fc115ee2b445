from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

from src.core.base.faults import Rejected

WindowWord = Literal["yesterday", "last_7_days", "last_month", "month_to_date"]

EARLIEST: Final = date(2010, 1, 1)  # no provider's export reaches back this far


@dataclass(frozen=True, slots=True)
class Window:
    """The days a run covers, both ends included."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise Rejected(f"end_date {self.end} lies before start_date {self.start}")

    @classmethod
    def day(cls, day: date) -> "Window":
        return cls(day, day)

    @classmethod
    def named(cls, word: WindowWord, today: date) -> "Window":
        """`month_to_date` ends yesterday, so on a first of the month it is the whole month before."""
        yesterday = today - timedelta(days=1)
        if word == "last_7_days":
            return cls(today - timedelta(days=7), yesterday)
        if word == "last_month":
            last = today.replace(day=1) - timedelta(days=1)
            return cls(last.replace(day=1), last)
        return cls(yesterday.replace(day=1) if word == "month_to_date" else yesterday, yesterday)

    def __iter__(self) -> Iterator[date]:
        for offset in range(len(self)):
            yield self.start + timedelta(days=offset)

    def __len__(self) -> int:
        return (self.end - self.start).days + 1

    def __str__(self) -> str:
        return str(self.start) if self.start == self.end else f"{self.start}..{self.end}"
