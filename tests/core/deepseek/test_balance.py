"""What the balances of a day tell of spend: within bounds, and apart from what was topped up, given or expired."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from src.core.base.faults import StepFailed
from src.core.base.schema import TableSchema
from src.core.base.window import Window
from src.core.engine.port import Fence, Warehouse
from src.core.providers.deepseek.client import CurrencyBalance
from src.core.providers.deepseek.samples import days_of, rows_by_day, sample_rows
from tests.core.step.reconciliation.conftest import ACME, opened

DEEPSEEK = Path(__file__).resolve().parents[3] / "configs" / "deepseek"
RAW, DAILY = "deepseek_balance_raw", "deepseek_balance_daily"
Sample = tuple[str, str, str]
"""When, what is left of gifts, and what of what was paid in."""


def left(granted: str, paid: str, currency: str = "USD") -> CurrencyBalance:
    return CurrencyBalance(currency, Decimal(granted) + Decimal(paid), Decimal(granted), Decimal(paid), is_available=True)


def at(moment: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{moment}").replace(tzinfo=UTC)


def polled(*samples: Sample, currency: str = "USD") -> list[dict[str, Any]]:
    """As one poll after another leaves them: each adds to the days from the last one before it on."""
    by_day: dict[date, list[dict[str, Any]]] = {}
    for moment, granted, paid in samples:
        now = at(moment)
        earlier = by_day[max(by_day)] if by_day else []
        window = days_of(earlier, now)
        told = list(rows_by_day(earlier, sample_rows(now, [left(granted, paid, currency)]), window))
        for day in window:
            by_day[day] = [dict(row) for of, row in told if of == day]
    return [{**row, "source": "acme balance", "source_slice": str(day)} for day, rows in by_day.items() for row in rows]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    for one in opened("duckdb", tmp_path_factory.mktemp("balance"), request):
        for name in (RAW, DAILY):
            one.ensure_table(ACME, TableSchema.load(DEEPSEEK / "schemas" / f"{name}.json", name=name))
        yield one


def days(warehouse: Warehouse, rows: Sequence[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    text = (DEEPSEEK / "books" / "balance.sql").read_text().replace(f"{{{RAW}}}", RAW)
    generation = warehouse.last_generation(ACME, "tests") + 1
    with warehouse.publication(ACME, f"run_{generation}", Fence("tests", generation)) as publication:
        publication.replace(RAW, rows)
        publication.replace(DAILY, [])
        publication.insert(DAILY, text)
    found = warehouse.query(ACME, f"SELECT * FROM {DAILY}").to_pylist()
    return {row["usage_date"].day: row for row in found}


def bounds(row: dict[str, Any]) -> tuple[str | None, ...]:
    return tuple(None if row[name] is None else f"{row[name]:.4f}" for name in ("spend_least", "spend", "spend_most"))


def test_of_a_span_over_midnight_each_day_has_its_share_and_none_is_lost(warehouse: Warehouse) -> None:
    found = days(warehouse, polled(("02 06:00", "0", "100"), ("03 06:00", "0", "90"), ("04 06:00", "0", "83")))
    # 18 of 24 hours of the first ten, then 6 of them and 18 of the seven
    assert {day: bounds(row)[1] for day, row in found.items()} == {2: "7.5000", 3: "7.7500", 4: "1.7500"}
    assert (found[2]["whole_day"], found[3]["whole_day"], found[4]["whole_day"]) == (False, True, False)
    assert bounds(found[3]) == ("0.0000", "7.7500", "17.0100")
    assert found[2]["spend_most"] is None
    assert sum(row["spend"] for row in found.values()) == 17


def test_a_clock_that_goes_back_takes_no_sample_away() -> None:
    earlier = polled(("02 12:00", "0", "100"), ("03 12:00", "0", "90"))
    with pytest.raises(StepFailed, match="samples of 2026-11-03 are there already and this machine's clock says 2026-11-02"):
        days_of(earlier, at("02 23:59"))


def test_days_on_which_nobody_asked_lie_between_two_samples(warehouse: Warehouse) -> None:
    found = days(warehouse, polled(("02 00:00", "0", "100"), ("06 00:00", "0", "60")))
    assert {day: (bounds(row), row["samples"], row["whole_day"]) for day, row in found.items()} == {
        2: (("0.0000", "10.0000", "40.0100"), 1, True),
        3: (("0.0000", "10.0000", "40.0100"), 0, True),
        4: (("0.0000", "10.0000", "40.0100"), 0, True),
        5: (("0.0000", "10.0000", "40.0100"), 0, True),
        6: (("0.0000", "0.0000", None), 1, False),
    }


def test_a_top_up_between_two_samples_is_no_negative_spend_and_leaves_it_open_above(warehouse: Warehouse) -> None:
    found = days(warehouse, polled(("02 00:00", "0", "10"), ("02 08:00", "0", "7"), ("02 16:00", "0", "55"), ("03 00:00", "0", "54")))
    assert bounds(found[2]) == ("3.9900", "4.0000", None)
    assert found[2]["topped_up"] == 48
    # while gifts are left nothing else is spent
    found = days(warehouse, polled(("02 00:00", "5", "10"), ("02 16:00", "4", "60"), ("03 00:00", "3", "60")))
    assert bounds(found[2]) == ("0.0000", "2.0000", "2.0100")
    assert (found[2]["topped_up"], found[2]["spend_granted"]) == (50, 2)


def test_a_gift_that_expired_is_no_spend_and_one_that_was_spent_is(warehouse: Warehouse) -> None:
    expired = days(warehouse, polled(("02 00:00", "5", "10"), ("02 12:00", "0", "10"), ("03 00:00", "0", "9")))
    assert bounds(expired[2]) == ("0.9900", "1.0000", "6.0100")
    assert (expired[2]["expired"], expired[2]["spend_granted"]) == (5, 0)
    spent = days(warehouse, polled(("02 00:00", "5", "10"), ("02 12:00", "0", "9"), ("03 00:00", "0", "9")))
    assert bounds(spent[2])[1] == "6.0000"
    assert (spent[2]["expired"] or 0, spent[2]["spend_granted"]) == (0, 5)
    given = days(warehouse, polled(("02 00:00", "0", "10"), ("02 12:00", "8", "10"), ("03 00:00", "7", "10")))
    assert bounds(given[2]) == ("0.0000", "1.0000", None)
    assert given[2]["gifts"] == 8


def test_two_currencies_are_never_added(warehouse: Warehouse) -> None:
    both = polled(("02 00:00", "0", "10"), ("03 00:00", "0", "9"), currency="USD")
    both += polled(("02 00:00", "0", "70"), ("03 00:00", "0", "40"), currency="CNY")
    days(warehouse, both)
    found = warehouse.query(ACME, f"SELECT currency, spend FROM {DAILY} WHERE usage_date = @day", {"day": date(2026, 11, 2)}).to_pylist()
    assert {(row["currency"], row["spend"]) for row in found} == {("USD", 1), ("CNY", 30)}


def test_one_sample_alone_tells_no_spend(warehouse: Warehouse) -> None:
    [row] = days(warehouse, polled(("02 06:00", "0", "100"))).values()
    assert bounds(row) == ("0.0000", None, None)


def test_polls_of_one_day_are_kept_beside_each_other() -> None:
    rows = polled(("02 06:00", "0", "100"), ("02 06:05", "0", "99"), ("02 07:00", "0", "98"))
    assert [f"{row['sampled_at']:%H:%M}" for row in rows] == ["06:00", "06:05", "07:00"]
    assert days_of(rows, at("02 08:00")) == Window(date(2026, 11, 2), date(2026, 11, 2))
