"""What a part of a table is, whatever the engine."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final, Literal, TypeAlias

from src.core.base.faults import Rejected
from src.core.engine.port import TablePart

ONE_DAY: Final = timedelta(days=1)
OUTSIDE: Final = "a row lies outside the part of the table that it replaces"
Operator = Literal[">=", "<", "="]
Comparison: TypeAlias = tuple[str, Operator, str | int | date | list[str | date]]


def comparisons(part: TablePart) -> Iterator[Comparison]:
    """Column, operator and value; a list stands for any of its values."""
    if part.column is None and (part.start or part.end):
        raise Rejected("a part with a start or an end names the column they are of")
    if part.start and part.end and part.start > part.end:
        raise Rejected(f"the part ends on {part.end} before it starts on {part.start}")
    if part.column and part.start:
        yield part.column, ">=", part.start
    if part.column and part.end:
        # below the next midnight: a moment on the last day belongs to it
        yield part.column, "<", part.end + ONE_DAY
    for column, value in (part.equal or {}).items():
        yield column, "=", list(value) if isinstance(value, tuple) else value
