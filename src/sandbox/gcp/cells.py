"""Values as jobs.query writes them: texts in nested cells."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from src.sandbox.gcp.problems import Json

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# the first that fits: a truth is a number in Python, and a moment a day
WRITERS: tuple[tuple[type | tuple[type, ...], Callable[[Any], str]], ...] = (
    (bool, lambda value: str(value).lower()),
    (Decimal, lambda value: format(value.normalize(), "f")),
    ((date, time), lambda value: str(value.isoformat())),
    (bytes, lambda value: b64encode(value).decode()),
    (object, str),
)


def row(values: Sequence[object], *, whole: bool) -> Json:
    """`whole`: moments in microseconds, as the caller asked, and not in seconds, as Google's older clients read them."""
    return {"f": [{"v": _cell(value, whole=whole)} for value in values]}


def _cell(value: object, *, whole: bool) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        return [{"v": _cell(one, whole=whole)} for one in value]
    if isinstance(value, dict):
        return row(list(value.values()), whole=whole)
    if isinstance(value, datetime) and value.tzinfo:
        micros = (value - EPOCH) // datetime.resolution
        return str(micros) if whole else repr(micros / 1_000_000)
    return next(write(value) for kind, write in WRITERS if isinstance(value, kind))
