"""What another book would make of costs that are told: asked of their table, by the very query that made them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from src.core.base.documents import read_text
from src.core.base.names import identifier
from src.core.step.prices.book import Book
from src.core.step.prices.rate_card import KEY, UseKey, rate_card
from src.core.step.prices.rates import Rate
from src.core.step.prices.store import BookStore

Row = Mapping[str, Any]
Days = tuple[date, date]
LONGEST: Final = timedelta(365)
"""How far back it is looked: whoever changes a price waits for the answer, and one run makes no more days anew."""
CARD: Final = frozenset(
    {
        *(*KEY, "valid_from", "valid_to", "rate_until", "over_from", "over_to", "model", "rate_id", "per", "currency"),
        *("unit_price", "rest", "rest_of", "most", "doubt_over", "unpriced_reason", "change_reason"),
    }
)
"""What `effect.sql` reads of a line."""
MICROSECOND: Final = timedelta(microseconds=1)
EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True)
class CostEffects:
    """Rows by month, subject and currency, of told costs that would be others."""

    rows: Sequence[Row] = ()
    looked: Days | None = None
    """The days of use that were looked at."""
    run: str | None = None
    """The document that makes them so."""
    concerned: Days | None = None
    """The days that it is to be run for."""
    unknown: str | None = None
    """Why nobody knows, which is not the same as no effect."""


def price_effects(store: BookStore[Rate], before: Book[Rate], after: Book[Rate]) -> CostEffects:
    provider, today = store.seed.provider, store.services.clock.now().date()
    table, run = f"{provider}_cost_daily", f"{provider}/reprice"
    if table not in store.services.warehouse.tables(store.tenant):
        return CostEffects(unknown=f"{provider} has no costs yet; a run of {provider}/usage_cost makes them")
    looked = (today - LONGEST, today)
    if before is after:
        return CostEffects(looked=looked, run=run)
    told = _ToldCosts(store, table)
    uses = told.uses(looked)
    card = rate_card(uses, store.seed, after).rows
    changed = changed_uses(rate_card(uses, store.seed, before).rows, card)
    if not changed:
        return CostEffects(looked=looked, run=run)
    since, until = (min(one for one, _ in changed.values()), max(one for _, one in changed.values()))
    # the day in which it begins is told in one piece, and is another as a whole
    days = max(looked[0], since.date()), min(looked[1], until.date())
    rows = told.effect(days, {key[0] for key in changed}, card) if days[0] <= days[1] else []
    concerned = (min(row["first_day"] for row in rows), max(row["last_day"] for row in rows)) if rows else None
    return CostEffects(rows, looked, run, concerned)


def changed_uses(before: Iterable[Row], after: Iterable[Row]) -> dict[UseKey, tuple[datetime, datetime]]:
    """The uses that are charged by another rate at some moment, with the first and the last of these moments."""
    cards = _by_use(before), _by_use(after)
    found: dict[UseKey, tuple[datetime, datetime]] = {}
    for key in cards[0].keys() | cards[1].keys():
        old, new = (card.get(key, []) for card in cards)
        if old == new:
            continue
        ends = [{row["rate_until"] for row in rows} for rows in (old, new)]
        moments = sorted({row[name] for row in (*old, *new) for name in ("valid_from", "valid_to")})
        spans = [(since, until) for since, until in pairwise(moments) if _charged(old, since) != _charged(new, since)]
        # a use during which a row ends has no price, whatever begins then
        spans += [(moment, moment) for moment in ends[0] ^ ends[1]]
        if spans:
            found[key] = min(since for since, _ in spans), max(until for _, until in spans)
    return found


def _by_use(rows: Iterable[Row]) -> dict[UseKey, list[Row]]:
    found: dict[UseKey, list[Row]] = {}
    for row in rows:
        model, tier, kind, region, window = (row[name] for name in KEY)
        found.setdefault((model, tier, kind, region, window), []).append(row)
    return found


def _charged(rows: Iterable[Row], at: datetime) -> set[tuple[Any, ...]]:
    return {(row["over_from"], row["over_to"], row.get("rate_id")) for row in rows if row["valid_from"] <= at < row["valid_to"]}


class _ToldCosts:
    """The table of costs that stands, and what is asked of it."""

    def __init__(self, store: BookStore[Any], table: str) -> None:
        self._store, self._table = store, identifier(table)
        self._meters = f"({self._text('prices/told_meters.sql')})"

    def uses(self, days: Days) -> list[dict[str, Any]]:
        question = self._text("books/uses.sql").replace("{meters}", self._meters)
        return self._ask(question, days, {"every": True, "models": [""]})

    def effect(self, days: Days, models: set[str], card: Iterable[Row]) -> list[dict[str, Any]]:
        wanted = (
            row for row in card if row["told_model"] in models and row["valid_from"].date() <= days[1] and row["valid_to"].date() >= days[0]
        )
        lines = [json.dumps({name: _part(row[name]) for name in CARD & row.keys()}) for row in wanted]
        fill = self._text("prices/cost.sql").replace("{meters}", self._meters)
        question = self._text("prices/effect.sql").replace("{fill}", fill)
        return self._ask(question, days, {"every": False, "models": sorted(models), "card": lines})

    def _text(self, name: str) -> str:
        text = read_text(self._store.services.settings.configs_dir / "system" / name, f"configs/system/{name}")
        return text.replace("{cost}", self._table)

    def _ask(self, sql: str, days: Days, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        params = {"first": days[0], "last": days[1], **asked}
        rows: list[dict[str, Any]] = self._store.services.warehouse.query(self._store.tenant, sql, params).to_pylist()
        return rows


def _part(value: object) -> str | None:
    if isinstance(value, datetime):
        return str((value - EPOCH) // MICROSECOND)
    if isinstance(value, Decimal):
        return format(value, "f")
    return None if value is None else str(value)
