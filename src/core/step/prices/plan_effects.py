"""What another book of plans would make of the months that are told."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import reduce
from typing import Any, Final

from src.core.base.documents import read_text
from src.core.base.names import identifier
from src.core.base.window import Window
from src.core.step.prices.book import Book
from src.core.step.prices.effects import CostEffects
from src.core.step.prices.plan_costing import monthly_table
from src.core.step.prices.plan_months import months_of, plan_rows
from src.core.step.prices.rates import EXACT, PlanRate
from src.core.step.prices.store import BookStore

Row = Mapping[str, Any]
# months are whole, and one run takes no window longer than a year
LONGEST: Final = timedelta(330)
QUESTION: Final = "system/prices/told_plans.sql"


def plan_effects(store: BookStore[PlanRate], before: Book[PlanRate], after: Book[PlanRate]) -> CostEffects:
    provider, today = store.seed.provider, store.services.clock.now().date()
    table, run = monthly_table(provider), f"{provider}/subscriptions"
    if table not in store.services.warehouse.tables(store.tenant):
        return CostEffects(unknown=f"nothing is told of what the plans come to; a run of {run} tells it")
    looked = months_of(Window(today - LONGEST, today))
    days = looked[0].start, today
    if before is after:
        return CostEffects(looked=days, run=run)
    text = read_text(store.services.settings.configs_dir / QUESTION, f"configs/{QUESTION}").replace("{plans}", identifier(table))
    told = store.services.warehouse.query(store.tenant, text, {"first": days[0], "last": looked[-1].end}).to_pylist()
    rows: list[dict[str, Any]] = []
    for month in looked:
        name = f"{month.start:%Y%m}"
        of_month = [row for row in told if row["invoice_month"] == name]
        # a month that nobody has run is not told, and is told by no change
        if of_month:
            books = (plan_rows(book.rates, month, today) for book in (before, after))
            rows += effects_of_month(name, of_month, *books)
    months = [month for month in looked if any(row["usage_month"] == f"{month.start:%Y%m}" for row in rows)]
    return CostEffects(rows, days, run, (months[0].start, min(months[-1].end, today)) if months else None)


def effects_of_month(month: str, told: Iterable[Row], before: Iterable[Row], after: Iterable[Row]) -> Iterable[dict[str, Any]]:
    now, old, new = (_by_plan(rows) for rows in (told, before, after))
    for name in sorted(old.keys() | new.keys()):
        if _facts(old.get(name, [])) != _facts(new.get(name, [])):
            yield from ({"usage_month": month, **row} for row in _of_plan(now.get(name, []), new.get(name, [])))


def _of_plan(now: Sequence[Row], then: Sequence[Row]) -> Iterable[dict[str, Any]]:
    told, anew = _by_day(now), _by_day(then)
    moved = [(told.get(day), anew.get(day)) for day in sorted(told.keys() | anew.keys())]
    moved = [(old, new) for old, new in moved if _says(old) != _says(new)]
    for currency in sorted({row["currency"] for row in (*now, *then)}):
        # a day that is in two currencies is counted in the one that it will be in
        own = [(old, new) for old, new in moved if (new or old or {})["currency"] == currency]
        priced = [new for old, new in own if new and new["cost"] is not None and (old is None or old["cost"] is None)]
        unpriced = [new for old, new in own if new and new["cost"] is None and (old is None or old["cost"] is not None)]
        costs = [_total(row for row in rows if row["currency"] == currency) for rows in (now, then)]
        if own or costs[0] != costs[1]:
            yield {
                "plan_name": (then or now)[0]["plan_name"],
                "billing_period": (then or now)[0]["billing_period"],
                "currency": currency,
                "cost_now": costs[0],
                "cost_then": costs[1],
                "row_count": max(_rows(old for old, _ in own), _rows(new for _, new in own)),
                "day_count": len(own),
                "rows_priced": _rows(priced),
                "days_priced": len(priced),
                "rows_unpriced": _rows(unpriced),
                "days_unpriced": len(unpriced),
                "unpriced_reason": next((row["completeness_reason"] for row in unpriced), None),
            }


def _by_plan(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row["plan_name"], row["billing_period"]), []).append(row)
    return found


def _by_day(rows: Iterable[Row]) -> dict[date, Row]:
    return {day: row for row in rows for day in Window(row["usage_date"], row["last_date"])}


def _facts(rows: Iterable[Row]) -> list[tuple[Any, ...]]:
    return sorted((row["usage_date"], row["last_date"], row["rate_id"], str(row["cost"])) for row in rows)


def _says(row: Row | None) -> tuple[str, bool] | None:
    return None if row is None else (row["rate_id"], row["cost"] is None)


def _rows(rows: Iterable[Row | None]) -> int:
    return len({row["usage_date"] for row in rows if row is not None})


def _total(rows: Iterable[Row]) -> Decimal:
    return reduce(EXACT.add, (row["cost"] for row in rows if row["cost"] is not None), Decimal(0))
