from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.core.base.clock import SystemClock
from src.core.base.schema import TableSchema
from src.core.engine import open_warehouse
from src.core.engine.port import Fence
from src.core.step.prices.book import Book, BookRow
from src.core.step.prices.changes import Reset, Update
from src.core.step.prices.forms import BOOKKEEPING, file_columns, read_csv, to_row, write_csv
from src.core.step.prices.rates import PlanRate, Rate, columns_of
from tests.contract.warehouse.conftest import settings_for, tenant_named
from tests.core.step.prices.books import day, rate
from tests.core.step.prices.conftest import SEED

HEAD = "model,token_kind,price"
words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
moments = st.one_of(st.none(), st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001


@pytest.mark.parametrize(("name", "kind"), [("openai_model_pricing", Rate), ("openai_subscriptions", PlanRate)])
def test_a_row_has_the_columns_of_its_table(name, kind):
    schema = TableSchema.load(SEED / f"schemas/{name}.json")
    one = kind(provider="openai", price=Decimal(1), **({"model": "m", "token_kind": "input"} if kind is Rate else {"plan_name": "p"}))
    row = to_row(BookRow(rate=one, edition=1, recorded_at=day(0)))

    assert set(schema.columns) == set(row)
    assert {column.name for column in schema.fields if column.mode == "REQUIRED"} <= {
        key for key, value in row.items() if value is not None
    }


def test_rows_come_back_from_a_warehouse_as_they_were(tmp_path: Path):
    rates = [
        rate("0.003625", 3, note="ends at an instant").but(effective_to=datetime(2026, 11, 16, 16, 0, 0, 1, tzinfo=UTC)),
        rate("1E-18", kind="output"),
    ]
    book: Book[Rate] = Book()
    book = book.after(book.change(Reset(rates), day(0.123456), "ann"))
    book = book.after(book.change(Update({"token_kind": "output"}, {"price": Decimal("12345678901234567890.5")}), day(1), "bob"))
    warehouse, acme = open_warehouse(settings_for("duckdb", tmp_path), SystemClock()), tenant_named("acme_corp")
    try:
        warehouse.ensure_dataset(acme)
        warehouse.ensure_table(acme, TableSchema.load(SEED / "schemas/openai_model_pricing.json"))
        with warehouse.publication(acme, "run", Fence("pricing", 1)) as publication:
            publication.append("openai_model_pricing", [to_row(row) for row in book.rows])
        read = warehouse.query(acme, "SELECT * FROM openai_model_pricing").to_pylist()
    finally:
        warehouse.close()

    rates = [Rate(**{name: row[name] for name in columns_of(Rate)}) for row in read]
    kept = [{name: row[name] for name in BOOKKEEPING} for row in read]
    assert {BookRow(rate=one, **told) for one, told in zip(rates, kept, strict=True)} == set(book.rows)
    assert {row["rate_id"] for row in read} == {row.rate.rate_id for row in book.rows}


@given(words, st.decimals(0, 10**12, places=12), moments, moments, st.text(max_size=20))
def test_a_file_comes_back_as_it_was_written(model, price, since, until, note):
    note = " ".join(note.replace("\x00", "").split()) or None
    one = Rate(provider="openai", model=model, token_kind="input", price=price, effective_from=since, effective_to=until, note=note)

    read, flaws = read_csv(Rate, write_csv(Rate, [one]), "f.csv")
    assert read == [one]
    assert flaws == [replace(flaw, file="f.csv", line=2) for flaw in one.flaws()]


def test_a_file_needs_no_more_columns_than_a_rate_cannot_do_without():
    read, flaws = read_csv(
        Rate,
        f"\ufeff{HEAD},effective_from\r\ngpt-9,input,2.5,2026-09-01\r\n\r\ngpt-9,call,10,2026-09-01T18:00:00+02:00\r\n",
        "f.csv",
        provider="openai",
    )

    assert not flaws
    assert [(one.unit, one.per, one.service_tier, one.effective_from) for one in read] == [
        ("token", 1_000_000, "standard", datetime(2026, 9, 1, tzinfo=UTC)),
        ("call", 1_000, "standard", datetime(2026, 9, 1, 16, tzinfo=UTC)),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model,token_kind,pirce\n", "f.csv:1: unknown column 'pirce'; did you mean 'price'?"),
        ("model,token_kind\n", "f.csv:1: the column 'price' is needed here"),
        (f"{HEAD},price\n", "f.csv:1: the column 'price' stands twice"),
        (f"{HEAD}\nm,input\n", "f.csv:2: has 2 cells and the head has 3"),
        (f"{HEAD}\nm,input,\n", "f.csv:2: price: is needed here"),
        (f"{HEAD}\nm,input,1\nm,input,1e3\n", "f.csv:3: price: '1e3' is no price; write it as 0.125, with a point and without a sign"),
        (f"{HEAD}\nm,input,-1\n", "'-1' is no price"),
        (f"{HEAD}\nm,input,٣\n", "is no price"),
        (f'{HEAD}\nm,input,"1,5"\n', "'1,5' is no price"),
        (f"{HEAD}\nm,inptu,1\n", "did you mean 'input'?"),
        (f"{HEAD},effective_from\nm,input,1,01.09.2026\n", "is neither a day (2026-09-01) nor an instant"),
        (f"{HEAD},effective_from\nm,input,1,2026-09-01T10:00\n", "needs its time zone"),
        (f"{HEAD},source_date\nm,input,1,soon\n", "'soon' is no day"),
        (f"{HEAD},per\nm,input,1,many\n", "'many' is no whole number"),
        (f'{HEAD}\n"m,input,1\n', "f.csv:2: unexpected end of data"),
        ("", "f.csv:1: the column"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_by_line(text, told):
    _, flaws = read_csv(Rate, text, "f.csv", provider="openai")

    assert told in "\n".join(map(str, flaws))


@given(st.text(max_size=200), st.booleans())
def test_no_file_breaks_the_reader(text, headed):
    read, flaws = read_csv(Rate, f"{HEAD}\n{text}" if headed else text, "f.csv", provider="openai")

    assert not read or all(isinstance(one.price, Decimal) for one in read)
    assert read or flaws or headed


def test_the_columns_of_a_file_begin_with_what_is_priced():
    assert file_columns(Rate)[:8] == (
        "provider",
        "model",
        "token_kind",
        "service_tier",
        "prompt_tokens_over",
        "price_window",
        "region",
        "price",
    )
    assert file_columns(PlanRate)[:5] == ("provider", "plan_name", "billing_period", "price", "unit")
    assert read_csv(PlanRate, (SEED / "data/default_subscriptions.csv").read_text(), "f.csv")[0][2].source_date == date(2026, 11, 28)


def test_a_head_of_many_columns_is_one_mistake():
    rates, flaws = read_csv(Rate, ",".join(f"c{number}" for number in range(200_000)) + "\n", "f.csv", provider="openai")
    assert rates == []
    assert [flaw.message.partition(",")[0] for flaw in flaws] == ["the head has 200"]


def test_of_too_many_lines_no_more_are_read():
    rates, flaws = read_csv(Rate, f"{HEAD}\n" + "m,input,1\n" * 50, "f.csv", most=3, provider="openai")
    assert len(rates) == 3
    assert [flaw.message for flaw in flaws] == ["there are more than 3 lines; send them in parts"]


def test_a_price_for_no_units_is_refused():
    _, flaws = read_csv(Rate, f"{HEAD},per\nm,input,1,0\n", "f.csv", provider="openai")
    assert [(flaw.field, flaw.line) for flaw in flaws] == [("per", 2)]
