"""What a change would make of told costs, held against what it makes of them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from src.app.wiring import Parts
from src.core.base.schema import TableSchema
from src.core.base.settings import ROOT
from src.core.engine.arrow import arrow_field
from src.core.engine.port import WHOLE_TABLE, Fence
from src.core.step.prices.book import Book, BookRequest
from src.core.step.prices.changes import Delete, Discount, LayOver
from src.core.step.prices.effects import price_effects
from src.core.step.prices.kinds import PRICING, Seed, seed_of
from src.core.step.prices.rate_card import RATES, rate_card
from src.core.step.prices.rates import Rate
from src.core.step.prices.store import BookStore
from tests.contract.warehouse.conftest import ENGINES, prepare, settings_for, tenant_named
from tests.fakes.billing import StillClock

TODAY = date(2026, 11, 21)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
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
        *({"name": name, "type": "STRING"} for name in ("kind_else", "unit", "detail")),
        *({"name": name, "type": "INT64"} for name in ("quantity", "prompt_tokens", "prompt_tokens_most")),
    ],
    "meters",
    name="told_use",
)
MODELS = ("m", "m-2026-05-01", "n", "nova-mini", "")
CASES = {"duckdb": 16, "bigquery": 1}
Money = dict[tuple[str, str, str], tuple[Fraction, Fraction]]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[BookStore[Rate]]:
    prepare(engine, tmp_path, request)
    parts = Parts(settings_for(engine, tmp_path), clock=StillClock(TODAY))
    parts.warehouse.ensure_dataset(tenant_named("acme_corp"))
    yield store_of(parts)
    parts.close()


def store_of(parts: Parts) -> BookStore[Rate]:
    return BookStore(parts, tenant_named("acme_corp"), Seed("openai", PRICING, seed_of(ROOT / "configs", "openai", PRICING).schema, ()))


def moment(day: float) -> datetime:
    """Of day 0, the first of October, and after it."""
    return datetime(2026, 10, 1, tzinfo=UTC) + timedelta(day)


def rate(price: str, model: str = "m", kind: str = "input", **more: Any) -> Rate:
    return Rate(provider="openai", model=model, token_kind=kind, price=Decimal(price), **more)


def use(day: int, quantity: int, model: str = "m", kind: str = "input", **more: Any) -> dict[str, Any]:
    start = moment(day)
    given = {"bucket_end": start + timedelta(1), "service_tier": "standard", "unit": "token", "prompt_tokens": None, **more}
    told = dict.fromkeys(METERS.columns) | {"account": "org-a", "endpoint": "completions", "model": model or None, "token_kind": kind}
    return told | {"usage_date": start.date(), "bucket_start": start, "quantity": quantity, **given}


def price_all(store: BookStore[Rate], book: Book[Rate], uses: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table as a run that makes every day anew leaves it."""
    warehouse = store.services.warehouse
    warehouse.ensure_table(store.tenant, COSTS)
    keys = ("model", "service_tier", "token_kind", "kind_else", "unit")
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


