"""Right figures are what the sandbox's reports say and what the seed of prices asks, counted another way."""

import csv
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from src.core.base.settings import ROOT
from src.sandbox.anthropic.organizations import ORGANIZATIONS
from src.sandbox.anthropic.prices import SEARCH, rate
from src.sandbox.anthropic.right_figures import ClaudeFigure, right_figures
from src.sandbox.anthropic.traps import OVERNIGHT, SURCHARGE, ClaudeReadings, traps
from tests.sandbox.anthropic.conftest import Ask
from tests.sandbox.conftest import TODAY

NOW = datetime(TODAY.year, TODAY.month, TODAY.day, 9, 30, tzinfo=UTC)
DAY_ONE = date(2026, 11, 10)
SEED = ROOT / "configs" / "anthropic" / "seed" / "data" / "default_pricing.csv"
READINGS = ClaudeReadings(
    date(2026, 11, 9), date(2026, 11, 15), datetime(2026, 11, 16, 12, tzinfo=UTC), datetime(2026, 11, 27, 12, tzinfo=UTC)
)


@pytest.mark.parametrize("name", ["demo", "late", "restated", "discount", "priority", "blocked", "novel", "idle"])
def test_what_is_charged_is_what_the_cost_report_says(ask: Ask, name: str):
    days = {"starting_at": f"{DAY_ONE}T00:00:00Z", "ending_at": "2026-11-21T00:00:00Z", "limit": 31}
    answer = ask("cost_report", name, **days, group_by=["workspace_id", "description"])
    told: defaultdict[tuple[str, str | None], Decimal] = defaultdict(Decimal)
    for bucket in answer.json()["data"]:
        for row in bucket["results"]:
            told[bucket["starting_at"][:10], row["workspace_id"]] += Decimal(row["amount"]) / 100

    known = right_figures(ORGANIZATIONS[name], DAY_ONE, DAY_ONE + timedelta(10), NOW)
    charged: defaultdict[tuple[str, str | None], Decimal] = defaultdict(Decimal)
    for one in known.figures:
        if one.charged:
            charged[str(one.day), ORGANIZATIONS[name].workspace_id(one.workspace)] += one.charged

    assert charged == told
    assert sum(known.causes.values()) == known.charged - known.listed
    assert bool(told) == (name != "idle")


def test_what_a_parent_is_charged_is_what_its_analytics_say(ask: Ask):
    days = {"starting_at": f"{DAY_ONE}T00:00:00Z", "ending_at": "2026-11-21T00:00:00Z", "time_bucket_width": "1d", "limit": 1000}
    for name in ("parent", "enterprise"):
        rows = ask("analytics/cost", name, **days, group_by=["product"]).json()["data"]
        told = [row for row in rows if row["group"]["product"] not in ("claude_code", "chat")]

        known = right_figures(ORGANIZATIONS[name], DAY_ONE, DAY_ONE + timedelta(10), NOW)
        assert known.charged == sum(Decimal(row["cost"]["amount"]) / 100 for row in told)
        every = right_figures(ORGANIZATIONS[name], DAY_ONE, DAY_ONE + timedelta(10), NOW, seats=True)
        assert every.charged == sum(Decimal(row["cost"]["amount"]) / 100 for row in rows) > known.charged


@pytest.mark.parametrize("first", [date(2025, 11, 3), SURCHARGE[0], date(2026, 5, 1), OVERNIGHT[0], date(2026, 11, 9)], ids=str)
def test_what_the_list_asks_is_what_the_seed_asks(first: date):
    seed: defaultdict[tuple[str, str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in csv.DictReader(SEED.read_text().splitlines()):
        seed[row["model"], row["token_kind"], row["service_tier"], row["region"]].append(row)
    known = right_figures(ORGANIZATIONS["novel"], first, first + timedelta(3), NOW)

    compared = longer_compared = 0
    for one in known.figures:
        rates = [row for row in seed[_name(one), one.kind, one.tier, one.region] if _applies(row, one.day)]
        if one.listed is None:
            assert not rates
        elif one.model:
            # of several thresholds the greatest that its prompts go beyond
            found = max(
                (row for row in rates if int(row["prompt_tokens_over"]) <= one.over), key=lambda row: int(row["prompt_tokens_over"])
            )
            assert one.listed == one.quantity * Decimal(found["price"]) / Decimal(found["per"]), one
            compared += 1
        if one.longer:
            longer = next(row for row in rates if row["prompt_tokens_over"] == "100000")
            assert one.longer == one.quantity * Decimal(longer["price"]) / Decimal(longer["per"]) - (one.listed or 0)
            longer_compared += 1
    assert compared > 60
    assert (longer_compared > 0) == (first >= OVERNIGHT[0])


def _name(one: ClaudeFigure) -> str:
    return "claude-3-5-haiku-latest" if one.price_name == "claude-3-5-haiku" else one.price_name


def _applies(row: dict[str, Any], day: date) -> bool:
    return (row["effective_from"] or "0") <= day.isoformat() < (row["effective_to"] or "9")


def test_every_shortcut_comes_to_another_figure():
    found = traps(READINGS)

    assert len({one.name for one in found}) == len(found) >= 28
    assert all(one.naive != one.right for one in found), [one.name for one in found if one.naive == one.right]
    assert all(one.right for one in found if one.name != "nothing against nothing")


def test_the_facts_own_sample_comes_to_what_the_facts_say():
    """410k input, 60k and 10k written, 900k read and 88k out of Sonnet 5.5, with 12 searches: 1.98 and 0.12 dollars."""
    day = date(2026, 11, 1)
    used = {"input": 410_000, "read": 900_000, "write_5m": 60_000, "write_1h": 10_000, "out": 88_000}
    assert sum(number * rate("claude-sonnet-5-5", kind, day) for kind, number in used.items()) == Decimal("1.98")
    assert Decimal("0.12") == 12 * SEARCH
