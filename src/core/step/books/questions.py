"""What is asked of a publication to close its books, and what it answers."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from src.core.base.schema import TableSchema
from src.core.engine.port import Params, Publication, TablePart
from src.core.providers.slices import EMPTY, Slice, SliceDays
from src.core.step.books.deriving import Derivation, derive, span_of
from src.core.step.books.doubts import Doubts, doubts_by_day
from src.core.step.books.reasons import LoadedRows
from src.core.step.books.rules import Books, Derived, Prices, Raw
from src.core.step.books.shares import Share
from src.core.step.books.telling import By
from src.core.step.books.totals import ControlTotal, ControlTotals

Row = Mapping[str, Any]
SHOWN_UNPRICED = 20


@dataclass(frozen=True, slots=True)
class Reload:
    """The slices of one source that this publication writes anew."""

    raw: Raw
    source: str
    slices: tuple[Slice, ...]
    """One of which the rows only go is EMPTY."""
    restated: tuple[str, ...]
    """Loaded before in another version, when they were over: what is in them by now was not added in the course of their days."""
    first_read: tuple[str, ...]
    """There before the source was last looked at, and read only now."""
    new: tuple[str, ...] = ()
    """Of a source of which nothing was ever read."""
    before: tuple[Slice, ...] = ()
    """These slices as they were loaded: they may have stood for other days."""
    old: tuple[Slice, ...] = ()
    """What stays of another source of this name, which is no more."""
    stays: tuple[Slice, ...] = ()
    """What was loaded of this one beside, where it is to be known what all of it tells."""
    fills: bool = False
    """It may tell what was used before it was made."""

    @property
    def filled(self) -> tuple[Slice, ...]:
        return tuple(one for one in self.slices if one.version != EMPTY)

    @property
    def part(self) -> TablePart:
        # a slice may have stood for other days before: rows left on those would count beside the new ones
        first, last = _bounds((*self.slices, *self.before))
        return TablePart(self.raw.day, first, last, self.equal(self.slices))

    def equal(self, slices: Sequence[Slice]) -> dict[str, Any]:
        return {self.raw.source: self.source, self.raw.slice: tuple(_names(self.raw, (one.key for one in slices)))}

    def asked(self, slices: Sequence[Slice]) -> dict[str, Any]:
        first, last = _bounds(slices)
        return {"source": self.source, "slices": _names(self.raw, (one.key for one in slices)), "first": first, "last": last}

    def named(self, slices: Sequence[Slice]) -> dict[str, Any]:
        return {"slices": _names(self.raw, (one.key for one in slices))}

    @property
    def every(self) -> dict[str, Any]:
        """Of all its slices, on the days they stand for now or stood for before."""
        first, last = _bounds((*self.slices, *self.before))
        return {**self.asked(self.slices), "first": first, "last": last}

    @property
    def kinds(self) -> dict[str, Any]:
        kinds = {"restated": self.restated, "first_read": self.first_read, "new": self.new}
        return {name: _names(self.raw, keys) for name, keys in kinds.items()}


def _bounds(slices: Iterable[Slice]) -> tuple[date, date]:
    firsts, lasts = zip(*((one.first, one.last) for one in slices), strict=True)
    return min(firsts), max(lasts)


def _names(raw: Raw, keys: Iterable[str]) -> list[Any]:
    """As the column that names a row's slice has them."""
    return sorted(date.fromisoformat(key) for key in keys) if raw.keyed_by_days else sorted(keys)


