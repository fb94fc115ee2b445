"""Where a page ended, as a text that fits its own question only."""

import base64
import json
from dataclasses import dataclass
from datetime import date

from src.core.base.faults import Flaw, Rejected
from src.core.engine.port import Scalar

PARTS = 5


@dataclass(frozen=True, slots=True)
class PageEnd:
    """The last row of a page, by what rows are ordered by."""

    day: date
    keys: tuple[str, str, str]


def parameters_after(place: PageEnd | None) -> dict[str, Scalar]:
    first, second, third = place.keys if place else (None, None, None)
    return {"after_day": place.day if place else None, "after_1": first, "after_2": second, "after_3": third}


def cursor_of(place: PageEnd, fingerprint: str) -> str:
    text = json.dumps([fingerprint, place.day.isoformat(), *place.keys], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def place_of(cursor: str, fingerprint: str) -> PageEnd:
    try:
        # JSON that is nested deep enough ends in a RecursionError
        made_for, place = _read(cursor)
    except (ValueError, RecursionError) as wrong:
        raise Rejected(
            "the cursor is not one that this call gave; start again without it", flaws=[Flaw("cannot be read", "cursor")]
        ) from wrong
    if made_for != fingerprint:
        raise Rejected(
            "the cursor belongs to another question: repeat all parameters of the call that gave it, from and to as well; limit may differ",
            flaws=[Flaw("was made for other parameters", "cursor")],
        )
    return place


def _read(cursor: str) -> tuple[str, PageEnd]:
    # strict: by default what is no base64 is skipped, and many texts would read as one cursor
    parts = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    if not isinstance(parts, list) or len(parts) != PARTS or not all(isinstance(part, str) for part in parts):
        raise ValueError("not five texts")
    made_for, day, first, second, third = parts
    "".join(parts).encode()  # JSON can write half a character, which no engine takes
    return made_for, PageEnd(date.fromisoformat(day), (first, second, third))
