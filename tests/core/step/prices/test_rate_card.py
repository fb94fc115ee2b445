import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from src.core.base.faults import Misconfigured
from src.core.step.prices.price_list import PriceList, Use
from src.core.step.prices.rate_card import RATES, rate_card
from src.core.step.prices.rates import ALWAYS, LARGEST, Rate
from tests.core.step.prices.books import day, rate
from tests.core.step.prices.pricing import KINDS, NAMES, OTHER_KINDS, TIERS, book_of, random_rates, seed_named

UNITS = {"characters": "character", "call": "call", "session": "session", "duration": "second", "image": "image", "image_16x16": "image"}
ELSE = {"image_input": "input", "cached_image_input": "cached_input", "image_16x16": "image"}
BOOKS = 10


def use(model: str | None = "m", kind: str = "input", tier: str = "standard", unit: str | None = None) -> dict[str, Any]:
    told = unit or ("byte" if "storage" in kind else UNITS.get(kind, "token"))
    return {"model": model, "service_tier": tier, "token_kind": kind, "kind_else": ELSE.get(kind), "unit": told}


def rows(rates: Sequence[Rate], *uses: Mapping[str, Any], absent: str | None = None) -> Sequence[Mapping[str, Any]]:
    return rate_card(uses or (use(),), seed_named(), book_of(rates), absent).rows


def reasons(rates: Sequence[Rate], **told: Any) -> list[str | None]:
    return [row["unpriced_reason"] for row in rows(rates, use(**told))]


def test_the_card_says_at_every_moment_what_the_price_list_says():
    looked_up = found = 0
    for seed in range(BOOKS):
        chance = random.Random(seed)
        rates = random_rates(chance)
        lists = PriceList(rates)
        known = {(one.model, one.token_kind) for one in rates}
        for told, (model, _) in NAMES.items():
            kind, tier = chance.choice((*KINDS, *OTHER_KINDS)), chance.choice((*TIERS, "turbo"))
            charged = ELSE[kind] if (model, kind) not in known and (model, ELSE.get(kind)) in known else kind
            card = rows(rates, use(told, kind, tier))
            for _ in range(60):
                at = chance.choice((ALWAYS, day(99_999), day(chance.randint(-2, 14) / 2), day(chance.uniform(-1, 7))))
                prompt = chance.choice((0, 1, 1_000, 1_001, 200_000, 200_001, LARGEST, chance.randint(1, 300_000)))
                [row] = [
                    one for one in card if one["valid_from"] <= at < one["valid_to"] and one["over_from"] < max(prompt, 1) <= one["over_to"]
                ]
                region = "eu" if str(told).startswith("eu.") else "any"
                wanted = lists.rate(Use("openai", model, charged, tier, prompt, region=region), at)
                assert row.get("rate_id") == (wanted and wanted.rate_id), (seed, told, kind, tier, at, prompt)
                assert (row["unpriced_reason"] is None) == (wanted is not None)
                looked_up, found = looked_up + 1, found + (wanted is not None)
    assert found > looked_up / 5 > 900


def test_a_row_has_what_the_relation_has():
    [row] = rows([rate("2.5")], use("m-2026-03-05"))

    assert row.keys() <= set(RATES.columns)
    assert (row["model"], row["name_rule"], row["unit_price"], row["price_rule"]) == ("m", "snapshot", Decimal("0.0000025"), "snapshot")


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"model": "zz"}, "model unknown: the price book has none of this name"),
        ({"model": None}, "model unknown: usage names none"),
        ({"model": "ft:m:acme::1"}, "model unknown: the price book has no fine-tuned rates of what this was trained from"),
        ({"kind": "input_unknown"}, "kind unknown: input_unknown is no kind of use that has a price"),
        ({"tier": "turbo"}, "no rate: m has none in the tier turbo"),
        ({"kind": "audio_input"}, "no rate: m has none of audio_input in the tier standard"),
        ({"kind": "image", "unit": "byte"}, "unit unknown: the rate is by the image, and this is counted by the byte"),
        ({"kind": "call"}, "not exact: a price for 1099511627777 of call is more than can be reckoned to the last digit"),
    ],
)
def test_what_has_no_price_says_why(told, reason):
    odd = rate("0.123456789012345679", kind="call", per=2**40 + 1)

    assert reasons([rate(1), rate(2, kind="image"), odd], **told) == [reason]


