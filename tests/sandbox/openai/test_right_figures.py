"""Right figures are what the sandbox's reports say and what the seed of prices asks, counted another way."""

import csv
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from src.core.base.settings import ROOT
from src.sandbox.openai.organizations import ORGANIZATIONS
from src.sandbox.openai.right_figures import RightFigure, right_figures
from src.sandbox.openai.traps import TwoReadings, noon, traps
from tests.sandbox.conftest import TODAY
from tests.sandbox.openai.conftest import Ask
from tests.sandbox.openai.days import DAY, FIRST

NOW = datetime(TODAY.year, TODAY.month, TODAY.day, 9, 30, tzinfo=UTC)
DAY_ONE = date(2026, 11, 10)
SEED = ROOT / "configs" / "openai" / "seed" / "data" / "default_pricing.csv"
KINDS = {
    "text": "input",
    "audio": "audio_input",
    "cached": "cached_input",
    "cached_audio": "cached_audio_input",
    "write_30m": "cache_write_30m",
    "write_12h": "cache_write_12h",
    "out": "output",
    "audio_out": "audio_output",
    "image_out": "image_output",
    "input_tokens": "input",
}
TOOLS = {
    "web_search_calls": "web-search",
    "file_search_calls": "file-search",
    "code_interpreter_sessions": "code-interpreter",
    "vector_stores": "vector-storage",
}
# of each unit of the report so many are one of the rate's
FACTORS = {"minute": 60, "gb_day": 24}


@pytest.mark.parametrize("name", ["demo", "midday", "late", "restated", "discount", "idle"])
def test_what_is_charged_is_what_the_cost_report_says(ask: Ask, name: str):
    answer = ask("costs", name, start_time=FIRST, end_time=FIRST + 11 * DAY, limit=31, **{"group_by[]": ["line_item", "project_id"]})
    told: defaultdict[tuple[int, str, str], Decimal] = defaultdict(Decimal)
    for bucket in answer.json()["data"]:
        for row in bucket["results"]:
            told[bucket["start_time"], row["line_item"], row["project_id"]] += Decimal(row["amount"]["value"])

    known = right_figures(ORGANIZATIONS[name], DAY_ONE, DAY_ONE + timedelta(10), NOW)
    charged: defaultdict[tuple[int, str, str], Decimal] = defaultdict(Decimal)
    for one in known.figures:
        if one.charged is not None:
            at = FIRST + (one.day - DAY_ONE).days * DAY
            charged[at, one.line_item, ORGANIZATIONS[name].named("proj", one.project)] += one.charged

    assert {key: round(amount, 14) for key, amount in charged.items()} == told
    assert sum(known.causes.values()) == known.charged - known.listed
    assert bool(told) == (name != "idle")


@pytest.mark.parametrize("first", [date(2025, 6, 8), date(2026, 7, 28), date(2026, 11, 9)], ids=str)
def test_what_the_list_asks_is_what_the_seed_asks(first: date):
    seed: defaultdict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in csv.DictReader(SEED.read_text().splitlines()):
        if row["prompt_tokens_over"] == "0":
            seed[row["model"], row["token_kind"], row["service_tier"]].append(row)
    known = right_figures(ORGANIZATIONS["novel"], first, first + timedelta(4), NOW)

    compared = 0
    for one in known.figures:
        if one.listed is None:
            assert not any(_applies(row, one.day) for row in _on(seed, one))
        elif one.endpoint:
            [rate] = [row for row in _on(seed, one) if _applies(row, one.day)]
            units = Decimal(rate["per"]) * FACTORS.get(rate["unit"], 1)
            assert one.listed == one.quantity * Decimal(rate["price"]) / units, one
            compared += 1
    assert compared > 150


def _on(seed: dict[tuple[str, str, str], list[dict[str, Any]]], one: RightFigure) -> list[dict[str, Any]]:
    model = TOOLS.get(one.endpoint, one.price_name)
    kinds = {
        "call": "session" if one.endpoint == "code_interpreter_sessions" else "call",
        "image": f"image_{one.line_item.rpartition(' ')[2]}" if one.endpoint == "images" else "image_input",
    }
    found = seed[model, KINDS.get(one.kind, kinds.get(one.kind, one.kind)), one.tier]
    # a model that reads images as it reads text has no rate of them
    return seed[model, "input", one.tier] if one.kind == "image" and one.endpoint != "images" and not found else found


def _applies(row: dict[str, Any], day: date) -> bool:
    return (row["effective_from"] or "0") <= day.isoformat() < (row["effective_to"] or "9")


def test_every_shortcut_comes_to_another_figure():
    found = traps(TwoReadings(date(2026, 11, 9), date(2026, 11, 15), noon(date(2026, 11, 16)), noon(date(2026, 11, 26))))

    assert len({one.name for one in found}) == len(found) >= 18
    assert all(one.naive != one.right for one in found)
    assert all(one.right for one in found if one.name != "empty against empty")
