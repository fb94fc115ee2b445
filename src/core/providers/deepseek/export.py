"""The export of DeepSeek's console: use by day, model and key, its cost by day, model and wallet; a ZIP of both, or a CSV. Pure."""

import csv
import io
import re
import zipfile
import zlib
from calendar import monthrange
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from src.core.base.faults import Flaw, Rejected
from src.core.base.redaction import redacted_text
from src.core.base.window import Window
from src.core.providers.deepseek.records import are_records, record_rows

Row = Mapping[str, Any]
MOST_BYTES = 64 * 1024 * 1024
"""Of what is unpacked: a small packed file can stand for gigabytes."""
LONGEST_TEXT = 200
MOST_DIGITS = 18  # before the point and after it; more than any amount or price has
DAY = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})")
WHOLE = re.compile(r"\d{1,18}(\.0+)?")
CURRENCY = re.compile(r"[A-Z]{3}")
SPAN = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})_(\d{4})-(\d{1,2})-(\d{1,2})")
MONTH = re.compile(r"(\d{4})-(\d{1,2})(?!\d|-)")
ZIP = b"PK\x03\x04"
WHAT = "is not the export of DeepSeek's console (platform.deepseek.com > Usage > Export), as the ZIP it comes as or a CSV out of it"


@dataclass(frozen=True, slots=True)
class ConsoleExport:
    user_id: str | None
    """As the console names the account; None of an organisation's own records, which name none."""
    first: date
    """From this day on it tells all; of a month's file its first."""
    last: date
    """The last day of which it has a row: it may not have been over when the file was made."""
    end: date
    """The last day that was asked for, as its name says: beyond it the file tells nothing. Without such a name, the last row's."""
    amounts: tuple[Row, ...] | None
    """None where it holds no such file."""
    costs: tuple[Row, ...] | None
    records: tuple[Row, ...] | None = None
    """The organisation's own, of its requests."""


@dataclass(slots=True)
class _FilePlace:
    """Where in a file it is read, for what is wrong there."""

    file: str
    line: int = 1

    def refuse(self, said: str, column: str | None = None) -> NoReturn:
        flaw = Flaw(said, column, self.file, self.line)
        raise Rejected(f"{flaw}", flaws=[flaw])


@dataclass(frozen=True, slots=True)
class _Form:
    """One of the two files, known by its columns."""

    columns: Mapping[str, tuple[str, Callable[[str], Any]]]
    """By the name that the file has: ours, and how a cell is read."""
    optional: frozenset[str] = field(default_factory=frozenset)

    def fits(self, header: list[str]) -> bool:
        return set(header) >= self.columns.keys() - self.optional


def _text(cell: str) -> str:
    if not cell:
        raise ValueError("is empty")
    return _any_text(cell)


def _any_text(cell: str) -> str:
    if len(cell) > LONGEST_TEXT or not cell.isprintable():
        raise ValueError(f"is no text of {LONGEST_TEXT} letters at most")
    return cell


def _or_nothing(cell: str) -> str | None:
    return _any_text(cell) or None


def _shown_key(cell: str) -> str | None:
    """The console leaves the middle of a key out; what nobody did is not kept."""
    key = _or_nothing(cell)
    return key if key is None or redacted_text(key) == key else f"{key[:5]}***{key[-2:]}"


def _key_name(cell: str) -> str | None:
    name = _or_nothing(cell)
    return None if name is None else redacted_text(name)


def _day(cell: str) -> date:
    found = DAY.fullmatch(cell)
    try:
        return date(*map(int, found.groups())) if found else _no_day()
    except ValueError:
        return _no_day()


def _no_day() -> NoReturn:
    raise ValueError("is no day; days are written 2026-11-02 or 20261102")


def _count(cell: str) -> int:
    if not WHOLE.fullmatch(cell):
        raise ValueError("is no whole number of 0 or more")
    return int(cell.partition(".")[0])


