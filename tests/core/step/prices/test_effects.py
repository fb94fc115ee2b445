"""What a change would make of told costs, held against what it makes of them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest

from src.app.wiring import Parts
from src.core.base.settings import ROOT
from src.core.step.prices.book import Book, BookRequest
from src.core.step.prices.changes import Add, Delete, Discount, LayOver, Update
from src.core.step.prices.effects import LONGEST, price_effects
from src.core.step.prices.kinds import PRICING, Seed, seed_of
from src.core.step.prices.rates import Rate
from src.core.step.prices.store import BookStore
from tests.contract.warehouse.conftest import ENGINES, prepare, settings_for, tenant_named
from tests.core.step.prices.told_costs import METERS, moment, price_all, rate, use
from tests.fakes.billing import StillClock

TODAY = date(2026, 11, 21)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MODELS = ("m", "m-2026-05-01", "n", "nova-mini", "")
CASES = {"duckdb": 10, "bigquery": 1}
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


@pytest.mark.parametrize("engine", ["duckdb"], indirect=True)
def test_what_has_no_price_would_have_one_and_what_loses_its_price_says_why(store: BookStore[Rate]):
    before = Book[Rate]()
    assert price_effects(store, before, before).unknown == "openai has no costs yet; a run of openai/usage_cost makes them"
    before = changed(before, Add([rate("2"), rate("3", kind="output")]))
    price_all(store, before, [use(30, 1_000_000), *(use(day, 500_000, "nova-mini-2026-09-09") for day in range(20, 32))])

    named = price_effects(store, before, changed(before, Add([rate("4", "nova-mini")])))
    gone = price_effects(store, before, changed(before, Delete({"model": "m", "token_kind": "input"}, moment(30.5))))
    later = price_effects(store, before, changed(before, Update({"model": "m"}, {"price": Decimal(9)}, moment(60))))

    october, november = named.rows
    assert (october["usage_month"], october["model"], october["cost_now"], october["cost_then"]) == ("202610", "nova-mini", 0, 22)
    assert (october["rows_priced"], october["days_priced"], november["days_priced"], november["cost_then"]) == (11, 11, 1, 2)
    assert (named.run, named.concerned) == ("openai/reprice", (date(2026, 10, 21), date(2026, 11, 1)))
    (lost,) = gone.rows
    assert (lost["cost_now"], lost["cost_then"], lost["rows_unpriced"], lost["days_unpriced"]) == (2, 0, 1, 1)
    assert lost["unpriced_reason"].startswith("rate changed: at 2026-10-31T12:00:00Z")
    assert (later.rows, later.concerned, later.unknown) == ([], None, None)
    # a year back, and of what was before it nothing is said
    assert named.looked == (TODAY - LONGEST, TODAY)


@pytest.mark.parametrize("engine", ["duckdb"], indirect=True)
def test_a_change_does_nothing_to_told_prices_and_goes_by_place_and_hour(store: BookStore[Rate]):
    before = changed(Book[Rate](), Add([rate("2"), rate("3", region="us"), rate("4", price_window="peak"), rate("5", "n")]))
    place = use(20, 1_000_000, region="us")
    told = use(20, 1_000_000, price_told=Decimal("0.000007"), currency_told="USD")
    price_all(store, before, [use(20, 1_000_000), place, use(20, 1_000_000, price_window="peak"), told])

    dearer = price_effects(store, before, changed(before, Update({"model": "m", "region": "us"}, {"price": Decimal(9)}, moment(1))))
    every = price_effects(store, before, changed(before, Update({"model": "m"}, {"price": Decimal(1)}, moment(1))))

    assert [(row["cost_now"], row["cost_then"], row["row_count"]) for row in dearer.rows] == [(3, 9, 1)]
    assert [(row["cost_now"], row["cost_then"], row["row_count"], row["rows_unpriced"]) for row in every.rows] == [(9, 3, 3, 0)]
