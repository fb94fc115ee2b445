"""What is used, what it costs, what is left: one world, told in three ways."""

import csv
import io
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from src.core.base.faults import Missing
from src.sandbox.deepseek.accounts import ACCOUNTS, moment
from src.sandbox.deepseek.export import console_files, month_of
from src.sandbox.deepseek.prices import AS_FLASH_UNTIL, billed_as, window
from src.sandbox.deepseek.use import between
from src.sandbox.deepseek.wallets import wallet
from src.sandbox.server import Sandbox
from tests.sandbox.conftest import TODAY, HeldClock, sandboxed
from tests.sandbox.deepseek.conftest import deepseek_of

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
TOKENS = {"input_cache_hit_tokens", "input_cache_miss_tokens", "output_tokens"}


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def unpacked(content: bytes) -> Mapping[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("name", list(ACCOUNTS))
def test_both_files_of_an_export_come_to_the_same(name: str):
    amounts, costs = (rows(one) for one in console_files(ACCOUNTS[name], *month_of(date(2026, 9, 1)), NOW).values())

    of_use: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in amounts:
        of_use[row["utc_date"], row["model"]] += Decimal(row["price"] or 0) * int(row["amount"])
    of_cost: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in costs:
        of_cost[row["utc_date"], row["model"]] += Decimal(row["cost"])
    assert of_use == of_cost
    assert bool(of_use) == ACCOUNTS[name].works


@pytest.mark.parametrize("name", ["demo", "topped", "gifted", "twofold", "yuan"])
def test_what_is_left_is_what_was_there_less_what_was_spent_but_for_what_else_happened(name: str):
    account, first, last = ACCOUNTS[name], moment(date(2026, 11, 5)), moment(date(2026, 11, 20))

    for currency in account.currencies:
        before, after = (wallet(account, currency, at) for at in (first, last))
        spent = sum((one.cost for one in between(account, first, last) if one.currency == currency), Decimal(0))
        gone = before.granted + before.topped_up - after.granted - after.topped_up
        topped_up, expired = {"topped": Decimal(20)}.get(name, Decimal(0)), Decimal(0)
        if name == "gifted":
            noon = datetime(2026, 11, 12, 15, 59, 59, tzinfo=UTC)
            expired = wallet(account, currency, noon).granted
            assert expired > 8
            assert after.topped_up == before.topped_up - sum((one.cost for one in between(account, noon, last)), Decimal(0))
        assert gone == spent - topped_up + expired
        assert spent > 0


def test_a_gift_is_spent_first():
    account = ACCOUNTS["demo"]

    begin, soon, late = (wallet(account, "USD", moment(date(2026, 11, day))) for day in (2, 3, 7))
    assert begin.granted > soon.granted > 0
    assert begin.topped_up == soon.topped_up
    assert late.granted == 0
    assert late.topped_up < soon.topped_up
    wallets = {row["wallet_type"] for row in rows(console_files(account, *month_of(date(2026, 11, 1)), NOW)["cost-2026-11.csv"])}
    assert wallets == {"Granted", "Paid"}


def test_every_form_of_an_export_tells_the_same(kept: Sandbox):
    sandbox, (first, last) = deepseek_of(kept), month_of(date(2026, 9, 1))
    told = {form: unpacked(sandbox.export("demo", first, last, NOW, form)) for form in ("new", "plain", "old")}

    assert [list(one) for one in told.values()] == [
        ["amount-2026-09.csv", "cost-2026-09.csv"],
        ["amount-2026-09.csv", "cost-2026-09.csv"],
        ["amount-2026-9.csv", "cost-2026-9.csv"],
    ]
    assert [next(iter(one.values()))[:3] == b"\xef\xbb\xbf" for one in told.values()] == [True, False, False]
    same = [{**row, "utc_date": row["utc_date"].replace("-", "")} for row in rows(told["new"]["cost-2026-09.csv"])]
    assert same == rows(told["old"]["cost-2026-9.csv"])
    kinds = {row["type"] for row in rows(told["old"]["amount-2026-9.csv"])}
    assert kinds == {"input_cache_hit_tokens", "input_tokens", "output_tokens", "request_count"}
    assert next(iter(unpacked(sandbox.export("demo", date(2026, 9, 20), date(2026, 10, 2), NOW)))) == "amount-2026-09-20_2026-10-02.csv"
    with pytest.raises(Missing, match="it has demo, second"):
        sandbox.export("nobody", first, last)


def test_an_export_ends_with_the_clock(kept: Sandbox):
    early = deepseek_of(kept).export("demo", date(2026, 11, 20), date(2026, 11, 25), NOW)
    later = deepseek_of(kept).export("demo", date(2026, 11, 20), date(2026, 11, 25), NOW + timedelta(1))

    def tokens(content: bytes, day: str) -> int:
        told = rows(next(iter(unpacked(content).values())))
        return sum(int(row["amount"]) for row in told if row["utc_date"] == day and row["type"] in TOKENS)

    assert tokens(early, "2026-11-20") == tokens(later, "2026-11-20") > 0
    assert 0 < tokens(early, "2026-11-21") < tokens(later, "2026-11-21")


def test_peak_and_off_peak_are_rows_of_their_own(kept: Sandbox):
    told = rows(next(iter(unpacked(deepseek_of(kept).export("demo", date(2026, 11, 16), date(2026, 11, 16), NOW)).values())))

    prices = {
        row["price"] for row in told if (row["model"], row["api_key_name"], row["type"]) == ("deepseek-flash", "etl", "output_tokens")
    }
    assert prices == {"0.0000006", "0.0000012"}


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-08-16T02:00", "any"),
        ("2026-08-16T16:00", "off_peak"),
        ("2026-08-17T00:59", "off_peak"),
        ("2026-08-17T01:00", "peak"),
        ("2026-08-17T04:00", "off_peak"),
        ("2026-08-17T09:59", "peak"),
        ("2026-08-22T02:00", "peak"),
        ("2026-08-23T02:00", "off_peak"),
        ("2026-08-24T02:00", "peak"),
        ("2026-09-25T02:00", "off_peak"),
        ("2026-09-28T02:00", "peak"),
        ("2026-10-07T09:00", "off_peak"),
        ("2026-10-08T09:00", "peak"),
        ("2026-10-10T09:00", "off_peak"),
    ],
)
def test_a_moment_is_of_the_window_that_it_should_be(at: str, expected: str):
    assert window(datetime.fromisoformat(at).replace(tzinfo=UTC)) == expected


def test_one_model_was_billed_as_another_for_a_while():
    told = [billed_as("deepseek-v4-pro", datetime(2026, 9, 14, hour, tzinfo=UTC)) for hour in (3, 4)]

    assert [*told, billed_as("deepseek-v4-pro", AS_FLASH_UNTIL)] == ["pro now", "flash now", "pro now"]


def test_exports_of_this_month_and_of_three_whole_ones_lie_beside_the_credentials(tmp_path: Path):
    with sandboxed(tmp_path / "sandbox", HeldClock()) as sandbox:
        for month in (date(2026, 8, 1), date(2026, 9, 1), date(2026, 10, 1), TODAY):
            file = tmp_path / "sandbox" / "exports" / f"deepseek-demo-{month:%Y-%m}.zip"
            assert file.read_bytes() == deepseek_of(sandbox).export("demo", *month_of(month))
        assert (tmp_path / "sandbox" / "credentials" / "deepseek-demo.txt").read_text().strip() == deepseek_of(sandbox).key("demo")