def identity(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(
        row[name] for name in (*METERS.columns[:9], "model_told", "service_tier", "token_kind", "quantity", "prompt_tokens", "detail")
    )


def model_of_effects(told: Sequence[dict[str, Any]], then: Sequence[dict[str, Any]]) -> dict[tuple[str, str, str], list[Any]]:
    """By month, model and currency: cost now, cost then, rows, days, rows that get a price, rows that lose theirs."""
    found: dict[tuple[str, str, str], list[Any]] = defaultdict(lambda: [Fraction(0), Fraction(0), 0, set(), 0, 0])
    for old, new in zip(sorted(told, key=repr_of), sorted(then, key=repr_of), strict=True):
        assert identity(old) == identity(new)
        if (old["rate_id"], old["cost"]) == (new["rate_id"], new["cost"]):
            continue
        name = new["model"] or old["model"] or old["model_told"] or ""
        for side, row in enumerate((old, new)):
            if row["currency"]:
                one = found[f"{row['usage_date']:%Y%m}", name, row["currency"]]
                one[side] += Fraction(row["cost"])
                one[3].add(row["usage_date"])
        one = found[f"{old['usage_date']:%Y%m}", name, new["currency"] or old["currency"]]
        one[2] += 1
        one[4] += old["rate_id"] is None
        one[5] += new["rate_id"] is None
    return {key: [*one[:3], len(one[3]), *one[4:]] for key, one in found.items()}


def repr_of(row: dict[str, Any]) -> str:
    return repr(identity(row))


def answered(store: BookStore[Rate], before: Book[Rate], after: Book[Rate]) -> dict[tuple[str, str, str], list[Any]]:
    effects = price_effects(store, before, after)
    assert effects.unknown is None
    names = ("cost_now", "cost_then", "row_count", "day_count", "rows_priced", "rows_unpriced")
    return {
        (row["usage_month"], row["model"], row["currency"]): [
            Fraction(row[names[0]]),
            Fraction(row[names[1]]),
            *(row[name] for name in names[2:]),
        ]
        for row in effects.rows
    }


def changed(book: Book[Rate], request: BookRequest[Rate]) -> Book[Rate]:
    change = book.change(request, NOON)
    assert not change.flaws, change.flaws
    return book.after(change)


def random_rate(random: Random) -> Rate:
    start = random.choice((None, None, moment(random.randrange(0, 45)), moment(random.randrange(0, 45) + 0.5)))
    kind, unit, per = random.choice((("input", "token", 0), ("input", "token", 7), ("cached_input", "token", 0), ("duration", "minute", 1)))
    return rate(
        random.choice(("0", "2.5", "0.000000000000000007", "3.333333333333333333")), random.choice(("m", "m", "n", "m-2026-05-01")), kind,
        unit=unit, per=per, effective_from=start, prompt_tokens_over=random.choice((0, 0, 0, 200)),
        service_tier=random.choice(("standard", "standard", "batch")), currency=random.choice(("USD", "USD", "USD", "EUR")),
    )  # fmt: skip


def random_use(random: Random) -> dict[str, Any]:
    kind, unit, other = random.choice(
        (
            ("input", "token", None),
            ("cached_input", "token", None),
            ("cached_image_input", "token", "cached_input"),
            ("duration", "second", None),
        )
    )
    tokens = random.choice((None, None, 100, 201)) if unit == "token" else None
    start = random.randrange(0, 51) + random.choice((0, 0, 0, 0.25))
    return use(
        0, random.choice((1, 59, 60, 1_000_003, 2**40 + random.randrange(10**6))), random.choice(MODELS), kind, unit=unit, kind_else=other,
        prompt_tokens=tokens, service_tier=random.choice(("standard", "standard", "batch", "flex")), project_id=random.choice(("a", None)),
        usage_date=moment(start).date(), bucket_start=moment(start), bucket_end=moment(start + (0.25 if start % 1 else 1)),
    )  # fmt: skip


def random_change(random: Random, book: Book[Rate]) -> BookRequest[Rate]:
    named = random.choice(sorted({one.model for one in book.rates}))
    since = random.choice((None, moment(random.randrange(0, 50)), moment(random.randrange(0, 50) + 0.5)))
    listed = list({one.axes: one.but(effective_from=None, effective_to=None) for one in book.rates}.values())
    requests: list[BookRequest[Rate]] = [
        LayOver([random_rate(random)]),
        LayOver([random_rate(random)]),
        Delete({"model": named}, since),
        Discount(listed, Decimal("12.5"), {}, since),
        LayOver([rate("1", "nova-mini")]),
    ]
    return random.choice(requests)


def test_what_a_change_would_do_is_what_it_does(store: BookStore[Rate], engine: str):
    random = Random(15)
    seen: dict[str, int] = defaultdict(int)
    for _ in range(CASES[engine]):
        book: Book[Rate] = Book()
        for _ in range(random.randrange(2, 9)):
            book = changed(book, LayOver([random_rate(random)]))
        uses = [random_use(random) for _ in range(random.randrange(50, 300))]
        after = changed(book, random_change(random, book))
        told = price_all(store, book, uses)

        would = answered(store, book, after)

        does = model_of_effects(told, price_all(store, after, uses))
        assert would == does
        for now, then, *_, priced, unpriced in does.values():
            seen["dearer"] += then > now
            seen["cheaper"] += then < now
            seen["priced"] += priced
            seen["unpriced"] += unpriced
        seen["nothing"] += not does
    assert engine == "bigquery" or min(seen[name] for name in ("dearer", "cheaper", "priced", "unpriced", "nothing")) > 0, dict(seen)
