"""Random usage and price books, and usage priced through a warehouse as a publication prices it."""

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

from src.core.base.identity import Tenant
from src.core.base.schema import TableSchema
from src.core.engine import write_rows
from src.core.engine.port import Fence, ParquetFiles, Warehouse
from src.core.step.prices.book import Book, BookRow
from src.core.step.prices.kinds import PRICING, Seed
from src.core.step.prices.rate_card import rate_card
from src.core.step.prices.rates import TOKEN_KINDS, Rate
from tests.core.step.prices.books import FIRST, day

CONFIGS = Path(__file__).resolve().parents[4] / "configs"
RAW = TableSchema.load(CONFIGS / "openai/schemas/openai_usage_daily_raw.json")
DAILY = TableSchema.load(CONFIGS / "openai/schemas/openai_cost_daily.json")
PRICES = TableSchema.load(CONFIGS / "openai/seed/schemas/openai_model_pricing.json")
MODELS = ("m1", "m2", "m2-2026-01-01", "ft:m1", "web-search", "file-search", "code-interpreter", "vector-storage")
ALIASES = {"one": "m1"}
# as usage may name a model, and how it stands in a book that has all of MODELS
NAMES: Mapping[str | None, tuple[str, str]] = {
    "m1": ("m1", "exact"),
    "m1-2026-03-05": ("m1", "snapshot"),
    "eu.m1": ("m1", "regional"),
    "one": ("m1", "alias"),
    "ft:m1:acme::x": ("ft:m1", "fine_tuned"),
    "m2": ("m2", "exact"),
    "m2-2026-01-01": ("m2-2026-01-01", "exact"),
    "m2-latest": ("m2", "latest"),
}
NO_NAMES = ("zz", "ft:m2:acme::x", None)
TIERS = ("standard", "batch", "flex")
KINDS = (*(kind for kind in TOKEN_KINDS if kind not in ("cache_write_5m", "cache_write_1h")),)
OTHER_KINDS = ("characters", "call", "session", "duration", "storage", "free_storage", "image", "image_16x16")
STEPS = (0, 1_000, 200_000)
INPUTS = tuple(column for column in RAW.columns if column.startswith(("input_", "output_")))


def seed_named(rates: Sequence[Rate] = ()) -> Seed[Rate]:
    return Seed("openai", PRICING, PRICES, rates, ALIASES)


def book_of(rates: Sequence[Rate]) -> Book[Rate]:
    return Book(tuple(BookRow(rate=one, edition=1, recorded_at=day(0)) for one in rates))


def random_rates(chance: random.Random) -> list[Rate]:
    """At no moment two on the same axes; gaps in time, in tiers, in kinds and in long prompts."""
    found: list[Rate] = []
    for model in MODELS:
        for tier in chance.sample(TIERS, chance.randint(2, 3)):
            steps = STEPS[: chance.choice((1, 1, 2, 3))]
            for kind in chance.sample((*KINDS, *OTHER_KINDS), 17):
                for step in steps if kind in KINDS and chance.random() < 0.9 else (0,):
                    found += _line(chance, model=model, token_kind=kind, service_tier=tier, prompt_tokens_over=step)
    return found


def _line(chance: random.Random, **axes: Any) -> list[Rate]:
    """One after the other; now and then one of a region beside it."""
    turns = sorted(chance.sample([FIRST + timedelta(hours=12 * number) for number in range(1, 12)], chance.choice((0, 0, 0, 1, 2))))
    bounds = [None, *turns, None]
    rates = [_rate(chance, since, until, **axes) for since, until in pairwise(bounds) if chance.random() < 0.9]
    return rates + ([_rate(chance, None, None, region="eu", **axes)] if axes["model"] == "m1" and chance.random() < 0.3 else [])


def _rate(chance: random.Random, since: datetime | None, until: datetime | None, **axes: Any) -> Rate:
    # in the last decimal that a price has
    price = chance.choice((0, 10**18, chance.randint(1, 400) * 10**15, chance.randint(1, 10**20), chance.randint(1, 10**20), 10**37 + 1))
    by_token = axes["token_kind"] in KINDS
    return Rate(
        provider="openai",
        price=Decimal(f"{price}e-18"),
        per=chance.choice(
            (10**6, 10**6, 1, 1_000, 3 * 10**5, 7, 10**9) if by_token else (1,) if "storage" in axes["token_kind"] else (1, 1_000, 7)
        ),
        unit=chance.choice(("second", "minute", "hour")) if axes["token_kind"] == "duration" else "",
        effective_from=since,
        effective_to=until,
        **axes,
    )


def random_usage(chance: random.Random, number: int) -> list[dict[str, Any]]:
    return [_usage(chance, f"key_{one}") for one in range(number)]


