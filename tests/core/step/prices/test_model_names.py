import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from src.core.step.prices.model_names import ModelNames
from src.core.step.prices.rates import Rate

with (Path(__file__).parent / "told_names.csv").open() as file:
    TOLD = [tuple(line.values()) for line in csv.DictReader(file)]


@pytest.fixture(scope="module")
def names(seed: Sequence[Rate], aliases: Mapping[str, str]) -> ModelNames:
    """OpenAI's names, and those of the other providers' lists."""
    others = {model for _, model, reason in TOLD if reason == "exact"}
    return ModelNames(
        frozenset({rate.model for rate in seed} | others),
        {**aliases, "claude-opus-4": "claude-opus-4-0", "claude-sonnet-4": "claude-sonnet-4-0"},
    )


@pytest.mark.parametrize(("told", "model", "reason"), TOLD, ids=[told for told, *_ in TOLD])
def test_a_name_is_resolved_by_the_rules_that_it_names(names, told, model, reason):
    found = names.resolve(told)

    assert (found.model or "", found.reason) == (model, reason)


def test_every_name_of_the_seed_is_priced_as_it_stands(names, seed):
    for rate in seed:
        assert (names.resolve(rate.model).model, names.resolve(rate.model).reason) == (rate.model, "exact")


def test_every_alias_is_needed_and_leads_to_a_name_of_the_seed(seed, aliases):
    priced = {rate.model for rate in seed}
    without = {alias: ModelNames(priced, {name: model for name, model in aliases.items() if name != alias}) for alias in aliases}

    assert set(aliases.values()) <= priced
    assert not priced & aliases.keys()
    # one that the rules find as well would be found by two ways, and these may come to differ
    assert not [alias for alias, names in without.items() if names.resolve(alias).model is not None]


def test_where_it_is_served_is_told(names):
    assert names.resolve("eu.gpt-4.1-2025-04-14").region == "eu"
    assert names.resolve("us.anthropic.claude-opus-4-5-20251101-v1:0").region == "us"
    assert names.resolve("gpt-4.1").region is None


def test_a_snapshot_with_a_price_of_its_own_comes_before_its_model():
    names = ModelNames({"m", "m-2026-01-02", "eu.m"})

    assert [names.resolve(told).model for told in ("m-2026-01-02", "m-2026-01-03", "us.m-2026-01-02", "eu.m", "us.m")] == [
        *("m-2026-01-02", "m", "m-2026-01-02", "eu.m", "m"),
    ]


def test_a_model_trained_by_a_customer_is_never_priced_as_what_it_was_trained_from():
    untuned = ModelNames({"gpt-4o", "gpt-4o-2024-08-06"}, {"ft:gpt-4o": "gpt-4o"})
    for told in (
        "ft:gpt-4o:acme::7p4lURel",
        "ft:gpt-4o-2024-08-06:acme::7p4lURel:ckpt-step-88",
        "gpt-4o.ft-1",
        "us.ft:gpt-4o:a",
        "ft:gpt-4o",
        "FT:gpt-4o:a::b",
    ):
        assert untuned.resolve(told).model is None
        assert "fine_tuned" in untuned.resolve(told).reason


parts = st.sampled_from(
    [
        "ft:",
        "eu.",
        "us.",
        "models/",
        "openai/",
        "anthropic.",
        "gpt-4o",
        "gpt-5.4",
        "o3",
        ":",
        "-latest",
        "-2026-03-05",
        "-20260305",
        "@20260305",
        "-v1:0",
        ".ft-",
        "x",
        " ",
    ]
)
anything = st.one_of(st.text(max_size=80), st.lists(parts, max_size=12).map("".join))


@given(anything)
@example("us." * 99)
@example("gpt-4o" + "-latest" * 40)
@example("us." * 40 + "x" + "-latest" * 20)
@example("gpt-4o-2026-02-30")
@example("gpt-4o-2026-03-0\uff15")
def test_any_text_has_one_answer_which_is_a_name_of_the_book_or_none(names, told):
    found = names.resolve(told)

    assert found == names.resolve(told)
    assert found.model is None or found.model in names.priced
    if found.model is not None:
        again = names.resolve(found.model)
        assert (again.model, again.reason) == (found.model, "exact")
        tuned = "ft:" in found.model or ".ft-" in found.model
        assert tuned == ("ft:" in told.lower().strip() or ".ft-" in told.lower()) or found.reason == "exact"


@given(st.lists(parts, min_size=1, max_size=8).map("".join))
def test_the_order_of_the_book_makes_no_difference(told):
    priced = ["gpt-4o", "gpt-5.4", "o3", "gpt-4o-2026-03-05", "ft:gpt-4o"]

    assert ModelNames(priced).resolve(told) == ModelNames(frozenset(reversed(priced))).resolve(told)
