"""Closing the books inside a publication, after the raw rows stand and before anything is visible."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from src.core.base.window import Window
from src.core.engine.port import Publication, Slice
from src.core.providers.export import LoadDay
from src.core.step.books.completeness import Calendar, SourceState, Standing, of_day, of_invoice_month
from src.core.step.books.history import Key, Restatement, Said, difference, restatements
from src.core.step.books.rules import Books
from src.core.step.books.totals import Totals

NO_CURRENCY = "XXX"  # ISO 4217's code for no currency
MONEY = ("billed_cost", "credits", "net_cost", "row_count")
TOLD = ("currency", *MONEY, "completeness", "completeness_reason", "source_as_of")


@dataclass(frozen=True, slots=True)
class Part:
    """The load days of one source that this publication writes anew."""

    source: str
    days: tuple[LoadDay, ...]
    restated: tuple[date, ...]

    @property
    def asked(self) -> dict[str, Any]:
        days = sorted(part.day for part in self.days)
        return {"source_table": self.source, "days": days, "first": days[0], "last": days[-1], "restated": list(self.restated)}


@dataclass(frozen=True, slots=True)
class DayTold:
    day: date
    currency: str
    said: Said | None
    standing: Standing
    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class Closed:
    days: tuple[DayTold, ...]
    restated: tuple[Restatement, ...]
    touched: tuple[date, ...]
    daily_rows: int


@dataclass(slots=True)
class Closing:
    """Begun before the old rows go, finished after the new ones stand."""

    books: Books
    publication: Publication
    run_id: str
    at: datetime
    parts: Sequence[Part]
    told_before: list[dict[str, Any]] = field(default_factory=list)
    said_days: dict[Key, Said] = field(default_factory=dict)
    said_months: dict[Key, Said] = field(default_factory=dict)
    before: list[dict[str, Any]] = field(default_factory=list)
    touched: dict[str, set[date]] = field(default_factory=dict)

    def begin(self) -> None:
        own = self.books.own.questions
        self.told_before = self._ask(own["said_days"], {"provider": self.books.provider})
        self.said_days = _said(self.told_before, "usage_date")
        self.said_months = _said(self._ask(own["said_months"], {"provider": self.books.provider}), "invoice_month")
        for part in self.parts:
            self.touched.setdefault(part.source, set()).update(self._touched(part))
            self.before += self._ask(self.books.questions["causes"], part.asked)

    def written(self) -> Totals:
        totals = Totals()
        for part in self.parts:
            totals.add(part.source, self._ask(self.books.questions["totals_written"], part.asked))
        return totals

    def finish(self, window: Window, sources: tuple[SourceState, ...], calendar: Calendar) -> Closed:
        after: list[dict[str, Any]] = []
        for part in self.parts:
            self.touched[part.source].update(self._touched(part))
            after += self._ask(self.books.questions["causes"], part.asked)
        months = self._months()
        daily_rows = self._derive()
        months |= self._months()
        new_days = self._day_figures()
        months |= {month for month, _ in self.said_months}  # their figures stay, how complete they are may not
        new_months = self._month_figures(months)
        touched = {str(day) for days in self.touched.values() for day in days}
        restated = [
            *restatements(
                "day",
                {key: said for key, said in self.said_days.items() if key[0] in touched},
                new_days,
                difference(self.before, after, "usage_date"),
            ),
            *restatements(
                "invoice_month",
                {key: said for key, said in self.said_months.items() if key[0] in months},
                new_months,
                difference(self.before, after, "invoice_month"),
            ),
        ]
        figures = {key: said for key, said in self.said_days.items() if key[0] not in touched} | new_days
        days = self._stand(window, sources, calendar, figures)
        self._keep_days(days)
        self._keep_months(new_months, months, sources, calendar)
        self._keep_slices()
        if restated:
            self.publication.append("x_cost_history", [one.row(self.books.provider, self.run_id, self.at) for one in restated])
        return Closed(tuple(days), tuple(restated), tuple(sorted(date.fromisoformat(day) for day in touched)), daily_rows)

    def _ask(self, sql: str, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.publication.query(sql, asked).to_pylist()
        return rows

    def _touched(self, part: Part) -> list[date]:
        return [row["usage_date"] for row in self._ask(self.books.questions["touched"], part.asked)]

    def _spans(self) -> Iterable[dict[str, Any]]:
        for source, days in self.touched.items():
            if days:
                yield {"source_table": source, "days": sorted(days), "first": min(days), "last": max(days)}

    def _months(self) -> set[str]:
        return {row["invoice_month"] for asked in self._spans() for row in self._ask(self.books.questions["months_touched"], asked)}

    def _derive(self) -> int:
        written = 0
        for asked in self._spans():
            self.publication.execute(self.books.questions["clear"], asked)
            written += self.publication.insert(self.books.daily, self.books.questions["fill"], asked)
        return written

    def _day_figures(self) -> dict[Key, Said]:
        touched = sorted({day for days in self.touched.values() for day in days})
        if not touched:
            return {}
        asked = {"days": touched, "first": touched[0], "last": touched[-1]}
        told = _said(self._ask(self.books.questions["days"], asked), "usage_date", since=self.at)
        return {key: _dated(said, self.said_days.get(key)) for key, said in told.items()}

    def _month_figures(self, months: set[str]) -> dict[Key, Said]:
        if not months:
            return {}
        told = _said(self._ask(self.books.questions["months"], {"months": sorted(months)}), "invoice_month", since=self.at)
        return {key: _dated(said, self.said_months.get(key)) for key, said in told.items()}

    def _stand(self, window: Window, sources: tuple[SourceState, ...], calendar: Calendar, figures: Mapping[Key, Said]) -> list[DayTold]:
        """Of every day that was told before, every day touched now, and every day asked for that has begun."""
        known = {date.fromisoformat(day) for day, _ in figures} | {row["usage_date"] for row in self.told_before}
        known |= {day for day in window if day <= calendar.today}
        by_day: dict[date, list[str]] = {}
        for text, currency in figures:
            by_day.setdefault(date.fromisoformat(text), []).append(currency)
        told = []
        for day in sorted(known):
            stands = of_day(day, has_rows=day in by_day, sources=sources, calendar=calendar)
            for currency in sorted(by_day.get(day, [NO_CURRENCY])):
                said = figures.get((str(day), currency))
                told.append(DayTold(day, currency, said, stands, said.as_of if said else None))
        return told

    def _keep_days(self, days: list[DayTold]) -> None:
        rows = self._changed_days(days)
        told = tuple(sorted({row["usage_date"] for row in rows}))
        if told:
            self.publication.replace("x_cost_daily", rows, Slice(equal={"provider": self.books.provider, "usage_date": told}))

    def _keep_months(self, figures: Mapping[Key, Said], months: set[str], sources: tuple[SourceState, ...], calendar: Calendar) -> None:
        rows = []
        for (month, currency), said in figures.items():
            stands = of_invoice_month(month, sources=sources, calendar=calendar)
            row = {
                "invoice_month": month,
                "currency": currency,
                **_money(said),
                "completeness": stands.completeness,
                "completeness_reason": stands.reason,
            }
            rows.append(self._stamped(row, said.since))
        if months:
            part = Slice(equal={"provider": self.books.provider, "invoice_month": tuple(sorted(months))})
            self.publication.replace("x_cost_monthly", rows, part)

    def _keep_slices(self) -> None:
        for part in self.parts:
            loaded = [
                {
                    "provider": self.books.provider,
                    "source": part.source,
                    "slice": day.day,
                    "version": day.version,
                    "row_count": day.rows,
                    "bytes": day.bytes,
                    "pipeline_logging_id": self.run_id,
                    "loaded_at": self.at,
                }
                for day in part.days
            ]
            days = tuple(day.day for day in part.days)
            taken = Slice(equal={"provider": self.books.provider, "source": part.source, "slice": days})
            self.publication.replace("x_source_slices", loaded, taken)

    def _changed_days(self, days: list[DayTold]) -> list[dict[str, Any]]:
        """The rows of every day of which anything is told differently than before."""
        before: dict[date, set[tuple[Any, ...]]] = {}
        for row in self.told_before:
            before.setdefault(row["usage_date"], set()).add(tuple(row[name] for name in TOLD))
        now: dict[date, list[dict[str, Any]]] = {}
        for told in days:
            figures = _money(told.said) if told.said else dict.fromkeys(MONEY)
            row = {
                "usage_date": told.day,
                "currency": told.currency,
                **figures,
                "completeness": told.standing.completeness,
                "completeness_reason": told.standing.reason,
                "source_as_of": told.as_of,
            }
            now.setdefault(told.day, []).append(row)
        return [
            self._stamped(row)
            for day, rows in now.items()
            if before.get(day) != {tuple(row[name] for name in TOLD) for row in rows}
            for row in rows
        ]

    def _stamped(self, row: dict[str, Any], since: datetime | None = None) -> dict[str, Any]:
        return {"provider": self.books.provider, **row, "pipeline_logging_id": self.run_id, "published_at": since or self.at}


def _dated(said: Said, before: Said | None) -> Said:
    """Figures that did not change have been said since they were first."""
    return replace(said, since=before.since) if before is not None and before.same_money(said) else said


def _money(said: Said) -> dict[str, Any]:
    return {"billed_cost": said.billed, "credits": said.credits, "net_cost": said.net, "row_count": said.rows}


def _said(rows: Iterable[Mapping[str, Any]], period: str, since: datetime | None = None) -> dict[Key, Said]:
    """By period and currency; days that had no rows had no figures either."""
    return {
        (str(row[period]), row["currency"]): Said(
            row["billed_cost"],
            row["credits"],
            row["net_cost"],
            int(row["row_count"]),
            since or row["published_at"],
            row.get("source_as_of"),
        )
        for row in rows
        if row["billed_cost"] is not None
    }
