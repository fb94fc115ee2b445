from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from src.core.base.faults import Rejected

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

    def __iter__(self) -> Iterator[date]:
        for offset in range(len(self)):
            yield self.start + timedelta(days=offset)

    def __len__(self) -> int:
        return (self.end - self.start).days + 1

    def __str__(self) -> str:
        return str(self.start) if self.start == self.end else f"{self.start}..{self.end}"
