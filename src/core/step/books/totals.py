"""Control totals: what was written must be what was read, and what is derived what it is derived from, to the last digit. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from src.core.base.faults import BooksNotClosed, Flaw
from src.core.providers.slices import Slice

ZERO = Decimal(0)
ROWS = "row_count"
Place = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ControlTotal:
    rows: int = 0
    sums: Mapping[str, Decimal] = field(default_factory=dict)

    def __add__(self, other: "ControlTotal") -> "ControlTotal":
        names = [*self.sums, *(name for name in other.sums if name not in self.sums)]
        return ControlTotal(self.rows + other.rows, {name: self.sums.get(name, ZERO) + other.sums.get(name, ZERO) for name in names})

    def __str__(self) -> str:
        return ", ".join([f"{self.rows} rows", *(f"{name} {value:f}" for name, value in self.sums.items())])


@dataclass(slots=True)
class ControlTotals:
    """By source and by what the measures are grouped by."""

    of: dict[tuple[str, Place], ControlTotal] = field(default_factory=dict)

    def add(self, source: str, rows: Iterable[Mapping[str, Any]], sums: Collection[str]) -> None:
        """`rows` are what the measures answered; their columns are places, but for the count and the named sums."""
        for row in rows:
            # as texts: places are sorted, and a NULL does not sort beside them
            place = tuple((name, str(value or "")) for name, value in row.items() if name != ROWS and name not in sums)
            # a sum that was staged is a text
            found = ControlTotal(
                row[ROWS], {name: Decimal(row[name]) if isinstance(row[name], str) else row[name] or ZERO for name in sums}
            )
            self.of[source, place] = self.of.get((source, place), ControlTotal()) + found

    @property
    def rows(self) -> int:
        return sum(total.rows for total in self.of.values())

    def rows_of(self, source: str) -> int:
        return sum(total.rows for (named, _), total in self.of.items() if named == source)

    def shown(self) -> list[dict[str, Any]]:
        return [
            # as texts with all digits: a number of JSON may come back as a float, and a Decimal may write 100 as 1E+2
            {"source": source, **dict(place), "rows": total.rows, **{name: format(value, "f") for name, value in _with_net(total)}}
            for (source, place), total in sorted(self.of.items(), key=lambda one: one[0])
        ]


def _with_net(total: ControlTotal) -> Iterable[tuple[str, Decimal]]:
    yield from total.sums.items()
    if {"billed_cost", "credits"} <= set(total.sums) and "net_cost" not in total.sums:
        yield "net_cost", total.sums["billed_cost"] + total.sums["credits"]


def require_closed(read: ControlTotals, written: ControlTotals, slices: Mapping[str, Iterable[Slice]]) -> None:
    """Raises what keeps the books from closing: each difference with its place. `slices` are what was read of each source."""
    flaws = []
    # of both: a place that only one of them has is the difference that matters most
    for key in sorted(read.of.keys() | written.of.keys()):
        theirs, ours = read.of.get(key), written.of.get(key)
        if theirs != ours:
            source, place = key
            where = " ".join(f"{name.replace('_', ' ')} {value}" if name != "currency" else value for name, value in place)
            flaws.append(Flaw(f"the source says {theirs or 'nothing'}; written were {ours or 'nothing'}", field=f"{source} {where}"))
    # both sides are counted from what came: rows that never came are missing from both, and only the listing knows them
    flaws += [flaw for source, read_of in sorted(slices.items()) for flaw in _unlike(source, tuple(read_of), read.rows_of(source))]
    if flaws:
        raise BooksNotClosed(f"the books do not close, and the old window stays: {flaws[0]}", flaws=flaws)


def _unlike(source: str, slices: tuple[Slice, ...], rows: int) -> Iterable[Flaw]:
    """Nothing beside nothing proves nothing: a slice that has no rows must have said so."""
    told = [one.rows for one in slices if one.rows is not None]
    listed = sum(told)
    if len(told) == len(slices) and listed != rows:
        yield Flaw(f"the source lists {listed} rows in the slices read, and gave {rows}", field=source)
    elif len(told) < len(slices) and rows <= listed:
        silent = [one.key for one in slices if one.rows is None]
        yield Flaw(f"the source lists {', '.join(silent[:3])} as holding something, and gave no row of it", field=source)


def require_proven(proofs: Mapping[str, Iterable[Mapping[str, Any]]], *, expected: bool) -> None:
    """Each row of a proof says the same twice; `expected` when there is something to prove."""
    flaws = []
    for name, answered in proofs.items():
        rows = list(answered)
        if expected and not rows:
            flaws.append(Flaw("compares nothing with nothing, of days that hold rows", field=name))
        for row in rows:
            # what is not known is not equal to anything
            if row["ours"] is None or row["theirs"] is None or row["ours"] != row["theirs"]:
                flaws.append(Flaw(f"{row['what']}: {_shown(row['ours'])}, and what it is held against {_shown(row['theirs'])}", field=name))
    if flaws:
        raise BooksNotClosed(f"the books do not close, and the old window stays: {flaws[0]}", flaws=flaws)


def _shown(value: object) -> str:
    return "is not known" if value is None else f"is {format(value, 'f') if isinstance(value, Decimal) else value}"


def require_equal(counted: Mapping[str | None, ControlTotal], derived: Mapping[str | None, ControlTotal], *, expected: bool) -> None:
    """Derived rows come to what the raw rows that count do; `expected` when there are some."""
    wrong = sorted(str(place) for place in counted.keys() | derived.keys() if counted.get(place) != derived.get(place))
    if wrong:
        raise BooksNotClosed(f"the days made anew do not come to what their rows do, in {', '.join(wrong)}; the old window stays")
    if expected and not sum(total.rows for total in counted.values()):
        raise BooksNotClosed("of days that hold rows none counts, which compares nothing with nothing; the old window stays")
