"""Right figures are what exports and balances say and what the seed of prices asks, counted another way."""

import csv
import json
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage, calc_price

from src.core.base.settings import ROOT
from src.sandbox.deepseek.accounts import ACCOUNTS
from src.sandbox.deepseek.export import FORMS, console_files, month_of
from src.sandbox.deepseek.gateway import records
from src.sandbox.deepseek.prices import AS_FLASH_SINCE, AS_FLASH_UNTIL, V4_PRO
from src.sandbox.deepseek.right_figures import right_figures
from src.sandbox.deepseek.traps import SUNDAY_AFTER, DeepseekReading, by_hours_alone, traps
from tests.sandbox.deepseek.test_world import rows

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SEED = ROOT / "configs" / "deepseek" / "seed" / "data" / "default_pricing.csv"
KINDS = {"hit": "cached_input", "miss": "input", "out": "output"}
SAMPLES = tuple(datetime(2026, 11, day, 12, tzinfo=UTC) for day in range(9, 17))
READING = DeepseekReading(date(2026, 11, 9), date(2026, 11, 15), NOW, SAMPLES)


@pytest.mark.parametrize("name", ["demo", "twofold", "yuan", "gifted", "bare"])
def test_what_is_right_is_what_the_export_says(name: str):
    first, last = month_of(date(2026, 11, 1))
    form = FORMS[ACCOUNTS[name].form]
    costs = rows(console_files(ACCOUNTS[name], first, last, NOW, form)["cost-2026-11.csv"])
    known = right_figures(name, first, last, NOW)

    for currency in ACCOUNTS[name].currencies:
        assert known.paid_in(currency).cost == sum(Decimal(row["cost"]) for row in costs if row["currency"] == currency)
    amounts = rows(console_files(ACCOUNTS[name], first, last, NOW, form)["amount-2026-11.csv"])
    assert ("price" in amounts[0]) == (name != "bare")
    told = sum(int(row["amount"]) for row in amounts if row["type"] != "request_count")
    assert told == sum(one.quantity for one in known.figures)


@pytest.mark.parametrize("name", ["demo", "yuan"])
@pytest.mark.parametrize("first", [date(2026, 8, 14), date(2026, 9, 8), date(2026, 9, 24), date(2026, 11, 9)], ids=str)
def test_what_the_list_asks_is_what_the_seed_asks(name: str, first: date):
    region = {"demo": "any", "yuan": "cn"}[name]
    seed: defaultdict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in csv.DictReader(SEED.read_text().splitlines()):
        if row["region"] == region:
            seed[row["model"], row["token_kind"], row["price_window"]].append(row)

    compared = 0
    for one in right_figures(name, first, first + timedelta(5), NOW).figures:
        as_flash = one.model == V4_PRO and AS_FLASH_SINCE <= one.use.at < AS_FLASH_UNTIL
        window = f"{one.use.window}_as_flash" if as_flash else one.use.window
        found = [row for row in seed[one.model, KINDS[one.kind], window] if _applies(row, one.use.at)]
        if (name, one.use.billed_as) == ("yuan", "flash before"):
            # of which nobody told the seed
            assert not found
        else:
            [price] = found
            assert one.cost == one.quantity * Decimal(price["price"]) / Decimal(price["per"]), one
            compared += 1
    assert compared > 100


def _applies(row: dict[str, Any], at: datetime) -> bool:
    def moment(text: str) -> datetime:
        return datetime.fromisoformat(text if "T" in text else f"{text}T00:00:00+00:00")

    return (not row["effective_from"] or moment(row["effective_from"]) <= at) and (
        not row["effective_to"] or at < moment(row["effective_to"])
    )


def test_every_shortcut_comes_to_another_figure():
    found = traps(READING)

    assert len({one.name for one in found}) == len(found) >= 15
    assert all(one.naive != one.right for one in found), [one.name for one in found if one.naive == one.right]
    assert all(one.right > 0 for one in found), [one.name for one in found if one.right <= 0]


def test_a_range_holds_what_was_charged():
    use = right_figures("bare", date(2026, 9, 15), date(2026, 9, 15), NOW).of(model=V4_PRO)

    assert use.least < use.cost < use.most


def test_a_list_that_knows_hours_alone_says_what_the_shortcut_says():
    """What the package claims of a Sunday without peak hours."""
    known = right_figures("bare", SUNDAY_AFTER, SUNDAY_AFTER, NOW).figures
    written = [one for one in known if one.model == V4_PRO and one.kind == "out"]
    for one in written:
        told = calc_price(Usage(output_tokens=one.quantity), one.model, provider_id="deepseek", genai_request_timestamp=one.use.at)
        assert told.total_price == by_hours_alone(one)
    assert any(by_hours_alone(one) != one.cost for one in written)


def test_what_an_account_writes_down_itself_is_the_same_use():
    day = date(2026, 11, 10)
    lines = records(ACCOUNTS["demo"], day, day, NOW).splitlines()

    known = right_figures("demo", day, day, NOW)
    assert len(lines) == len({(one.use.at, one.use.work.key, one.model) for one in known.figures})
    assert sum(json.loads(line)["usage"]["total_tokens"] for line in lines) == sum(one.quantity for one in known.figures)
