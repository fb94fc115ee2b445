"""Closing the books inside a publication, after the raw rows stand and before anything is visible."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from src.core.base.faults import BooksNotClosed
from src.core.base.window import Window
from src.core.engine.port import Publication, TablePart
from src.core.providers.export import LoadDay
from src.core.step.books.completeness import Calendar, SourceState, Standing, of_day, of_invoice_month
from src.core.step.books.coverage import KnownSlices
from src.core.step.books.history import Key, Restatement, Said, difference, restatements
from src.core.step.books.rules import Books
from src.core.step.books.shares import Share, contested, shares
from src.core.step.books.totals import ZERO, Total, Totals

PARTIAL = "partial"
NO_CURRENCY = "XXX"  # ISO 4217's code for no currency
MONEY = ("billed_cost", "credits", "net_cost", "row_count")
TOLD = ("currency", *MONEY, "completeness", "completeness_reason", "source_as_of")


@dataclass(frozen=True, slots=True)
class Reload:
    """The slices of one source that this publication writes anew."""

    source: str
    slices: tuple[LoadDay, ...]
    restated: tuple[date, ...]
    """Loaded before, in another version."""
    first_read: tuple[date, ...]
    """Written before the source was last looked at, and read only now."""

    @property
    def asked(self) -> dict[str, Any]:
        days = sorted(one.day for one in self.slices)
        told = {"restated": list(self.restated), "first_read": list(self.first_read)}
        return {"source_table": self.source, "days": days, "first": days[0], "last": days[-1], **told}


@dataclass(frozen=True, slots=True)
class Sources:
    """Every source whose costs count today: those that were asked now, with what was just read, and the others as they are remembered."""

    asked: tuple[SourceState, ...]
    others: tuple[SourceState, ...]
    known: KnownSlices

    @property
    def counting(self) -> tuple[SourceState, ...]:
        return (*self.asked, *self.others)


@dataclass(frozen=True, slots=True)
class DayTold:
    day: date
    currency: str
    said: Said | None
    standing: Standing

    @property
    def row(self) -> dict[str, Any]:
        figures = _money(self.said) if self.said else dict.fromkeys(MONEY)
        return {
            "usage_date": self.day,
            "currency": self.currency,
            **figures,
            "completeness": self.standing.completeness,
            "completeness_reason": self.standing.reason,
            "source_as_of": self.said.as_of if self.said else None,
        }


@dataclass(frozen=True, slots=True)
class Closed:
    days: tuple[DayTold, ...]
    changed: tuple[dict[str, Any], ...]
    """The rows of the days of which anything is told differently than before."""
    restated: tuple[Restatement, ...]
    touched: tuple[date, ...]
    daily_rows: int
    shares: tuple[Share, ...]


@dataclass(slots=True)
class Closing:
    """Begun before the old rows go, finished after the new ones stand."""

    books: Books
    publication: Publication
    run_id: str
    at: datetime
    reloads: Sequence[Reload]
    sources: Sources
    told_before: list[dict[str, Any]] = field(default_factory=list)
    said_days: dict[Key, Said] = field(default_factory=dict)
    said_months: dict[Key, Said] = field(default_factory=dict)
    before: list[dict[str, Any]] = field(default_factory=list)
    touched: set[date] = field(default_factory=set)
    whole_days: frozenset[str] = frozenset()
    whole_months: frozenset[str] = frozenset()

    def begin(self) -> None:
        own = self.books.own.questions
        self.told_before = self._ask(own["said_days"], {"provider": self.books.provider})
        self.said_days = _said(self.told_before, "usage_date")
        months = self._ask(own["said_months"], {"provider": self.books.provider})
        self.said_months = _said(months, "invoice_month")
        self.whole_days = frozenset(str(row["usage_date"]) for row in self.told_before if row["completeness"] != PARTIAL)
        self.whole_months = frozenset(row["invoice_month"] for row in months if row["completeness"] != PARTIAL)
        for reload in self.reloads:
            self.touched.update(self._touched(reload))
            self.before += self._ask(self.books.questions["causes"], reload.asked)

    def written(self) -> Totals:
        totals = Totals()
        for reload in self.reloads:
            totals.add(reload.source, self._ask(self.books.questions["totals_written"], reload.asked))
        return totals

    def finish(self, window: Window, calendar: Calendar) -> Closed:
        after: list[dict[str, Any]] = []
        for reload in self.reloads:
            self.touched.update(self._touched(reload))
            after += self._ask(self.books.questions["causes"], reload.asked)
        counting = self._shares()
        months = self._months()
        daily_rows = self._derive(counting)
        months |= self._months()
        new_days = self._day_figures()
        self._require_equal(counting, new_days)
        months |= {month for month, _ in self.said_months}  # their figures stay, how complete they are may not
        new_months = self._month_figures(months)
        touched = {str(day) for day in self.touched}
        # a figure that was told as partial is completed, not restated
        said_of_touched = {key: said for key, said in self.said_days.items() if key[0] in touched & self.whole_days}
        said_of_months = {key: said for key, said in self.said_months.items() if key[0] in self.whole_months}
        restated = [
            *restatements("day", said_of_touched, new_days, difference(self.before, after, "usage_date")),
            *restatements("invoice_month", said_of_months, new_months, difference(self.before, after, "invoice_month")),
        ]
        figures = {key: said for key, said in self.said_days.items() if key[0] not in touched} | new_days
        days = self._stand(window, calendar, figures)
        changed = self._keep_days(days)
        self._keep_months(new_months, months, calendar)
        self._keep_slices()
        if restated:
            self.publication.append("x_cost_history", [one.row(self.books.provider, self.run_id, self.at) for one in restated])
        return Closed(tuple(days), tuple(changed), tuple(restated), tuple(sorted(self.touched)), daily_rows, counting)

    def _ask(self, sql: str, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.publication.query(sql, asked).to_pylist()
        return rows

    def _touched(self, reload: Reload) -> list[date]:
        return [row["usage_date"] for row in self._ask(self.books.questions["touched"], reload.asked)]

    def _shares(self) -> tuple[Share, ...]:
        """Which rows count; where that has changed, every day of the account is made anew."""
        held = [(row["source_table"], row["account"]) for row in self._ask(self.books.questions["accounts"], {})]
        today = {state.source: state for state in self.sources.counting}
        named = {source for source, _ in held}
        states = {source: today.get(source) or self.sources.known.state(source) for source in named}
        reaches = {source: state.reach for source, state in states.items() if state.reach is not None}
        counting = shares(held, reaches, frozenset(today))
        told = self._ask(self.books.own.questions["shares"], {"provider": self.books.provider})
        accounts = contested([share for row in told for share in json.loads(row["shares"])], counting)
        if accounts:
            self.touched.update(
                row["usage_date"] for row in self._ask(self.books.questions["account_days"], {"accounts": sorted(accounts)})
            )
        return counting

    @property
    def _span(self) -> dict[str, Any]:
        return {"days": sorted(self.touched), "first": min(self.touched), "last": max(self.touched)}

    def _months(self) -> set[str]:
        return {row["invoice_month"] for row in self._ask(self.books.questions["months_touched"], self._span)} if self.touched else set()

    def _derive(self, counting: tuple[Share, ...]) -> int:
        if not self.touched:
            return 0
        self.publication.execute(self.books.questions["clear"], self._span)
        return sum(
            self.publication.insert(self.books.daily, self.books.questions["fill"], {**self._span, **share.asked}) for share in counting
        )

    def _require_equal(self, counting: tuple[Share, ...], figures: Mapping[Key, Said]) -> None:
        """The daily rows of the touched days come to what their raw rows do."""
        raw: dict[str, Total] = {}
        for share in counting if self.touched else ():
            for row in self._ask(self.books.questions["counted"], {**self._span, **share.asked}):
                found = Total(row["row_count"], row["cost"])
                raw[row["currency"]] = raw.get(row["currency"], Total()) + found
        daily: dict[str, Total] = {}
        for (_, currency), said in figures.items():
            daily[currency] = daily.get(currency, Total()) + Total(said.rows, said.billed)
        wrong = sorted(currency for currency in raw.keys() | daily.keys() if raw.get(currency) != daily.get(currency))
        if wrong:
            raise BooksNotClosed(f"the days made anew do not come to what their rows do, in {', '.join(wrong)}; the old window stays")

    def _day_figures(self) -> dict[Key, Said]:
        if not self.touched:
            return {}
        told = _said(self._ask(self.books.questions["days"], self._span), "usage_date", since=self.at, run_id=self.run_id)
        return {key: _dated(said, self.said_days.get(key)) for key, said in told.items()}

    def _month_figures(self, months: set[str]) -> dict[Key, Said]:
        if not months:
            return {}
        asked = {"months": sorted(months)}
        told = _said(self._ask(self.books.questions["months"], asked), "invoice_month", since=self.at, run_id=self.run_id)
        return {key: _dated(said, self.said_months.get(key)) for key, said in told.items()}

    def _stand(self, window: Window, calendar: Calendar, figures: Mapping[Key, Said]) -> list[DayTold]:
        """Of every day that was told before, every day touched now, and every day asked for that has begun."""
        known = {date.fromisoformat(day) for day, _ in figures} | {row["usage_date"] for row in self.told_before}
        known |= {day for day in window if day <= calendar.today}
        by_day: dict[date, list[str]] = {}
        for text, currency in figures:
            by_day.setdefault(date.fromisoformat(text), []).append(currency)
        told = []
        for day in sorted(known):
            stands = of_day(day, has_rows=day in by_day, sources=self.sources.counting, calendar=calendar)
            for currency in sorted(by_day.get(day, [NO_CURRENCY])):
                told.append(DayTold(day, currency, figures.get((str(day), currency)), stands))
        return told

    def _keep_days(self, days: list[DayTold]) -> list[dict[str, Any]]:
        rows = self._changed_days(days)
        told = tuple(sorted({row["usage_date"] for row in rows}))
        if told:
            self.publication.replace("x_cost_daily", rows, TablePart(equal={"provider": self.books.provider, "usage_date": told}))
        return rows

    def _changed_days(self, days: list[DayTold]) -> list[dict[str, Any]]:
        before: dict[date, set[tuple[Any, ...]]] = {}
        for row in self.told_before:
            before.setdefault(row["usage_date"], set()).add(tuple(row[name] for name in TOLD))
        now: dict[date, list[DayTold]] = {}
        for told in days:
            now.setdefault(told.day, []).append(told)
        return [
            self._stamped(one.row, one.said)
            for day, told in now.items()
            if before.get(day) != {tuple(one.row[name] for name in TOLD) for one in told}
            for one in told
        ]

    def _keep_months(self, figures: Mapping[Key, Said], months: set[str], calendar: Calendar) -> None:
        rows = []
        for (month, currency), said in figures.items():
            stands = of_invoice_month(month, sources=self.sources.counting, calendar=calendar)
            row = {
                "invoice_month": month,
                "currency": currency,
                **_money(said),
                "completeness": stands.completeness,
                "completeness_reason": stands.reason,
            }
            rows.append(self._stamped(row, said))
        if months:
            part = TablePart(equal={"provider": self.books.provider, "invoice_month": tuple(sorted(months))})
            self.publication.replace("x_cost_monthly", rows, part)

    def _keep_slices(self) -> None:
        read = {reload.source: reload.slices for reload in self.reloads}
        for state in self.sources.asked:
            changes = self.sources.known.changes(state, read.get(state.source, ()), self.run_id, self.at)
            rows = [{"provider": self.books.provider, **row} for row in changes]
            own = {"provider": self.books.provider, "source": state.source}
            if rows:
                days = tuple(row["slice"] for row in rows)
                self.publication.replace("x_source_slices", rows, TablePart(equal={**own, "slice": days}))
            if self.sources.known.looks.get(state.source) != state.looks:
                looks = [
                    {"first_slice": look.first, "last_slice": look.last, "looked_on": look.at, "pipeline_logging_id": self.run_id}
                    for look in state.looks.ranges
                ]
                self.publication.replace("x_source_looks", [{**own, **look} for look in looks], TablePart(equal=own))

    def _stamped(self, row: dict[str, Any], said: Said | None) -> dict[str, Any]:
        """With the run that said these figures first, and when."""
        run_id, since = (said.run_id, said.since) if said else (None, None)
        return {"provider": self.books.provider, **row, "pipeline_logging_id": run_id or self.run_id, "published_at": since or self.at}


def _dated(said: Said, before: Said | None) -> Said:
    """Figures that did not change have been said since they were first."""
    return replace(said, since=before.since, run_id=before.run_id) if before is not None and before.same_money(said) else said


def _money(said: Said) -> dict[str, Any]:
    return {"billed_cost": said.billed, "credits": said.credits, "net_cost": said.net, "row_count": said.rows}


def _said(rows: Iterable[Mapping[str, Any]], period: str, since: datetime | None = None, run_id: str | None = None) -> dict[Key, Said]:
    """By period and currency; days that had no rows had no figures either."""
    return {
        (str(row[period]), row["currency"]): Said(
            row["billed_cost"],
            row["credits"] or ZERO,
            row["net_cost"],
            int(row["row_count"]),
            since or row["published_at"],
            row.get("source_as_of"),
            run_id or row["pipeline_logging_id"],
        )
        for row in rows
        if row["billed_cost"] is not None
    }
