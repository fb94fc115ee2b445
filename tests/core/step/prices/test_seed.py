"""The seeds: that they are whole, and that they say nothing twice."""

import shutil
from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from src.core.base.faults import Misconfigured
from src.core.step.prices.book import Book
from src.core.step.prices.changes import Release, Reset
from src.core.step.prices.forms import file_columns, write_csv
from src.core.step.prices.model_names import ModelNames
from src.core.step.prices.rates import ALWAYS, PlanRate, Rate, begin, end
from src.core.step.prices.seeds import PriceSeed
from src.core.step.prices.timeline import clashes
from tests.core.step.prices.books import day
from tests.core.step.prices.conftest import SEED

# rates that are known since a day only, and nobody tells what was before: usage of those days is unpriced, not guessed
BEGIN_UNKNOWN = {
    *(
        (model, tier)
        for model in ("gpt-5.6-luna", "gpt-5.6-sol", "gpt-5.6-terra")
        for tier in ("standard", "batch", "flex", "priority", "fast")
    ),
    *(("o3", tier) for tier in ("batch", "flex", "priority", "fast")),
    ("gpt-5.5-cyber", "standard"),
}
# a price of its own, and none for cached input
NOT_LIKE_ITS_MODEL = {"gpt-4o-2024-05-13"}


def test_no_two_rates_of_the_seed_are_of_one_moment(seed: Sequence[Rate]):
    assert not list(clashes(seed))
    assert len({rate.rate_id for rate in seed}) == len(seed)


def test_every_rate_has_a_source_and_the_day_on_which_it_was_read(seed):
    assert not [rate for rate in seed if not rate.source or rate.source_date is None or not date(2026, 11, 1) <= rate.source_date]
    assert not [rate for rate in seed if rate.currency != "USD" or rate.provider != "openai" or rate.region != "any"]


def test_the_time_of_a_rate_has_no_gap(seed):
    lines = defaultdict(list)
    for rate in sorted(seed, key=begin):
        lines[rate.axes].append(rate)

    for line in lines.values():
        assert all(end(one) == begin(two) for one, two in pairwise(line))
        assert line[-1].effective_to is None or line[0].service_tier in ("batch", "flex", "priority")
        assert begin(line[0]) == ALWAYS or (line[0].model, line[0].service_tier) in BEGIN_UNKNOWN


def test_a_text_rate_of_every_day_of_two_years_is_known(seed):
    known = {rate.axes for rate in seed if begin(rate) == ALWAYS}
    kinds = {"input", "output"}
    unknown = {rate.axes for rate in seed if rate.axes not in known and rate.token_kind in kinds and rate.service_tier == "standard"}

    assert not unknown


def test_what_an_image_model_puts_out_counts_once(seed):
    at_once = defaultdict(set)
    for rate in seed:
        at_once[rate.model, rate.service_tier, rate.prompt_tokens_over, rate.effective_from].add((rate.token_kind, rate.price))
    prices = [dict(kinds) for kinds in at_once.values()]

    assert not [kinds for kinds in prices if "image_output" in kinds and kinds.get("output") == kinds["image_output"]]
    assert not [kinds for kinds in prices if "audio_output" in kinds and kinds.get("output") == kinds["audio_output"]]


def test_a_snapshot_with_rates_of_its_own_has_all_that_its_model_has(seed):
    kinds = defaultdict(set)
    for rate in seed:
        kinds[rate.model].add(rate.axes[2:])
    lacking = {
        model
        for model in kinds
        if (other := ModelNames(kinds.keys() - {model}).resolve(model)).reason == "snapshot" and kinds[other.model or ""] - kinds[model]
    }

    assert lacking == NOT_LIKE_ITS_MODEL


def test_the_seed_is_a_book(seed):
    book: Book[Rate] = Book()
    book = book.after(book.change(Reset(seed), day(0)))

    assert len(book.rates) == len(seed)
    assert not book.change(Release(seed), day(1)).changes


def test_the_files_are_as_they_are_written(seeded: PriceSeed):
    assert {one.plan_name for one in seeded.plans if one.price is None} >= {"ChatGPT Enterprise", "ChatGPT Edu"}
    assert all(one.source and one.source_date for one in seeded.plans)
    assert write_csv(Rate, seeded.rates) == (SEED / "data/default_pricing.csv").read_text()
    assert write_csv(PlanRate, seeded.plans) == (SEED / "data/default_subscriptions.csv").read_text()
    assert "origin" not in file_columns(Rate)


@pytest.mark.parametrize(
    ("file", "line", "told"),
    [
        ("default_pricing.csv", "openai,ada,input,standard,0,any,any,0.5,1000000,token,USD,,,x,2026-11-28,", "is told twice"),
        (
            "default_pricing.csv",
            "openai,ada,inptu,standard,0,any,any,0.5,1,token,USD,,,x,2026-11-28,",
            ":1162: token_kind: there is no kind",
        ),
        (
            "default_subscriptions.csv",
            "openai,Plus,week,20,user,,,,USD,,,x,2026-11-28,",
            ":15: billing_period: is one of",
        ),
        ("model_aliases.csv", "gpt-4-0613,gpt-4", "a line is alias, model, source, source_date"),
    ],
)
def test_a_seed_that_is_wrong_is_told_by_its_line(tmp_path: Path, file: str, line: str, told: str):
    shutil.copytree(SEED / "data", tmp_path / "data")
    path = tmp_path / "data" / file
    path.write_text(f"{path.read_text()}{line}\n")

    with pytest.raises(Misconfigured) as wrong:
        PriceSeed.load(tmp_path / "data")
    assert told in str(wrong.value)


def test_the_names_of_a_book_are_resolved_by_the_aliases_of_the_seed(seeded: PriceSeed):
    book = [rate for rate in seeded.rates if rate.model == "gpt-4"]

    assert seeded.names().resolve("gpt-4-0613").model == "gpt-4"
    assert [seeded.names(book).resolve(told).model for told in ("gpt-4-0613", "gpt-4o")] == ["gpt-4", None]
    assert seeded.names([]).resolve("gpt-4").model is None
