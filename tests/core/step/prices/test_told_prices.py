"""Uses whose price, place or hour is told, and what the same would have come to as another."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from src.app.wiring import Parts
from src.core.base.settings import ROOT
from src.core.step.prices.kinds import PRICING, Seed, seed_of
from src.core.step.prices.rates import Rate
from src.core.step.prices.store import BookStore
from tests.contract.warehouse.conftest import ENGINES, prepare, settings_for, tenant_named
from tests.core.step.prices.pricing import book_of
from tests.core.step.prices.told_costs import moment, price_all, rate, use

M = 1_000_000
EITHER = "off_peak|peak"


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[BookStore[Rate]]:
    prepare(engine, tmp_path, request)
    parts = Parts(settings_for(engine, tmp_path))
    parts.warehouse.ensure_dataset(tenant_named("acme_corp"))
    yield BookStore(parts, tenant_named("acme_corp"), Seed("openai", PRICING, seed_of(ROOT / "configs", "openai", PRICING).schema, ()))
    parts.close()


def hours(low: str, high: str, **more: Any) -> tuple[Rate, Rate]:
    return rate(low, price_window="off_peak", **more), rate(high, price_window="peak", **more)


def test_a_rate_in_another_currency_prices_nothing_not_even_within_bounds(store: BookStore[Rate]) -> None:
    uses = [
        use(number, M, price_window=window, currency_told=currency)
        for number, (window, currency) in enumerate((window, currency) for window in ("peak", EITHER) for currency in ("USD", "CNY", "XXX"))
    ]
    found = price_all(store, book_of([*hours("2", "4")]), uses)
    assert [(row["cost"], row["cost_least"], row["currency"], (row["unpriced_reason"] or "").partition(":")[0]) for row in found] == [
        (Decimal(4), None, "USD", ""),
        (None, None, None, "no rate"),
        (None, None, None, "currency unknown"),
        (None, Decimal(2), "USD", "range"),
        (None, None, None, "no rate"),
        (None, None, None, "currency unknown"),
    ]


def test_uses_of_told_places_hours_and_prices_in_one_table(store: BookStore[Rate]) -> None:
    rates = [
        *hours("2", "4"),
        *hours("0.2", "0.4", kind="cached_input"),
        rate("3", region="us", price_window="peak"),
        rate("10", model="flat"),
        rate("5", model="flat", service_tier="batch"),
        rate("1", model="flat", kind="cached_input"),
        rate("12.5", model="flat", kind="cache_write_5m"),
        rate("20", model="flat", kind="cache_write_1h"),
    ]
    told: dict[str, dict[str, Any]] = {
        "peak": use(0, M, price_window="peak"),
        "us": use(0, M, price_window="peak", region="us"),
        "either": use(0, M, price_window=EITHER),
        "either, cached": use(0, M, kind="cached_input", price_window=EITHER),
        "either, told": use(0, M, kind="cached_input", price_window=EITHER, price_told=Decimal("0.0000004"), currency_told="USD"),
        "told at a price of no book": use(
            0, M, kind="cached_input", price_window=EITHER, price_told=Decimal("0.0000003"), currency_told="USD"
        ),
        "told beside a rate": use(0, M, model="flat", kind="cached_input", price_told=Decimal("0.0000005"), currency_told="USD"),
        "told as the rate": use(0, M, model="flat", kind="cached_input", price_told=Decimal("0.000001"), currency_told="USD"),
        "told in another currency": use(0, M, model="flat", kind="cached_input", price_told=Decimal("0.000001"), currency_told="CNY"),
        "told of an unknown model": use(0, 7, model="zz", price_told=Decimal("0.000000000000000001"), currency_told="CNY"),
        "told without a currency": use(0, 7, price_told=Decimal("1")),
        "told beyond all digits": use(0, 10**15, price_told=Decimal("1"), currency_told="USD"),
        "every hour": use(0, M),
        "batch": use(0, M, model="flat", service_tier="batch"),
        "read": use(0, M, model="flat", kind="cached_input"),
        "written": use(0, M, model="flat", kind="cache_write_5m"),
        "written for an hour": use(0, M, model="flat", kind="cache_write_1h"),
    }
    rows = {row["project_id"]: row for row in price_all(store, book_of(rates), [{**one, "project_id": name} for name, one in told.items()])}

    names = ("cost", "cost_least", "cost_most", "cost_if_uncached", "cost_if_standard")
    money = {name: tuple(row[one] if row[one] is None else float(row[one]) for one in names) for name, row in rows.items()}
    assert money == {
        "peak": (4, None, None, None, None),
        "us": (3, None, None, None, None),
        "either": (None, 2, 4, None, None),
        "either, cached": (None, 0.2, 0.4, None, None),
        "either, told": (0.4, None, None, 4, None),
        "told at a price of no book": (0.3, None, None, None, None),
        "told beside a rate": (0.5, None, None, None, None),
        "told as the rate": (1, None, None, 10, None),
        "told in another currency": (1, None, None, None, None),
        "told of an unknown model": (7e-18, None, None, None, None),
        "told without a currency": (None, None, None, None, None),
        "told beyond all digits": (None, None, None, None, None),
        "every hour": (None, None, None, None, None),
        "batch": (5, None, None, None, 10),
        "read": (1, None, None, 10, None),
        "written": (12.5, None, None, 10, None),
        "written for an hour": (20, None, None, 10, None),
    }
    reasons = {name: row["unpriced_reason"].partition(":")[0] for name, row in rows.items() if row["unpriced_reason"]}
    assert reasons == {
        "either": "range",
        "either, cached": "range",
        "told without a currency": "no currency",
        "told beyond all digits": "too large",
        "every hour": "no rate",
    }
    of_told = rows["either, told"]
    assert (of_told["price"], of_told["per"], of_told["rate_id"], of_told["price_rule"]) == (Decimal("0.0000004"), 1, None, "told")
    assert (of_told["price_window"], of_told["region"], rows["us"]["region"]) == (EITHER, "any", "us")
    assert (rows["either"]["currency"], rows["told of an unknown model"]["currency"], rows["every hour"]["currency"]) == (
        "USD",
        "CNY",
        None,
    )


def test_what_it_would_come_to_is_not_known_of_a_day_on_which_that_price_changes_and_its_own_is(store: BookStore[Rate]) -> None:
    rates = [
        rate("1", kind="cached_input"),
        rate("10", effective_to=moment(1.5)),
        rate("8", effective_from=moment(1.5)),
    ]

    rows = price_all(store, book_of(rates), [use(day, M, kind="cached_input") for day in range(3)])

    assert [(row["cost"], row["cost_if_uncached"]) for row in sorted(rows, key=lambda row: row["usage_date"])] == [
        (1, 10),
        (1, None),
        (1, 8),
    ]