def test_a_gap_in_time_is_told_by_its_ends():
    rates = [rate(1, 2, 3), rate(2, 5, 6)]

    assert reasons(rates) == [
        "no rate: m has none of input in the tier standard before 2026-11-03T00:00:00Z",
        None,
        "no rate: m has none of input in the tier standard before 2026-11-06T00:00:00Z",
        None,
        "no rate: m has none of input in the tier standard since 2026-11-07T00:00:00Z",
    ]


def test_without_a_book_nothing_has_a_price_and_it_is_told_why():
    assert [row["unpriced_reason"] for row in rows([], absent="there is no table")] == ["no price book: there is no table"]


def test_another_kind_is_charged_only_where_the_book_has_none_of_this_one():
    images = rate(8, 3, kind="image_input")

    assert [row["price_rule"] for row in rows([rate(1)], use(kind="image_input"))] == ["exact+kind_else"]
    # the book knows what images cost, and not what they cost before
    assert [row.get("price") for row in rows([rate(1), images], use(kind="image_input"))] == [None, 8]
    assert [row.get("price") for row in rows([rate(1), images, rate(1, service_tier="flex")], use(kind="image_input", tier="flex"))] == [
        None
    ]


def test_what_prompts_of_unknown_length_may_cost_is_told_by_the_dearest_step():
    steps = [rate(1), rate(3, prompt_tokens_over=100), rate(2, prompt_tokens_over=500)]
    short, *longer = rows(steps)

    assert (short["over_to"], short["doubt_over"], short["long_unit_price"]) == (100, 100, Decimal("0.000003"))
    assert [(row["over_from"], row["price"], row["doubt_over"], row["price_rule"]) for row in longer] == [
        (100, 3, LARGEST, "exact+long"),
        (500, 2, LARGEST, "exact+long"),
    ]


@pytest.mark.parametrize(
    ("others", "over"),
    [
        ([rate(2, prompt_tokens_over=100, kind="output")], 100),  # of this kind nobody says
        ([rate(2, prompt_tokens_over=200, service_tier="flex")], 200),  # of this tier nobody says
        ([rate(1, prompt_tokens_over=100)], LARGEST),  # it costs the same
        ([rate(2, prompt_tokens_over=100, model="other")], LARGEST),
    ],
)
def test_long_prompts_that_nobody_tells_of_are_in_doubt_and_have_no_price_of_their_own(others, over):
    short = rows([rate(1), *others])[0]

    assert (short["price"], short["doubt_over"], "long_unit_price" in short) == (1, over, False)


def test_a_step_that_ended_is_no_doubt_any_more():
    found = rows([rate(1), rate(2, None, 3, prompt_tokens_over=100)])

    assert [(row["valid_from"], row["over_from"], row["doubt_over"]) for row in found] == [
        (ALWAYS, 0, 100),
        (ALWAYS, 100, LARGEST),
        (day(3), 0, LARGEST),
    ]


def test_rates_that_go_on_as_they_were_are_one_row():
    others = [rate(1, 0, 1, kind="output"), rate(2, 1, 2, kind="output"), rate(3, 4, kind="output", service_tier="flex")]

    assert len(rows([rate(1), *others])) == 1


@pytest.mark.parametrize(
    ("unit", "factor", "each"), [("second", 1, "0.6"), ("minute", 60, "0.01"), ("hour", 3_600, "0.000166666666666666")]
)
def test_a_length_is_charged_by_the_unit_of_its_rate(unit, factor, each):
    [row] = rows([rate("0.6", kind="duration", unit=unit, per=1)], use(kind="duration"))

    assert (row["unit_factor"], row["unit_price"], Decimal(row["rest"]) / row["rest_of"]) == (
        factor,
        Decimal(each),
        Decimal(2) / 3 if unit == "hour" else 0,
    )


def test_a_region_that_the_name_tells_has_its_own_rate():
    rates = [rate(1), rate("1.1", region="eu")]

    assert [row["price"] for row in rows(rates, use("eu.m"), use("us.m"), use("m"))] == [Decimal("1.1"), 1, 1]


def test_a_use_that_is_told_in_two_ways_is_refused():
    with pytest.raises(Misconfigured, match="m standard image_input in two ways"):
        rows([rate(1)], use(kind="image_input"), {**use(kind="image_input"), "kind_else": None})


def test_the_moment_of_a_change_is_told():
    first, _ = rows([rate(1, None, 1.5), rate(2, 1.5)])

    assert first["valid_to"] == day(1) + timedelta(hours=12)
    assert first["change_reason"].startswith("rate changed: at 2026-11-02T12:00:00Z, within the time")


