"""The seeds of Anthropic and DeepSeek: whole, dated, and by the rules that their providers tell."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from src.core.base.schema import TableSchema
from src.core.step.prices.forms import write_csv
from src.core.step.prices.rates import PlanRate, Rate, begin, end
from src.core.step.prices.seeds import PriceSeed
from src.core.step.prices.timeline import clashes

CONFIGS = Path(__file__).resolve().parents[4] / "configs"
PROVIDERS = ("anthropic", "deepseek")


def seed_of(provider: str) -> PriceSeed:
    return PriceSeed.load(CONFIGS / provider / "seed/data")


ANTHROPIC, DEEPSEEK = (seed_of(name).rates for name in PROVIDERS)


def rate_at(rates: Sequence[Rate], moment: str, model: str, kind: str, **axes: object) -> Decimal | None:
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    wanted = {"service_tier": "standard", "prompt_tokens_over": 0, "price_window": "any", "region": "any", **axes}
    found = [
        rate.price
        for rate in rates
        if (rate.model, rate.token_kind) == (model, kind)
        and all(getattr(rate, name) == value for name, value in wanted.items())
        and begin(rate) <= at < end(rate)
    ]
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_seed_says_nothing_twice_and_whence_it_knows(provider: str):
    seed = seed_of(provider)

    assert not list(clashes(seed.rates))
    assert not [rate for rate in seed.rates if not rate.source or rate.source_date is None]
    assert write_csv(Rate, seed.rates) == (CONFIGS / provider / "seed/data/default_pricing.csv").read_text()
    assert write_csv(PlanRate, seed.plans) == (CONFIGS / provider / "seed/data/default_subscriptions.csv").read_text()
    assert seed.plans == ()
    assert set(seed.aliases.values()) <= {rate.model for rate in seed.rates}
    assert not set(seed.aliases) & {rate.model for rate in seed.rates}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("book", ["pricing", "subscriptions"])
def test_its_tables_have_the_columns_of_every_book(provider: str, book: str):
    told, openai = (TableSchema.load(next((CONFIGS / name / "seed/schemas").glob(f"*_{book}.json"))) for name in (provider, "openai"))

    assert told.name == f"{provider}_{book}"
    assert [(one.name, one.type, one.mode) for one in told.fields] == [(one.name, one.type, one.mode) for one in openai.fields]


@pytest.mark.parametrize("rates", [ANTHROPIC, DEEPSEEK], ids=PROVIDERS)
def test_the_time_of_a_rate_has_no_gap(rates: Sequence[Rate]):
    lines = defaultdict(list)
    for rate in sorted(rates, key=begin):
        lines[rate.axes].append(rate)

    assert all(end(one) == begin(two) for line in lines.values() for one, two in pairwise(line))


def test_serving_in_one_country_is_a_tenth_dearer_and_batch_half_as_dear():
    by = {(rate.axes, rate.effective_from): rate for rate in ANTHROPIC}

    def other(rate: Rate, **axes: object) -> Rate | None:
        return by.get((rate.but(**axes).axes, rate.effective_from))

    priced = [rate for rate in ANTHROPIC if rate.model != "web-search"]
    at_home = [rate for rate in priced if rate.region == "us"]
    assert len(at_home) * 2 == len(priced)
    assert all(rate.price == usual.price * Decimal("1.1") for rate in at_home if (usual := other(rate, region="any")))
    assert all(other(rate, region="any") for rate in at_home)
    batch = [rate for rate in priced if rate.service_tier == "batch"]
    assert all(rate.price * 2 == usual.price for rate in batch if (usual := other(rate, service_tier="standard")))
    assert batch
    assert all(other(rate, service_tier="standard") for rate in batch)
    fast = [rate for rate in priced if rate.service_tier == "fast" and rate.model in ("claude-opus-5-5", "claude-fable-5-2")]
    assert len(fast) == 20
    assert all(other(rate, service_tier="standard") for rate in fast)
    assert all(rate.price == usual.price * 2 for rate in fast if (usual := other(rate, service_tier="standard")))


@pytest.mark.parametrize(
    ("moment", "model", "kind", "axes", "expected"),
    [
        ("2026-10-06T23:59", "claude-sonnet-5-5", "cached_input", {}, "0.2"),
        ("2026-10-07T00:00", "claude-sonnet-5-5", "cached_input", {}, "0.1"),
        ("2026-10-06T23:59", "claude-sonnet-5-5", "cached_input", {"service_tier": "batch", "region": "us"}, "0.11"),
        ("2026-03-12T23:59", "claude-opus-4-6", "output", {"prompt_tokens_over": 200_000}, "37.5"),
        ("2026-03-13T00:00", "claude-opus-4-6", "output", {"prompt_tokens_over": 200_000}, None),
        ("2026-03-12T12:00", "claude-opus-4-6", "input", {"prompt_tokens_over": 200_000, "service_tier": "batch"}, "5"),
        ("2026-04-30T00:00", "claude-sonnet-4-5", "input", {"prompt_tokens_over": 200_000}, None),
        ("2026-11-01T00:00", "claude-haiku-5-5", "cache_write_1h", {"prompt_tokens_over": 100_000}, "1"),
        ("2026-11-01T00:00", "claude-opus-4-1", "output", {"service_tier": "batch"}, "37.5"),
        ("2026-11-01T00:00", "web-search", "call", {}, "10"),
        ("2026-11-01T00:00", "code-execution", "call", {}, None),
    ],
)
def test_what_anthropic_asks_at_a_moment(moment: str, model: str, kind: str, axes: dict[str, object], expected: str | None):
    assert rate_at(ANTHROPIC, moment, model, kind, **axes) == (expected and Decimal(expected))


@pytest.mark.parametrize(
    ("moment", "model", "axes", "expected"),
    [
        ("2026-08-16T15:59", "deepseek-v4-pro", {}, "0.435"),
        ("2026-08-16T16:00", "deepseek-v4-pro", {}, None),
        ("2026-08-16T15:59", "deepseek-v4-pro", {"price_window": "peak"}, None),
        ("2026-08-16T16:00", "deepseek-v4-pro", {"price_window": "peak"}, "1.32"),
        ("2026-08-20T12:00", "deepseek-v4-flash", {"price_window": "off_peak"}, "0.22"),
        ("2026-09-10T00:00", "deepseek-v4-flash", {"price_window": "off_peak"}, "0.15"),
        ("2026-09-14T03:59", "deepseek-v4-pro", {"price_window": "peak_as_flash"}, None),
        ("2026-09-14T04:00", "deepseek-v4-pro", {"price_window": "peak_as_flash"}, "0.3"),
        ("2026-09-14T04:00", "deepseek-v4-pro", {"price_window": "off_peak_as_flash", "region": "cn"}, "1"),
        ("2026-11-02T00:00", "deepseek-v4-pro", {"price_window": "off_peak_as_flash"}, None),
        ("2026-11-02T00:00", "deepseek-v4-pro", {"price_window": "peak", "region": "cn"}, "9"),
        ("2026-08-20T12:00", "deepseek-v4-flash", {"price_window": "peak", "region": "cn"}, "3"),
        ("2025-12-31T12:00", "deepseek-chat", {}, None),
        ("2026-07-24T15:58", "deepseek-chat", {}, "0.28"),
    ],
)
def test_what_deepseek_asks_for_input_at_a_moment(moment: str, model: str, axes: dict[str, object], expected: str | None):
    assert rate_at(DEEPSEEK, moment, model, "input", **axes) == (expected and Decimal(expected))


def test_whoever_pays_in_another_currency_has_rates_of_its_own():
    assert {(rate.region, rate.currency) for rate in DEEPSEEK} == {("any", "USD"), ("cn", "CNY")}
    assert {(rate.price, rate.per, rate.unit) for rate in DEEPSEEK if rate.token_kind == "call"} == {(Decimal(5), 1000, "call")}
    assert {rate.currency for rate in ANTHROPIC} == {"USD"}


@pytest.mark.parametrize(
    ("told", "model"),
    [
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("claude-opus-4-20250514", "claude-opus-4-0"),
        ("claude-3-5-haiku-20241022", "claude-3-5-haiku-latest"),
        ("claude-sonnet-4.5", "claude-sonnet-4-5"),
        ("anthropic.claude-opus-4-5-20251101-v1:0", "claude-opus-4-5"),
        ("claude-nova-1-20260901", None),
    ],
)
def test_names_of_models_are_found(told: str, model: str | None):
    assert seed_of("anthropic").names().resolve(told).model == model
    assert seed_of("deepseek").names().resolve("deepseek-v4-flash-vision-exp").model == "deepseek-v4-flash"
