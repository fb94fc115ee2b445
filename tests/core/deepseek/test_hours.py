"""Which hours a day's total may have been used in, by the dated rules of DeepSeek's prices."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from src.core.base.schema import TableSchema
from src.core.engine.port import Fence, Warehouse
from tests.core.step.reconciliation.conftest import ACME, opened

DEEPSEEK = Path(__file__).resolve().parents[3] / "configs" / "deepseek"
USAGE, COSTS, RECORDS, BALANCE = (f"deepseek_{name}_raw" for name in ("usage_daily", "costs_daily", "records_daily", "balance"))
V4, PRO, FLASH = "deepseek-v4-flash", "deepseek-v4-pro", "deepseek-flash"
BOTH, EVERY = "off_peak|peak", "off_peak|off_peak_as_flash|peak|peak_as_flash"
RIGHT: dict[tuple[str, str], str] = {
    ("2026-08-15", V4): "any",
    # the day on which hours began: until 16:00 by the one rate, then by another
    ("2026-08-16", V4): "any|off_peak",
    ("2026-08-17", V4): BOTH,
    # Saturday and Sunday, before and after weekends were off-peak
    ("2026-08-22", V4): BOTH,
    ("2026-08-23", V4): "off_peak",
    ("2026-08-24", V4): BOTH,
    ("2026-08-24", PRO): BOTH,
    # V4-Pro by its own rates or by those of Flash, nobody says until when
    ("2026-09-13", PRO): "off_peak",
    ("2026-09-15", PRO): EVERY,
    ("2026-09-19", PRO): "off_peak|off_peak_as_flash",
    ("2026-10-27", PRO): EVERY,
    ("2026-10-28", PRO): BOTH,
    # holidays in China
    ("2026-09-24", V4): BOTH,
    ("2026-09-25", V4): "off_peak",
    ("2026-10-05", V4): "off_peak",
    ("2026-10-08", V4): BOTH,
    ("2026-11-06", FLASH): BOTH,
    ("2026-11-07", FLASH): "off_peak",
}


def used(day: str, model: str, **more: Any) -> dict[str, Any]:
    begins = datetime.combine(date.fromisoformat(day), time(), UTC)
    return {
        "source": "acme",
        "source_slice": day,
        "usage_date": begins.date(),
        "bucket_start": begins,
        "bucket_end": begins + timedelta(1),
        "told_by": "console",
        "user_id": "u",
        "model": model,
        "usage_type": "output_tokens",
        "quantity": 1,
        **more,
    }


def paid(day: str, model: str, currency: str) -> dict[str, Any]:
    same = {"source": "acme costs", "source_slice": day, "usage_date": date.fromisoformat(day), "user_id": "u", "model": model}
    return {**same, "wallet_type": "Paid", "amount": 1, "currency": currency}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    for one in opened("duckdb", tmp_path_factory.mktemp("hours"), request):
        for name in (USAGE, COSTS, RECORDS, BALANCE):
            one.ensure_table(ACME, TableSchema.load(DEEPSEEK / "schemas" / f"{name}.json", name=name))
        yield one


def metered(
    warehouse: Warehouse,
    uses: list[dict[str, Any]],
    costs: list[dict[str, Any]] | None = None,
    records: list[dict[str, Any]] | None = None,
    *,
    currencies: tuple[str, ...] = (),
    balances: list[dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    text = (DEEPSEEK / "books" / "meters.sql").read_text()
    for table in (USAGE, COSTS, RECORDS, BALANCE):
        text = text.replace(f"{{{table}}}", table)
    generation = warehouse.last_generation(ACME, "tests") + 1
    with warehouse.publication(ACME, f"run_{generation}", Fence("tests", generation)) as publication:
        publication.replace(USAGE, uses)
        publication.replace(COSTS, costs or [])
        publication.replace(RECORDS, records or [])
        publication.replace(BALANCE, balances or [])
        rows: list[dict[str, Any]] = publication.query(text, {"currencies": list(currencies)}).to_pylist()
    return rows


def test_the_hours_that_a_day_may_hold_are_those_of_its_date(warehouse: Warehouse) -> None:
    rows = metered(warehouse, [used(*one) for one in RIGHT])
    assert {(str(row["usage_date"]), row["model"]): row["price_window"] for row in rows} == RIGHT


def test_the_currency_is_that_of_the_costs_of_the_day_and_model_where_these_have_one(warehouse: Warehouse) -> None:
    day = "2026-11-06"
    costs = [paid(day, FLASH, "USD"), paid(day, PRO, "CNY"), paid(day, V4, "USD"), paid(day, V4, "CNY")]
    # what the account was set up with says nothing of a day that tells its currencies
    rows = metered(warehouse, [used(day, model) for model in (FLASH, PRO, V4, "deepseek-new")], costs, currencies=("acme USD",))
    assert {row["model"]: (row["currency_told"], row["region"]) for row in rows} == {
        FLASH: ("USD", "any"),
        PRO: ("CNY", "cn"),
        V4: ("XXX", "any"),
        "deepseek-new": ("XXX", "any"),
    }
    # a model that the costs leave out is in the one currency that the account has
    rows = metered(warehouse, [used(day, model) for model in (FLASH, PRO)], [paid(day, FLASH, "CNY")])
    assert {row["currency_told"] for row in rows} == {"CNY"}


def test_requests_have_no_price_and_what_nobody_knows_is_no_token(warehouse: Warehouse) -> None:
    kinds = ("input_cache_hit_tokens", "input_cache_miss_tokens", "input_tokens", "output_tokens", "request_count", "search_count")
    rows = metered(warehouse, [used("2026-11-06", FLASH, usage_type=kind) for kind in kinds])
    assert sorted((row["token_kind"], row["unit"], row["detail"]) for row in rows) == [
        ("cached_input", "token", None),
        ("input", "token", None),
        ("input", "token", None),
        ("output", "token", None),
        ("unknown", "measure", "search_count"),
    ]


BY_THE_HOUR: dict[tuple[str, str], str] = {
    ("2026-08-16T15", V4): "any",
    ("2026-08-16T16", V4): "off_peak",
    ("2026-08-22T03", V4): "peak",
    ("2026-08-22T04", V4): "off_peak",
    ("2026-08-23T03", V4): "off_peak",
    ("2026-09-14T03", PRO): "peak",
    ("2026-09-14T04", PRO): "off_peak|off_peak_as_flash",
    ("2026-09-15T06", PRO): "peak|peak_as_flash",
    ("2026-10-01T06", FLASH): "off_peak",
    ("2026-11-06T00", FLASH): "off_peak",
    ("2026-11-06T01", FLASH): "peak",
    ("2026-11-06T09", FLASH): "peak",
    ("2026-11-06T10", FLASH): "off_peak",
}


def recorded(moment: str, model: str) -> dict[str, Any]:
    begins = datetime.fromisoformat(f"{moment}:00:00+00:00")
    day = {"usage_date": begins.date(), "source_slice": str(begins.date()), "source": "acme records"}
    hour = {"bucket_start": begins, "bucket_end": begins + timedelta(hours=1)}
    return {**day, **hour, "model": model, "usage_type": "output_tokens", "quantity": 1}


def test_records_tell_the_hour_and_count_on_days_that_the_console_did_not_tell(warehouse: Warehouse) -> None:
    rows = metered(warehouse, [], records=[recorded(*one) for one in BY_THE_HOUR])
    assert {(f"{row['bucket_start']:%Y-%m-%dT%H}", row["model"]): row["price_window"] for row in rows} == BY_THE_HOUR
    both = metered(warehouse, [used("2026-11-06", FLASH)], records=[recorded(*one) for one in BY_THE_HOUR])
    assert {row["endpoint"] for row in both if str(row["usage_date"]) == "2026-11-06"} == {"console"}


def test_a_day_that_tells_no_currency_has_that_of_the_key_or_none(warehouse: Warehouse) -> None:
    told = {}
    for currencies in ((), ("acme USD",), ("acme CNY", "else USD"), ("acme CNY", "acme USD")):
        [row] = metered(warehouse, [], records=[recorded("2026-11-06T01", FLASH)], currencies=currencies)
        told[currencies] = (row["currency_told"], row["region"])
    assert [*told.values()] == [("XXX", "any"), ("USD", "any"), ("CNY", "cn"), ("XXX", "any")]


def test_after_the_holidays_that_are_known_a_peak_hour_may_be_a_holiday(warehouse: Warehouse) -> None:
    rows = metered(warehouse, [], records=[recorded("2027-02-08T01", FLASH), recorded("2027-02-08T11", FLASH)])
    assert sorted(row["price_window"] for row in rows) == ["off_peak", "off_peak|peak"]


def test_where_no_costs_are_told_the_currency_is_that_of_the_balance(warehouse: Warehouse) -> None:
    left = {"total_balance": 1, "granted_balance": 0, "topped_up_balance": 1, "is_available": True, "currency": "CNY"}
    sampled = {"source": "acme balance", "source_slice": "2026-11-06", "usage_date": date(2026, 11, 6), "sampled_at": datetime.now(UTC)}
    [row] = metered(warehouse, [], records=[recorded("2026-11-06T01", FLASH)], balances=[{**sampled, **left}])
    assert (row["currency_told"], row["region"]) == ("CNY", "cn")
