"""Where a page of costs ended."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from src.core.base import cursors
from src.core.engine.port import Scalar

PARTS = 4


@dataclass(frozen=True, slots=True)
class PageEnd:
    """The last row of a page, by what rows are ordered by."""

    day: date
    keys: tuple[str, str, str]


def parameters_after(place: PageEnd | None) -> dict[str, Scalar]:
    first, second, third = place.keys if place else (None, None, None)
    return {"after_day": place.day if place else None, "after_1": first, "after_2": second, "after_3": third}


def cursor_of(place: PageEnd, fingerprint: str) -> str:
    return cursors.cursor_of(fingerprint, [place.day.isoformat(), *place.keys])


def place_of(cursor: str, fingerprint: str) -> PageEnd:
    return cursors.place_of(cursor, fingerprint, _read)


def _read(parts: list[Any]) -> PageEnd:
    if len(parts) != PARTS or not all(isinstance(part, str) for part in parts):
        raise ValueError("not four texts")
    day, first, second, third = parts
    "".join(parts).encode()  # JSON can write half a character, which no engine takes
    return PageEnd(date.fromisoformat(day), (first, second, third))
