from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# a date that is far ahead by mistake must not hold up for days what waits for it
LONGEST_WAIT = 3600.0


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """In seconds; an answer that says it in thousandths too is taken at that."""
    exact = headers.get("retry-after-ms", "").strip()
    if exact.isascii() and exact.isdigit():
        return min(float(exact) / 1000, LONGEST_WAIT)
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return min(float(said), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(said)
    except ValueError:
        return None
    return min(max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()), LONGEST_WAIT)
