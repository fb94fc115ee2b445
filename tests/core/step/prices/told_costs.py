"""A table of told costs, as a run that makes every day anew leaves it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from src.core.base.schema import TableSchema
from src.core.base.settings import ROOT
from src.core.engine.arrow import arrow_field
from src.core.engine.port import WHOLE_TABLE, Fence
from src.core.step.prices.book import Book
from src.core.step.prices.rate_card import RATES, rate_card
from src.core.step.prices.rates import Rate
from src.core.step.prices.store import BookStore

COSTS = TableSchema.load(ROOT / "configs/openai/schemas/openai_cost_daily.json")
COST_SQL = (ROOT / "configs/system/prices/cost.sql").read_text()
METERS = TableSchema.parse(
    [
        *({"name": name, "type": "DATE"} for name in ("usage_date",)),
        *({"name": name, "type": "TIMESTAMP"} for name in ("bucket_start", "bucket_end")),
        *(
            {"name": name, "type": "STRING"}
            for name in ("account", "endpoint", "project_id", "user_id", "api_key_id", "api_source", "model", "service_tier", "token_kind")
        ),
        *({"name": name, "type": "STRING"} for name in ("kind_else", "unit", "detail", "region", "price_window", "currency_told")),
        {"name": "price_told", "type": "BIGNUMERIC"},
        *({"name": name, "type": "INT64"} for name in ("quantity", "prompt_tokens", "prompt_tokens_most")),
    ],
    "meters",
    name="told_use",
)


def moment(day: float) -> datetime:
    """Of day 0, the first of October, and after it."""
    return datetime(2026, 10, 1, tzinfo=UTC) + timedelta(day)


def rate(price: str, model: str = "m", kind: str = "input", **more: Any) -> Rate:
    return Rate(provider="openai", model=model, token_kind=kind, price=Decimal(price), **more)


def use(day: int, quantity: int, model: str = "m", kind: str = "input", **more: Any) -> dict[str, Any]:
    start = moment(day)
    given = {
        "bucket_end": start + timedelta(1),
        "service_tier": "standard",
        "unit": "token",
        "region": "any",
        "price_window": "any",
        **more,
    }
    told = dict.fromkeys(METERS.columns) | {"account": "org-a", "endpoint": "completions", "model": model or None, "token_kind": kind}
    return told | {"usage_date": start.date(), "bucket_start": start, "quantity": quantity, **given}


def price_all(store: BookStore[Rate], book: Book[Rate], uses: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table as a run that makes every day anew leaves it."""
    warehouse = store.services.warehouse
    warehouse.ensure_table(store.tenant, COSTS)
    keys = ("model", "service_tier", "token_kind", "kind_else", "unit", "region", "price_window")
    distinct = [dict(zip(keys, one, strict=True)) for one in {tuple(row[key] for key in keys) for row in uses}]
    card = rate_card(distinct, store.seed, book)
    generation = warehouse.last_generation(store.tenant, "costs") + 1
    with warehouse.publication(store.tenant, f"run{generation}", Fence("costs", generation)) as publication:
        for shape, rows in ((METERS, uses), (RATES, card.rows)):
            table = pa.Table.from_pylist(
                [{name: row.get(name) for name in shape.columns} for row in rows], pa.schema([arrow_field(one) for one in shape.fields])
            )
            publication.stage(shape.name, table, shape)
        publication.remove(COSTS.name, WHOLE_TABLE)
        publication.insert(COSTS.name, COST_SQL.replace("{meters}", METERS.name))
    found: list[dict[str, Any]] = warehouse.query(store.tenant, f"SELECT * FROM {COSTS.name}").to_pylist()
    return found