@dataclass(frozen=True, slots=True)
class Asking:
    """Of one publication and one provider's books."""

    books: Books
    publication: Publication
    given: Params = field(default_factory=dict)
    """What every question about derived rows may name, beside their days."""

    def told_days(self) -> list[dict[str, Any]]:
        return self._own("said_days")

    def told_months(self) -> list[dict[str, Any]]:
        return self._own("said_months")

    def told_shares(self) -> list[dict[str, Any]]:
        return [share for row in self._own("shares") for share in json.loads(row["shares"])]

    def touched(self, reload: Reload) -> set[date]:
        return {row["usage_date"] for row in self._ask(reload.raw.touched, reload.every)}

    def days_of_rows(self, reload: Reload, slices: Sequence[Slice]) -> dict[date, int]:
        """How many rows of each day of use these slices of its source hold."""
        asked = self._ask(reload.raw.days_of_rows, reload.asked(slices)) if slices else []
        return {row["usage_date"]: row["row_count"] for row in asked}

    def loaded(self, raw: Raw, source: str, slices: Sequence[Slice]) -> dict[str, LoadedRows]:
        """What is here of these slices, by key."""
        names = _names(raw, (one.key for one in slices))
        first, last = _bounds(slices)
        found: dict[str, LoadedRows] = {}
        for row in self._ask(raw.loaded, {"source": source, "slices": names, "first": first, "last": last}):
            # an invoice month that no row names is that of its day
            month = row["invoice_month"] or f"{row['usage_date']:%Y%m}"
            one = LoadedRows(row["row_count"], SliceDays(frozenset({row["usage_date"]}), frozenset({month})))
            key = str(row["slice_key"])
            found[key] = found[key] + one if key in found else one
        return found

    def told_by_others(self, reload: Reload, first: date, last: date) -> dict[date, tuple[int, int, int]]:
        """Of days that other sources of its accounts tell of: how much of it this one tells again, how much it does not, and how much of
        it by rows that would count beside theirs."""
        question = reload.raw.told_by_others
        asked = self._ask(question, {"source": reload.source, "first": first, "last": last}) if question else []
        return {row["usage_date"]: (row["told_again"], row["lacking"], row["added"]) for row in asked}

    def causes(self, reload: Reload) -> list[dict[str, Any]]:
        """What the rows of these slices come to by their kind; nothing where the provider's books tell no kinds."""
        question = reload.raw.causes
        return self._ask(question, {**reload.every, **reload.kinds}) if question else []

    def measured(self, raw: Raw, asked: Params) -> list[dict[str, Any]]:
        return self._ask(raw.measured, asked)

    def written(self, reloads: Iterable[Reload]) -> ControlTotals:
        totals = ControlTotals()
        for reload in reloads:
            totals.add(reload.source, self._ask(reload.raw.written, reload.every), reload.raw.sums)
        return totals

    def outside(self, reload: Reload) -> list[str]:
        """The slices of which a row lies outside the days they stand for; a slice that is a day has none."""
        if reload.raw.keyed_by_days or not reload.filled:
            return []
        spans = {one.key: (one.first, one.last) for one in reload.slices}
        rows = self._ask(reload.raw.spans, reload.every)
        return [key for row in rows for key in [row["slice_key"]] if row["first_day"] < spans[key][0] or row["last_day"] > spans[key][1]]

    def accounts(self) -> list[tuple[str, str]]:
        """Which source tells of whose money."""
        # of all raw rows, not of those read now: a rival that this run does not read holds the same money
        asked = (self._ask(raw.accounts, {}) for raw in self.books.raw.values() if raw.accounts)
        return [(row["source"], row["account"]) for rows in asked for row in rows]

    def account_days(self, accounts: Iterable[str]) -> set[date]:
        told = {"accounts": sorted(accounts)}
        asked = (self._ask(raw.account_days, told) for raw in self.books.raw.values() if raw.account_days)
        return {row["usage_date"] for rows in asked for row in rows}

    def derive(self, derived: Derived, days: Iterable[date], counting: Sequence[Share], by: By) -> Derivation:
        """Makes these days anew. What they told before is kept, since and until when."""
        return derive(self.publication, derived, days, by, [{**self.given, **which} for which in _each(self.books, counting)])

    def counted(self, days: Iterable[date], counting: Sequence[Share]) -> dict[str | None, ControlTotal]:
        """What the raw rows of these days that count come to: by currency where all have money, else their number."""
        found: dict[str | None, ControlTotal] = {}
        for raw in self.books.counted:
            for which in _each(self.books, counting):
                for row in self._ask(raw.counted, {**span_of(days), **which}):
                    # by currency: amounts of two are never added, and a difference in one could hide behind one in the other
                    place = row["currency"] if self.books.money else None
                    total = ControlTotal(row["row_count"], {name: row[name] for name in self.books.money})
                    found[place] = found.get(place, ControlTotal()) + total
        return found

    def days(self, days: Iterable[date]) -> list[dict[str, Any]]:
        return self._figured(self.books.days, self.books.figures_of_days, "usage_date", span_of(days))

    def months(self, months: Iterable[str]) -> list[dict[str, Any]]:
        return self._figured(self.books.months, self.books.figures_of_months, "invoice_month", {"months": sorted(months)})

    def held(self, days: Iterable[date], *, beside: bool = True) -> set[date]:
        """Those of these days that have rows in any table of raw rows; in one that stands `beside` the money, too."""
        wanted = set(days)
        span = {"first": min(wanted), "last": max(wanted)} if wanted else {}
        tables = [raw for raw in self.books.raw.values() if beside or not raw.beside]
        return {row["usage_date"] for raw in tables if wanted for row in self._ask(raw.held, span)} & wanted

    def due(self, days: Iterable[date]) -> set[date]:
        """The days, of those told before, that are to be made anew though nothing of them was read."""
        known = set(days)
        asked = (self._ask(question, {**self.given, **span_of(known)}) for question in self.books.due if known)
        return {row["usage_date"] for rows in asked for row in rows} & known

    def doubts(self, days: Iterable[date]) -> Doubts:
        known = set(days)
        asked = (self._ask(question, {**self.given, **span_of(known)}) for question in self.books.doubts if known)
        found = doubts_by_day(row for rows in asked for row in rows)
        return {day: doubt for day, doubt in found.items() if day in known}

    def proven(self, days: Iterable[date]) -> dict[str, list[dict[str, Any]]]:
        """What each proof answers of these days: `what`, `ours` and `theirs`."""
        asked = {**self.given, **span_of(days)}
        return {name: self._ask(question, asked) for name, question in self.books.proofs.items()}

    def uses(self, prices: Prices, days: Iterable[date]) -> list[dict[str, Any]]:
        return self._ask(prices.uses, {**self.given, **span_of(days)})

    def months_of(self, days: Iterable[date]) -> set[str]:
        return {row["invoice_month"] for row in self._ask(self.books.months_touched, span_of(days))}

    def unpriced(self, days: Iterable[date]) -> list[dict[str, Any]]:
        asked = {**span_of(days), "shown": SHOWN_UNPRICED}
        return [row for one in self.books.derived if one.unpriced for row in self._ask(one.unpriced, asked)]

    def tells(self, days: Iterable[date]) -> list[dict[str, Any]]:
        known = set(days)
        return self._ask(self.books.tells, {**self.given, **span_of(known)}) if self.books.tells and known else []

    def _figured(self, sums: str, figures: str | None, period: str, asked: Params) -> list[dict[str, Any]]:
        rows = self._ask(sums, asked)
        if figures is None:
            return rows
        told = {(row[period], row["currency"]): row["figure"] for row in self._ask(figures, asked)}
        return [{**row, "figure": told[row[period], row["currency"]]} for row in rows]

    def _own(self, name: str) -> list[dict[str, Any]]:
        return self._ask(self.books.own.questions[name], {"provider": self.books.provider})

    def _ask(self, sql: str, asked: Params) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.publication.query(sql, asked).to_pylist()
        return rows


def _each(books: Books, counting: Sequence[Share]) -> list[dict[str, Any]]:
    """What is asked of one source after the other where they are rivals, and of all at once where they are not."""
    return [share.asked for share in counting if share.counted_from is None] if books.rivals else [{}]


def judged_part(reloads: Sequence[Reload], table: TableSchema) -> dict[str, list[Any]]:
    """The rows of one raw table that were written now."""
    own = [reload for reload in reloads if reload.raw.schema == table and reload.filled]
    names = sorted({name for reload in own for name in _names(reload.raw, (one.key for one in reload.filled))})
    return {own[0].raw.source: [reload.source for reload in own], own[0].raw.slice: names} if own else {}