def test_of_several_hours_that_charge_alike_the_rate_is_known():
    rates = [rate(1, price_window="peak"), rate(1, price_window="off_peak"), rate(9, price_window="night")]

    assert [row["price"] for row in rows(rates, {**use(), "price_window": "off_peak|peak"})] == [1]


def test_a_range_goes_from_the_least_rate_to_the_dearest_of_any_length_and_has_no_end_where_one_is_unknown():
    short = [rate(1, price_window="off_peak"), rate(2, price_window="peak")]
    longer = [rate(3, price_window=window, prompt_tokens_over=100) for window in ("off_peak", "peak")]
    asked = {**use(), "price_window": "off_peak|peak"}
    ends = lambda rates: next((row.get("least_price"), row.get("most_price")) for row in rows(rates, asked))  # noqa: E731
    of = lambda price: Decimal(price) / 1_000_000  # noqa: E731

    assert ends(short) == (of(1), of(2))
    assert ends([*short, *longer]) == (of(1), of(3))
    assert ends([*short, rate(4, kind="output", prompt_tokens_over=100)]) == (of(1), None)
    assert ends([rate(1, price_window="peak")]) == (None, None)


def test_hours_in_two_currencies_are_no_range():
    rates = [rate(1, price_window="peak"), rate(2, price_window="off_peak", currency="CNY")]

    [row] = rows(rates, {**use(), "price_window": "off_peak|peak"})
    assert (row["unpriced_reason"].partition(":")[0], row.get("least_price")) == ("no one currency", None)


def hourly_rates(chance: random.Random) -> list[Rate]:
    """At no moment two on the same axes; gaps in hours, places, tiers and kinds."""
    found = []
    for kind in ("input", "cached_input", "output"):
        for tier in ("standard", "batch"):
            for window in ("any", "peak", "off_peak"):
                for region in ("any", "us"):
                    turns = [None, *chance.choice(([], [2], [1.5, 4])), None]
                    found += [
                        rate(chance.choice((1, 2, 3)), *span, kind=kind, service_tier=tier, price_window=window, region=region)
                        for span in pairwise(turns)
                        if chance.random() < 0.7
                    ]
    return found


def listed(prices: PriceList, at: datetime, region: str, *axes: str) -> Decimal | None:
    """Of one token, by kind, tier and window."""
    kind, tier, window = axes
    found = prices.rate(Use("openai", "m", kind, tier, price_window=window, region=region), at)
    return None if found is None else found.price / 1_000_000


@pytest.mark.parametrize("windows", ["any", "peak", "off_peak|peak"])
def test_what_a_use_is_charged_and_would_be_charged_as_another_is_what_the_price_list_says(windows: str):
    ranges = beside = 0
    for seed in range(40):
        chance = random.Random(seed)
        rates = hourly_rates(chance)
        prices = PriceList(rates)
        kind, tier, region = chance.choice(("input", "cached_input")), chance.choice(("standard", "batch")), chance.choice(("any", "us"))
        card = rows(rates, {**use(kind=kind, tier=tier), "region": region, "price_window": windows})
        for _ in range(20):
            at = day(chance.uniform(-1, 6))
            [row] = [one for one in card if one["valid_from"] <= at < one["valid_to"]]

            asked = partial(listed, prices, at, region)
            every = {window: asked(kind, tier, window) for window in windows.split("|")}
            told = [price for price in every.values() if price is not None]
            whole = len(told) == len(every)
            # of one price, and of both ends of several
            assert row.get("unit_price") == (told[0] if whole and len(set(told)) == 1 else None), (seed, at)
            ends = (min(told), max(told)) if whole and len(set(told)) > 1 else (None, None)
            assert (row.get("least_price"), row.get("most_price")) == ends, (seed, at)
            plain = {asked("input", tier, window) for window, price in every.items() if price in (told[:1] if None in ends else ends[:1])}
            if kind == "cached_input" and whole:
                assert row.get("uncached_price") in plain, (seed, at)
            if whole and None in ends and tier == "batch":
                assert row.get("standard_price") in {asked(kind, "standard", window) for window in every}, (seed, at)
            assert row["rate_until"] >= row["valid_to"]
            ranges, beside = ranges + (None not in ends), beside + ("uncached_price" in row)
    assert beside > 50
    assert (ranges > 50) == ("|" in windows)
