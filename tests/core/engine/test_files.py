import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.core.engine.files.writers import csv_pieces, parquet_pieces, table_of

# pairs of CR and LF are one line end to a reader of texts
plain_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00"), max_size=12)


def shown(table):
    return b"".join(csv_pieces(table.schema, iter(table.to_batches(max_chunksize=3)))).decode()


def read(text):
    return list(csv.reader(io.StringIO(text, newline="")))


@given(st.lists(plain_texts, min_size=1, max_size=8))
def test_texts_come_back_as_they_were_but_for_the_guard(values):
    found = read(shown(pa.table({"text": values})))

    assert [row[0] for row in found[1:]] == [f"'{value}" if value[:1] in set("=+-@\t\r\n＝＋－＠") - {""} else value for value in values]  # noqa: RUF001


@given(st.lists(st.none() | st.decimals(-(10**28), 10**28, places=9, allow_nan=False), min_size=1, max_size=8))
def test_decimals_come_back_exact_and_without_exponent(values):
    text = shown(pa.table({"cost": pa.array(values, pa.decimal128(38, 9))}))

    assert "E" not in text
    assert [Decimal(row[0]) if row and row[0] else None for row in read(text)[1:]] == values


def test_an_empty_text_and_nothing_are_told_apart():
    assert shown(pa.table({"a": ["", None], "b": [1, 2]})) == '"a","b"\n"",1\n,2\n'


def test_a_negative_amount_is_a_number_and_not_a_formula():
    table = table_of({"net": "money", "text": "text"}, [{"net": Decimal(-1), "text": "-1"}])

    assert read(shown(table))[1] == ["-1.00", "'-1"]


def test_moments_are_in_iso_with_their_zone():
    table = table_of({"at": "moment"}, [{"at": datetime(2026, 11, 1, 2, 3, 4, 5, tzinfo=UTC)}])

    assert read(shown(table))[1] == ["2026-11-01T02:03:04.000005Z"]


def test_a_parquet_file_comes_in_pieces_that_are_one_file():
    table = pa.table({"n": range(10), "nested": [[{"a": n}] for n in range(10)]})

    pieces = list(parquet_pieces(table.schema, iter(table.to_batches(max_chunksize=3))))

    assert len(pieces) == 5
    assert pq.read_table(io.BytesIO(b"".join(pieces))) == table


def test_a_parquet_file_that_breaks_off_is_no_file():
    def breaking():
        yield pa.record_batch({"n": [1]})
        raise OSError("gone")

    pieces = parquet_pieces(pa.schema([("n", pa.int64())]), breaking())
    kept: list[bytes] = []
    with pytest.raises(OSError, match="gone"):
        kept.extend(pieces)

    with pytest.raises(pa.ArrowInvalid):
        pq.read_table(io.BytesIO(b"".join(kept)))
