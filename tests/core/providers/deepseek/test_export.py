import zipfile
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from src.core.base.faults import Rejected
from src.core.providers.deepseek import export
from src.core.providers.deepseek.export import console_export
from tests.core.providers.deepseek.exports import AMOUNT, COST, amounts, costs, month, packed, table

HITS = "2026-11-02,deepseek-flash,input_cache_hit_tokens,0.000000003,700"
OFF_PEAK = "2026-11-02,deepseek-flash,input_cache_miss_tokens,0.00000015,2000000"
PEAK = "2026-11-02,deepseek-flash,input_cache_miss_tokens,0.0000003,500000"
REQUESTS = "2026-11-03,deepseek-flash,request_count,,812"
GRANTED = "2026-11-02,deepseek-flash,Granted,0.05,USD"
PAID = "2026-11-02,deepseek-flash,Paid,0.4,USD"


def test_a_months_file_tells_from_the_first_to_its_last_row() -> None:
    found = console_export(month("2026-11", amounts(HITS, OFF_PEAK, PEAK, REQUESTS), costs(PAID, GRANTED)))
    assert (found.user_id, found.first, found.last) == ("u-demo", date(2026, 11, 1), date(2026, 11, 3))
    assert found.amounts is not None
    assert {(row["usage_type"], row["price"], row["quantity"]) for row in found.amounts} == {
        ("input_cache_hit_tokens", Decimal("0.000000003"), 700),
        # peak and off-peak differ by their price alone
        ("input_cache_miss_tokens", Decimal("0.00000015"), 2_000_000),
        ("input_cache_miss_tokens", Decimal("0.0000003"), 500_000),
        ("request_count", None, 812),
    }
    assert {(row["api_key_name"], row["api_key"]) for row in found.amounts} == {("etl", "sk-1a***9z")}
    assert found.costs is not None
    assert {(row["wallet_type"], row["amount"], row["currency"]) for row in found.costs} == {
        ("Paid", Decimal("0.4"), "USD"),
        ("Granted", Decimal("0.05"), "USD"),
    }


def test_files_of_different_months_take_back_nothing_of_each_other() -> None:
    with pytest.raises(Rejected, match="different days: 2026-10-01 to 2026-10-31 and 2026-11-01 to 2026-11-30; send each by itself"):
        console_export(packed({"amount-2026-10.csv": amounts(OFF_PEAK.replace("-11-", "-10-")), "cost-2026-11.csv": costs(PAID)}))


def test_a_row_that_stands_twice_would_count_twice() -> None:
    for content in (amounts(HITS, OFF_PEAK, HITS), costs(PAID, GRANTED, PAID)):
        with pytest.raises(Rejected, match="says what line 2 says, and would count twice"):
            console_export(content, "export.csv")
    # of two keys that are gone it may be so
    gone = b"u-demo,2026-11-02,deepseek-flash,,,request_count,,1"
    found = console_export(b"\n".join([AMOUNT.encode(), gone, gone]))
    assert found.amounts is not None
    assert len(found.amounts) == 2


@pytest.mark.parametrize(
    ("name", "first"),
    [("2026-11", 1), ("2026-11-02_2026-11-30", 2), ("2026-13", 2), ("mine", 2)],
)
def test_where_it_begins_its_name_says_or_its_first_row(name: str, first: int) -> None:
    expected = date(2026, 11, first)
    assert console_export(month(name, amounts(OFF_PEAK), costs(PAID))).first == expected
    assert console_export(amounts(OFF_PEAK), f"amount-{name}.csv").first == expected


@pytest.mark.parametrize(
    ("names", "end"),
    [
        (("amount-2026-11.csv", "cost-2026-11.csv"), 30),
        (("amount-2026-11-01_2026-11-12.csv", "cost-2026-11-01_2026-11-12.csv"), 12),
        (("amount-2026-11.csv", "cost.csv"), 2),
        (("amount.csv", "cost.csv"), 2),
    ],
)
def test_it_says_nothing_of_days_beyond_those_that_its_name_asks_for(names: tuple[str, str], end: int) -> None:
    assert console_export(packed(dict(zip(names, (amounts(OFF_PEAK), costs(PAID)), strict=True)))).end == date(2026, 11, end)


@pytest.mark.parametrize("name", ["amount-2026-10.csv", "amount-2026-12.csv", "amount-2026-11-03_2026-11-30.csv"])
def test_a_file_whose_rows_are_not_of_the_days_in_its_name_is_refused(name: str) -> None:
    for content in (amounts(REQUESTS, OFF_PEAK), packed({name: amounts(REQUESTS, OFF_PEAK)})):
        with pytest.raises(Rejected, match=r"has a row of 2026-11-0.*its name says.*or under one that names no days") as refused:
            console_export(content, name)
        assert [(flaw.file, flaw.field) for flaw in refused.value.flaws] == [(name, "utc_date")]


