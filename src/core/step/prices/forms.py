"""Rates as rows of a table and as lines of a CSV file."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from src.core.base.faults import Flaw
from src.core.base.names import did_you_mean
from src.core.step.prices.book import BookRow
from src.core.step.prices.rates import D, DatedRate, columns_of

NUMBER = re.compile(r"[0-9]{1,40}(\.[0-9]{1,40})?")
COUNT = re.compile(r"[0-9]{1,18}")
LONGEST_FIELD = 4_000
NOT_IN_FILES = ("origin",)
BOOKKEEPING = ("edition", "recorded_at", "recorded_by", "closed_at", "closed_by", "closed_because", "replaced_by")


def to_row(row: BookRow[D]) -> dict[str, Any]:
    return {
        "rate_id": row.rate.rate_id,
        **{name: getattr(row.rate, name) for name in columns_of(type(row.rate))},
        **{name: getattr(row, name) for name in BOOKKEEPING},
    }


def file_columns(kind: type[DatedRate]) -> tuple[str, ...]:
    """What a line has; a file says nothing of when it stood in a book, nor of whom it is."""
    names = [name for name in columns_of(kind) if name not in NOT_IN_FILES]
    first = [name for name in (*kind.AXES, *kind.CONTENT) if name in names]
    return (*first, *(name for name in names if name not in first))


def write_csv(kind: type[DatedRate], rates: Sequence[DatedRate]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(file_columns(kind))
    writer.writerows([_cell(getattr(rate, name)) for name in file_columns(kind)] for rate in rates)
    return text.getvalue()


def read_csv(kind: type[D], text: str, shown: str, *, most: int | None = None, **given: Any) -> tuple[list[D], list[Flaw]]:
    """The rates of a file, and all that is wrong with it by line; `given` stands for columns that the file does not have.

    Of more than `most` lines none are read any further.
    """
    lines = csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    rates: list[D] = []
    flaws: list[Flaw] = []
    try:
        head = [name.strip() for name in next(lines, [])]
        flaws += [Flaw(message, file=shown, line=1) for message in _head_flaws(kind, head, given)]
        for number, cells in enumerate(filter(None, lines) if not flaws else (), start=1):
            if most is not None and number > most:
                flaws.append(Flaw(f"there are more than {most:,} lines; send them in parts", file=shown, line=lines.line_num))
                break
            read, wrong = _line(kind, head, cells, given)
            wrong = wrong or list(read.flaws() if read else ())
            flaws += [Flaw(flaw.message, field=flaw.field, file=shown, line=lines.line_num) for flaw in wrong]
            if read is not None:
                rates.append(read)
    except csv.Error as wrong_form:
        flaws.append(Flaw(str(wrong_form), file=shown, line=lines.line_num))
    return rates, flaws


def _head_flaws(kind: type[D], head: Sequence[str], given: Mapping[str, Any]) -> Iterator[str]:
    known = file_columns(kind)
    # nobody means more columns than there are, and to look for the likeness of each takes its time
    if len(head) > len(known):
        yield f"the head has {len(head):,} columns, and {len(known)} are known: {', '.join(known)}"
        return
    for name in head:
        if name not in known:
            yield f"unknown column {name[:40]!r}{did_you_mean(name, known)}; known here: {', '.join(known)}"
    for name in sorted({name for name in head if head.count(name) > 1}):
        yield f"the column {name!r} stands twice"
    needed = [one.name for one in fields(kind) if one.name in known and _needed(one.name, kind) and one.name not in (*head, *given)]
    if needed:
        yield f"the column {needed[0]!r} is needed here"


def _line(kind: type[D], head: Sequence[str], cells: Sequence[str], given: Mapping[str, Any]) -> tuple[D | None, list[Flaw]]:
    if len(cells) != len(head):
        return None, [Flaw(f"has {len(cells)} cells and the head has {len(head)}")]
    values: dict[str, Any] = dict(given)
    flaws: list[Flaw] = []
    for name, cell in zip(head, (cell.strip() for cell in cells), strict=True):
        if not cell:
            if _needed(name, kind) and name not in given:
                flaws.append(Flaw("is needed here", field=name))
            continue
        try:
            values[name] = READERS.get(name, _text)(cell)
        except ValueError as wrong:
            flaws.append(Flaw(str(wrong), field=name))
    return (None, flaws) if flaws else (kind(**values), [])


def _needed(name: str, kind: type[DatedRate]) -> bool:
    found = next(one for one in fields(kind) if one.name == name)
    # an empty cell is what the rate takes without it
    return found.default is found.default_factory


def _text(cell: str) -> str:
    if len(cell) > LONGEST_FIELD:
        raise ValueError(f"is longer than {LONGEST_FIELD} letters")
    return cell


def _number(cell: str) -> Decimal:
    if not NUMBER.fullmatch(cell):
        raise ValueError(f"{cell[:40]!r} is no price; write it as 0.125, with a point and without a sign")
    return Decimal(cell)


def _count(cell: str) -> int:
    if not COUNT.fullmatch(cell):
        raise ValueError(f"{cell[:40]!r} is no whole number")
    return int(cell)


def _divisor(cell: str) -> int:
    count = _count(cell)
    # a rate takes 0 for what was left out
    if not count:
        raise ValueError("is the number of units that the price is for, 1 at least")
    return count


def read_moment(cell: str) -> datetime:
    """A day is its first instant in UTC."""
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        raise ValueError(f"{cell[:40]!r} is neither a day (2026-09-01) nor an instant (2026-09-01T16:00:00Z)") from None
    if moment.tzinfo is None and moment.time() != datetime.min.time():
        raise ValueError(f"{cell[:40]!r} needs its time zone; write it as {cell[:40]}Z")
    try:
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{cell[:40]!r} lies before the year 1 or after 9999 in UTC") from None


def _day(cell: str) -> date:
    try:
        return date.fromisoformat(cell)
    except ValueError:
        raise ValueError(f"{cell[:40]!r} is no day; write it as 2026-09-01") from None


READERS: Mapping[str, Callable[[str], Any]] = {
    "price": _number,
    **dict.fromkeys(("prompt_tokens_over", "seats", "min_seats", "max_seats"), _count),
    "per": _divisor,
    **dict.fromkeys(("effective_from", "effective_to"), read_moment),
    "source_date": _day,
}


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        value = value.astimezone(UTC)
        whole = value.time() == datetime.min.time()
        return value.date().isoformat() if whole else value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return format(value, "f")
    return "" if value is None else str(value)