def _usage(chance: random.Random, key: str) -> dict[str, Any]:
    seconds = chance.choice((86_400, 86_400, 3_600, 60))
    start = day(chance.randint(-1, 6)) + timedelta(seconds=seconds * chance.randrange(86_400 // seconds))
    row = {
        "source": "org",
        "source_slice": str(start.date()),
        "usage_date": start.date(),
        "bucket_start": start,
        "bucket_seconds": seconds,
        "api_key_id": key,
        "model": chance.choice((*NAMES, *NAMES, *NO_NAMES)),
        "endpoint": "completions",
    }
    return row | (_tokens(chance) if chance.random() < 0.7 else _other(chance))


def _tokens(chance: random.Random) -> dict[str, Any]:
    most = chance.choice((10, 3_000, 10**6, 10**15))
    parts = {column: chance.randint(0, most) if chance.random() < 0.5 else 0 for column in INPUTS}
    sums = {
        "input_uncached_tokens": ("input_text_tokens", "input_audio_tokens", "input_image_tokens"),
        "input_cached_tokens": ("input_cached_text_tokens", "input_cached_audio_tokens", "input_cached_image_tokens"),
        "input_cache_write_tokens": ("input_cache_write_30m_tokens", "input_cache_write_12h_tokens"),
        "input_tokens": ("input_uncached_tokens", "input_cached_tokens", "input_cache_write_tokens"),
        "output_tokens": ("output_text_tokens", "output_audio_tokens", "output_image_tokens"),
    }
    parts |= {whole: sum(parts[part] for part in of) for whole, of in sums.items() if of[0].count("_") > 2 or whole != "input_tokens"}
    parts["input_tokens"] = sum(parts[part] for part in sums["input_tokens"])
    if chance.random() < 0.2:
        # of what does not add up
        parts[chance.choice(INPUTS)] += chance.choice((-1, 1)) * chance.randint(1, most)
    untold = {column: None for column in INPUTS if chance.random() < chance.choice((0, 0.1, 0.6))}
    return {
        **parts,
        **untold,
        "num_model_requests": chance.choice((1, 1, 2, 40, None)),
        "batch": chance.choice((None, False, False, True)),
        "service_tier": chance.choice((None, "", "default", "auto", "scale", "flex", "flex", "turbo")),
    }


def _other(chance: random.Random) -> dict[str, Any]:
    number = chance.choice((0, 1, chance.randint(1, 5_000), chance.randint(1, 10**12)))
    endpoint, measures = chance.choice(
        (
            ("embeddings", {"input_tokens": number}),
            ("images", {"images": number, "size": chance.choice(("16x16", "8x8", None)), "image_source": "image.edit"}),
            ("audio_speeches", {"characters": number}),
            ("audio_transcriptions", {"seconds": number, "input_tokens": chance.choice((None, 55))}),
            ("vector_stores", {"usage_bytes": number, "model": None}),
            ("code_interpreter_sessions", {"num_sessions": number, "model": None}),
            ("file_search_calls", {"num_requests": number, "vector_store_id": "vs"}),
            ("web_search_calls", {"num_requests": number, "context_level": "low"}),
            ("moderations", {"input_tokens": number, "num_requests": chance.choice((None, 0, 3))}),
            ("completions", {"other_measures": '{"input_smell_tokens": 4}'}),
        )
    )
    return {"endpoint": endpoint, **measures}


def priced_by(
    warehouse: Warehouse, tenant: Tenant, usage: Sequence[Mapping[str, Any]], rates: Sequence[Rate], *, absent: str | None = None
) -> list[dict[str, Any]]:
    """The rows of `openai_cost_daily`, by key and kind."""
    warehouse.ensure_dataset(tenant)
    for schema in (RAW, DAILY):
        warehouse.ensure_table(tenant, schema)
    generation = warehouse.last_generation(tenant, "load") + 1
    with warehouse.publication(tenant, "run", Fence("load", generation)) as publication:
        publication.replace(RAW.name, usage)
        publication.remove(DAILY.name)
        card = rate_card(publication.query(asked("system/books/uses.sql")).to_pylist(), seed_named(), book_of(rates), absent)
        path = warehouse.io_folder(tenant) / "rates.parquet"
        write_rows(path, card.shape.fields, card.rows)
        publication.stage("rates", ParquetFiles((path,)), card.shape)
        publication.insert(DAILY.name, asked("system/prices/cost.sql"))
    return sorted(
        warehouse.query(tenant, f"SELECT * FROM {DAILY.name}").to_pylist(), key=lambda row: (row["api_key_id"], row["token_kind"])
    )


def asked(question: str) -> str:
    meters = (CONFIGS / "openai/books/meters.sql").read_text().replace("{openai_usage_daily_raw}", RAW.name)
    return (CONFIGS / question).read_text().replace("{meters}", f"({meters})")


def in_one_query(usage: Sequence[Mapping[str, Any]], rates: Sequence[Rate]) -> str:
    """The same over literals, for an evaluator that has no tables."""
    uses = {(one.model, one.token_kind) for one in rates}
    told = [
        {"model": model, "service_tier": "standard", "token_kind": kind, "kind_else": None, "unit": "token"} for model, kind in sorted(uses)
    ]
    card = rate_card(told, seed_named(), book_of(rates))
    tables = f"{RAW.name} AS ({_literals(RAW, usage)}), rates AS ({_literals(card.shape, card.rows)})"
    _, _, query = asked("system/prices/cost.sql").partition("WITH ")
    return f"WITH {tables}, {query}"


def _literals(schema: TableSchema, rows: Sequence[Mapping[str, Any]]) -> str:
    selects = (", ".join(f"{_literal(row.get(one.name), one.type)} AS `{one.name}`" for one in schema.fields) for row in rows)
    return " UNION ALL ".join(f"SELECT {select}" for select in selects)


def _literal(value: Any, kind: str) -> str:
    if value is None or kind in ("INT64", "BOOL"):
        return f"CAST({'NULL' if value is None else value} AS {kind})"
    text = value.isoformat() if kind in ("TIMESTAMP", "DATE") else format(value, "f" if kind == "BIGNUMERIC" else "")
    return f"CAST('{text}' AS {kind})"
