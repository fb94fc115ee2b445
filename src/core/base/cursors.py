"""Where a page ended, as a text that fits its own question only."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from src.core.base.faults import Flaw, Rejected

P = TypeVar("P")


def cursor_of(fingerprint: str, parts: Sequence[Any]) -> str:
    text = json.dumps([fingerprint, *parts], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def place_of(cursor: str, fingerprint: str, read: Callable[[list[Any]], P]) -> P:
    """`read` makes a place of the parts, or raises a ValueError or TypeError."""
    try:
        # strict: by default what is no base64 is skipped, and many texts would read as one cursor
        made_for, *parts = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        place = read(parts)
    # JSON that is nested deep enough ends in a RecursionError
    except (ValueError, TypeError, RecursionError) as wrong:
        raise Rejected(
            "the cursor is not one that this call gave; start again without it", flaws=[Flaw("cannot be read", "cursor")]
        ) from wrong
    if made_for != fingerprint:
        raise Rejected(
            "the cursor belongs to another question: repeat all parameters of the call that gave it; limit may differ",
            flaws=[Flaw("was made for other parameters", "cursor")],
        )
    return place