def _money(cell: str) -> Decimal:
    try:
        said = Decimal(cell)
    except InvalidOperation:
        raise ValueError("is no amount") from None
    if not said.is_finite() or said.adjusted() >= MOST_DIGITS:
        raise ValueError("is no amount")
    exponent = said.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -MOST_DIGITS and said != round(said, MOST_DIGITS):
        raise ValueError(f"has more than {MOST_DIGITS} decimals")
    return round(said, MOST_DIGITS)


def _price(cell: str) -> Decimal | None:
    if not cell:
        return None
    price = _money(cell)
    if price < 0:
        raise ValueError("is less than nothing")
    return price


def _currency(cell: str) -> str:
    if not CURRENCY.fullmatch(cell.upper()):
        raise ValueError("is no currency; it is written as USD or CNY")
    return cell.upper()


_BOTH: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "user_id": ("user_id", _text),
    "utc_date": ("usage_date", _day),
    "model": ("model", _text),
}
AMOUNTS = _Form(
    {
        **_BOTH,
        "api_key_name": ("api_key_name", _key_name),
        "api_key": ("api_key", _shown_key),
        "type": ("usage_type", _text),
        "price": ("price", _price),
        "amount": ("quantity", _count),
    },
    frozenset({"api_key_name", "api_key", "price"}),
)
COSTS = _Form(
    {**_BOTH, "wallet_type": ("wallet_type", _or_nothing), "cost": ("amount", _money), "currency": ("currency", _currency)},
    frozenset({"wallet_type"}),
)


def console_export(content: bytes, name: str | None = None) -> ConsoleExport:
    """`name` is what the file is called: that of a month's file says that it begins on the first."""
    if are_records(content):
        return _own_records(content, name or "records")
    found: dict[int, list[Row]] = {}
    spans: list[Window | None] = []
    for file, text in _files(content, name or "export"):
        form, rows = _rows(file, text)
        if id(form) in found:
            _FilePlace(file).refuse("holds the same kind of rows as a file before it; import one export after the other")
        found[id(form)] = rows
        spans.append(_span_of(file, rows))
    if not any(found.values()):
        raise Rejected("the export holds no row, so it cannot be known which days it tells of", flaws=[Flaw("holds no row", file=name)])
    every = [row for rows in found.values() for row in rows]
    users = sorted({row["user_id"] for row in every})
    if len(users) > 1:
        said = f"it tells of several accounts ({', '.join(users[:3])}); an export is of one"
        raise Rejected(said, flaws=[Flaw(said, "user_id", name)])
    days = [row["usage_date"] for row in every]
    amounts, costs = (found.get(id(form)) for form in (AMOUNTS, COSTS))
    first, last = min(days), max(days)
    named = [span for span in spans if span is not None]
    if len(set(named)) > 1:
        # a day of which one of them was not asked would be taken for one without use, or without costs
        said = f"its files tell of different days: {' and '.join(f'{span.start} to {span.end}' for span in named)}; send each by itself"
        raise Rejected(said, flaws=[Flaw(said, file=name)])
    # where one of them does not say how far it was asked for, no day after its last row is known
    end = named[0].end if named and len(named) == len(spans) else last
    first = min([first, *(span.start for span in named)])
    return ConsoleExport(users[0], first, last, end, _sorted(amounts), _sorted(costs))


def _own_records(content: bytes, name: str) -> ConsoleExport:
    rows = record_rows(content, name)
    days = [row["usage_date"] for row in rows]
    return ConsoleExport(None, min(days), max(days), max(days), None, None, rows)


def _sorted(rows: list[Row] | None) -> tuple[Row, ...] | None:
    """The same day has the same rows in the same order, whichever file tells it."""
    if rows is None:
        return None
    return tuple(sorted(rows, key=lambda row: (row["usage_date"], tuple(str(value or "") for value in row.values()))))


