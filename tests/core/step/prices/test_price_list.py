from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from src.core.step.prices.price_list import PriceList, Use
from src.core.step.prices.rates import Rate
from tests.core.step.prices.books import day, rate

LATER = day(5)


def price(rates: list[Rate], at: datetime = LATER, token_kind: str = "input", **use: Any) -> Decimal | None:
    found = PriceList(rates).rate(Use("openai", "m", token_kind, **use), at)
    return None if found is None else found.price


def test_a_rate_is_for_its_time_the_end_apart():
    rates = [rate(1, None, 5), rate(2, 5, 6)]

    assert [price(rates, day(number)) for number in (-999, 4.999999, 5, 5.999999, 6)] == [1, 1, 2, 2, None]


def test_a_long_prompt_is_charged_as_a_whole_by_the_highest_step_that_it_is_over():
    steps = [rate(1), rate(2, prompt_tokens_over=272_000), rate(3, prompt_tokens_over=500_000)]

    assert [price(steps, prompt_tokens=number) for number in (0, 272_000, 272_001, 500_000, 500_001)] == [1, 1, 2, 2, 3]


def test_a_kind_without_a_rate_for_long_prompts_is_not_charged_as_a_short_one():
    rates = [rate(1), rate(2, prompt_tokens_over=272_000), rate("0.5", kind="cached_input")]

    assert price(rates, token_kind="cached_input", prompt_tokens=1_000) == Decimal("0.5")
    assert price(rates, token_kind="cached_input", prompt_tokens=300_000) is None


def test_the_lengths_at_which_a_rate_may_be_another_are_those_that_stand():
    rates = [rate(1), rate(2, 2, prompt_tokens_over=100, kind="output"), rate(3, prompt_tokens_over=500, region="eu"), rate(4, model="n")]

    found = [
        PriceList(rates).steps(Use("openai", "m", "input", region=region), day(at)) for region, at in (("any", 1), ("any", 2), ("eu", 2))
    ]
    assert found == [[0], [0, 100], [0, 100, 500]]


def test_an_image_may_have_a_price_by_its_size():
    sized = rate("0.04", kind="image_1024x1024")

    assert (sized.unit, sized.per, list(sized.flaws())) == ("image", 1, [])
    assert [flaw.field for kind in ("image_big", "image_1024x1024x2") for flaw in rate(1, kind=kind, unit="image").flaws()] == [
        "token_kind"
    ] * 2
    assert [flaw.field for flaw in rate(1, kind="image_1024x1024", unit="token").flaws()] == ["unit"]


def test_tiers_are_not_made_of_each_other():
    assert price([rate(1)], service_tier="batch") is None


def test_a_window_has_its_own_rate_and_a_day_without_its_hours_has_none():
    rates = [rate(1, None, 3), rate(2, 3, price_window="peak"), rate("0.5", 3, price_window="off_peak")]

    assert [price(rates, day(2), price_window=window) for window in ("peak", "off_peak", "any")] == [1, 1, 1]
    assert [price(rates, price_window=window) for window in ("peak", "off_peak", "any")] == [2, Decimal("0.5"), None]


def test_a_region_of_its_own_comes_before_any():
    rates = [rate(1), rate("1.1", region="eu")]

    assert [price(rates, region=region) for region in ("eu", "us", "any")] == [Decimal("1.1"), 1, 1]


@pytest.mark.parametrize(
    ("quantity", "cost"), [(1, "0.0000025"), (10**30 + 1, "2500000000000000000000000.0000025"), (400_000, "1"), (Decimal("1e9"), "2500")]
)
def test_a_cost_is_exact(quantity, cost):
    assert rate("2.5").of(quantity) == Decimal(cost)


@pytest.mark.parametrize(
    ("model", "kind", "at", "cost"),
    [
        ("o3", "input", "2025-06-09", "10"),
        ("o3", "cached_input", "2025-06-09", "2.5"),
        ("o3", "input", "2025-06-10", "2"),
        ("gpt-5.6-sol", "output", "2026-08-20", "30"),
        ("gpt-5.6-sol", "output", "2026-08-21", "20"),
        ("gpt-5.6-luna", "cache_write_30m", "2026-07-29", "1.25"),
        ("gpt-5.5-cyber", "cached_input", "2026-10-18", None),
        ("gpt-5.5-cyber", "cached_input", "2026-10-19", "1.25"),
        ("web-search", "call", "2026-11-01", "10"),
        ("moderation", "input", "2026-11-01", "0"),
    ],
)
def test_a_day_is_priced_by_the_rate_of_that_day(seed, model, kind, at, cost):
    found = PriceList(seed).rate(Use("openai", model, kind), datetime.fromisoformat(at).replace(tzinfo=UTC))

    assert (found and found.price) == (cost and Decimal(cost))
