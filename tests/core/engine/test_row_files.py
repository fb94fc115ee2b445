"""Rows in Python become files of the types of their table, or are refused: nothing is cut off on the way."""

from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from src.core.base.faults import Rejected
from src.core.base.schema import Field
from src.core.engine import write_rows

FIELDS = (
    Field("tokens", "INT64"),
    Field("cost", "NUMERIC"),
    Field("parts", "STRUCT", "REPEATED", fields=(Field("count", "INT64"), Field("amount", "NUMERIC"))),
)


def test_what_fits_is_kept_as_it_is(tmp_path: Path):
    path = tmp_path / "rows.parquet"
    write_rows(
        path, FIELDS, [{"tokens": Decimal(12), "cost": "0.1", "parts": [{"count": "7", "amount": Decimal("0.000000001")}, None]}, {}]
    )

    assert pq.read_table(path).to_pylist() == [
        {"tokens": 12, "cost": Decimal("0.1"), "parts": [{"count": 7, "amount": Decimal("0.000000001")}, None]},
        {"tokens": None, "cost": None, "parts": None},
    ]


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"tokens": Decimal("12.345678901")}, "tokens"),
        ({"cost": 0.1}, "cost"),
        ({"cost": Decimal("0.0000000001")}, "cost"),
        ({"parts": [{"count": Decimal("1.5")}]}, "parts"),
        ({"parts": [{"amount": 0.5}]}, "parts"),
        ({"token": 1}, "token"),
    ],
)
def test_what_would_be_cut_off_is_refused(tmp_path: Path, row, named):
    with pytest.raises(Rejected, match=named):
        write_rows(tmp_path / "rows.parquet", FIELDS, [row])