def test_each_form_of_the_same_is_read_the_same() -> None:
    plain = console_export(month("2026-11", amounts(HITS, OFF_PEAK, PEAK), costs(PAID)))
    odd = "\ufeff".encode() + amounts(
        *(one.replace("2026-11-02", "20261102").replace("0.00000015", "1.5E-7") for one in (PEAK, OFF_PEAK, HITS))
    ).replace(b"\n", b"\r\n")
    assert (
        console_export(packed({"__MACOSX/._amount-2026-11.csv": b"\0", "in/amount-2026-11.csv": odd, "cost-2026-11.csv": costs(PAID)}))
        == plain
    )


def test_a_key_that_nobody_masked_is_not_kept() -> None:
    key = "sk-" + "0123456789abcdef" * 2
    found = console_export(table(AMOUNT, [f"u,2026-11-02,m,{key},{key},output_tokens,0.1,1"]))
    assert found.amounts is not None
    assert [(row["api_key_name"], row["api_key"]) for row in found.amounts] == [("****", "sk-01***ef")]


def test_one_file_alone_says_nothing_of_the_other() -> None:
    use, money = console_export(amounts(OFF_PEAK), "amount-2026-11.csv"), console_export(costs(PAID), "cost-2026-11.csv")
    assert (use.costs, money.amounts) == (None, None)
    old = console_export(table("user_id,utc_date,model,type,amount", ["u-demo,2026-02-01,deepseek-chat,input_tokens,5"]))
    assert old.amounts is not None
    assert [(row["price"], row["api_key"]) for row in old.amounts] == [(None, None)]


@pytest.mark.parametrize(
    ("content", "line", "column"),
    [
        (b"", 1, None),
        (b"\x89PNG\r\n\x1a\n", 1, None),
        (b"a,b\n1,2\n", 1, None),
        (table(AMOUNT, [f"u,2026-11-02,m,k,s,output_tokens,0.1,{'9' * 30}"]), 2, "amount"),
        (table(AMOUNT, ["u,2026-11-02,m,k,s,output_tokens,0.1,1", "u,2026-11-31,m,k,s,output_tokens,0.1,1"]), 3, "utc_date"),
        (table(AMOUNT, ["u,2026-11-02,m,k,s,output_tokens,-0.1,1"]), 2, "price"),
        (table(AMOUNT, ["u,2026-11-02,m,k,s,output_tokens,NaN,1"]), 2, "price"),
        (table(AMOUNT, ["u,2026-11-02,m,k,s,output_tokens,0.1,1.5"]), 2, "amount"),
        (table(AMOUNT, ["u,2026-11-02,m,k,s,output_tokens,0.1"]), 2, None),
        (table(COST, ["u,2026-11-02,m,Paid,1e999,USD"]), 2, "cost"),
        (table(COST, ["u,2026-11-02,m,Paid,1,dollars"]), 2, "currency"),
        (table(COST, ['u,2026-11-02,m,Paid,1,"USD']), 2, None),
        (table(COST, ["u,2026-11-02,m,Paid,0.0000000000000000001,USD"]), 2, "cost"),
        (table(COST, ["u,2026-11-02,,Paid,1,USD"]), 2, "model"),
        (COST.encode() + b"\n\xff\xfe", 2, None),
    ],
)
def test_what_is_no_such_file_is_told_with_its_line_and_column(content: bytes, line: int, column: str | None) -> None:
    with pytest.raises(Rejected) as refused:
        console_export(content, "export.csv")
    assert [(flaw.file, flaw.line, flaw.field) for flaw in refused.value.flaws] == [("export.csv", line, column)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (packed({"readme.txt": b"hello"}), "no CSV"),
        (month("2026-11", amounts(OFF_PEAK), costs(PAID))[:-40], "cut short"),
        (packed({"amount.csv": amounts(OFF_PEAK), "amount-2026-11.csv": amounts(PEAK)}), "same kind"),
        (amounts(), "no row"),
        (table(COST, ["u1,2026-11-02,m,Paid,1,USD", "u2,2026-11-02,m,Paid,1,USD"]), "several accounts"),
        (table(f"{COST},cost", ["u1,2026-11-02,m,Paid,1,USD,1"]), "twice"),
    ],
)
def test_a_file_that_cannot_be_taken_says_why(content: bytes, said: str) -> None:
    with pytest.raises(Rejected, match=said):
        console_export(content, "export.zip")


def test_a_small_file_that_stands_for_much_is_read_no_further(monkeypatch: Any) -> None:
    monkeypatch.setattr(export, "MOST_BYTES", 1000)
    bomb = packed({"amount-2026-11.csv": AMOUNT.encode() + b" " * 1_000_000})
    assert len(bomb) < 5_000
    with pytest.raises(Rejected, match="unpacked"):
        console_export(bomb)


def test_a_file_with_a_password_is_told(monkeypatch: Any) -> None:
    def locked(*_: object, **__: object) -> Any:
        raise RuntimeError("File is encrypted, password required for extraction")

    packed_well = month("2026-11", amounts(OFF_PEAK), costs(PAID))
    monkeypatch.setattr(zipfile.ZipFile, "open", locked)
    with pytest.raises(Rejected, match="password"):
        console_export(packed_well)
