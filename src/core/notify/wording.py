"""How templates write dates, times and amounts. What is none of these is given as it came, and nothing as nothing."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from textwrap import wrap
from typing import Any, Final
from zoneinfo import ZoneInfo

from src.core.notify.told import MessagePart

WIDTH: Final = 76
MOST_DIGITS: Final = 60
MONTH: Final = "2026-11"
THOUSAND, MINUTE, HOUR = 1000, 60, 3600


def day(value: object) -> str | None:
    """A day, or a month as it is."""
    if value is None:
        return None
    try:
        found = date.fromisoformat(str(value)[:10])
    except ValueError:
        return str(value)
    return str(value) if len(str(value)) <= len(MONTH) else f"{found.day} {found:%B %Y}"


def window(event: Mapping[str, Any]) -> str | None:
    first, last = event["window_start"], event["window_end"]
    if not first:
        return None
    return f"{day(first)} to {day(last)}" if last and last != first else day(first)


def moment(value: object, zone: str) -> str | None:
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    there = at.replace(tzinfo=at.tzinfo or UTC).astimezone(ZoneInfo(zone))
    return f"{there.day} {there:%B %Y, %H:%M} ({zone})"


def duration(value: object) -> str | None:
    if not isinstance(value, int | float):
        return None
    seconds = value / THOUSAND
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min {int(seconds % MINUTE)} s"
    return f"{int(seconds // HOUR)} h {int(seconds % HOUR // MINUTE)} min"


def count(value: object) -> str | None:
    if value is None:
        return None
    return f"{value:,}" if isinstance(value, int) else str(value)


def days(value: object) -> str:
    if not isinstance(value, int):
        return "days" if value is None else str(value)
    return "1 day" if value == 1 else f"{value:,} days"


def times(value: object) -> str:
    if not isinstance(value, int):
        return "before"
    return "once" if value == 1 else f"{value:,} times"


def money(value: object, currency: object = None) -> str | None:
    """With all its digits: it is a sum of money, and nobody here knows which of them matter."""
    if value is None:
        return None
    try:
        amount = Decimal(str(value))
        text = f"{amount:,f}" if amount.is_finite() and abs(amount.adjusted()) < MOST_DIGITS else str(value)
    except InvalidOperation:
        text = str(value)
    return f"{text} {currency}" if currency else text


def word(value: object) -> str:
    """A word of ours as people write it: reported_where_complete."""
    return "" if value is None else str(value).replace("_", " ").lower()


def wrapped(text: str, indent: str = "") -> str:
    return "\n".join(wrap(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False))


def aligned(part: MessagePart) -> str:
    """Rows under one another: names to the left, figures to the right."""
    rows = [part.columns, *part.rows] if part.columns else part.rows
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    if part.kind == "facts":
        return "\n".join(f"{label + ':':<{widths[0] + 1}} {value}" for label, value in rows)
    return "\n".join("  ".join(_padded(row, widths)) for row in rows)


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [cell.rjust(width) if place else cell.ljust(width) for place, (cell, width) in enumerate(zip(row, widths, strict=True))]


def zone_or_utc(name: object) -> str:
    try:
        return ZoneInfo(str(name)).key
    except (ValueError, OSError):  # not a name, or none that is known here
        return "UTC"