def _files(content: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    if not content.startswith(ZIP):
        yield name, content
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            inside = [one for one in packed.infolist() if _is_table(one.filename)]
            if not inside:
                _FilePlace(name).refuse("holds no CSV file")
            left = MOST_BYTES
            for one in inside:
                with packed.open(one) as opened:
                    text = opened.read(left + 1)
                left -= len(text)
                if left < 0:
                    _FilePlace(one.filename).refuse(f"holds more than {MOST_BYTES // 1024**2} MB unpacked, the most that is taken")
                yield one.filename.rpartition("/")[2], text
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError):
        # of a file with a password the library says RuntimeError
        _FilePlace(name).refuse("is no ZIP file that can be read: it was cut short, is damaged or has a password")


def _is_table(name: str) -> bool:
    return name.lower().endswith(".csv") and "__MACOSX" not in name


def _rows(file: str, content: bytes) -> tuple[_Form, list[Row]]:
    place = _FilePlace(file)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        place.line = content.count(b"\n", 0, wrong.start) + 1
        place.refuse("is no text in UTF-8")
    if "\0" in text:
        place.refuse(WHAT)
    # `strict` tells of quotes that do not end; a cell of any size would be held in memory
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        form = next((form for form in (AMOUNTS, COSTS) if form.fits(header)), None)
        if form is None:
            place.refuse(f"{WHAT}; {_lacks(header)}")
        if len(set(header)) < len(header):
            place.refuse("names a column twice")
        rows: list[Row] = []
        seen: dict[tuple[Any, ...], int] = {}
        for cells in reader:
            place.line = reader.line_num
            if any(cell.strip() for cell in cells):
                rows.append(_row(place, form, header, cells))
                before = seen.setdefault(tuple(rows[-1].values()), place.line)
                # where neither is named, two rows may say the same of two keys or wallets
                if before != place.line and (rows[-1].get("api_key") or rows[-1].get("wallet_type")):
                    place.refuse(f"says what line {before} says, and would count twice")
    except csv.Error as wrong:
        place.line = reader.line_num
        place.refuse(f"is no CSV: {wrong}")
    return form, rows


def _lacks(header: list[str]) -> str:
    nearest = max((AMOUNTS, COSTS), key=lambda form: len(form.columns.keys() & set(header)))
    lacking = [name for name in nearest.columns if name not in header and name not in nearest.optional]
    return f"its first line lacks {', '.join(lacking)}"


def _row(place: _FilePlace, form: _Form, header: list[str], cells: list[str]) -> Row:
    if len(cells) != len(header):
        place.refuse(f"has {len(cells)} cells, and the first line names {len(header)} columns")
    told = dict(zip(header, (cell.strip() for cell in cells), strict=True))
    row = {}
    for name, (ours, read) in form.columns.items():
        try:
            row[ours] = read(told.get(name, ""))
        except ValueError as wrong:
            place.refuse(str(wrong), name)
    return row


def _span_of(file: str, rows: list[Row]) -> Window | None:
    """As its name says, if that is so."""
    span = _named_span(file)
    stray = None if span is None else next((row["usage_date"] for row in rows if row["usage_date"] not in span), None)
    if stray is not None:
        # the days between would be taken for days without use
        said = f"has a row of {stray}, and its name says that it tells of {span.start} to {span.end}"
        flaw = Flaw(f"{said}; send it under the name that the console gave it, or under one that names no days", "utc_date", file)
        raise Rejected(f"{flaw}", flaws=[flaw])
    return span


def _named_span(file: str) -> Window | None:
    """The days of which a file's name says that they were asked for."""
    found = SPAN.search(file) or MONTH.search(file)
    if found is None:
        return None
    year, month, *rest = map(int, found.groups())
    try:
        if not rest:
            return Window(date(year, month, 1), date(year, month, monthrange(year, month)[1]))
        return Window(date(year, month, rest[0]), date(rest[1], rest[2], rest[3]))
    except (ValueError, Rejected):
        return None
