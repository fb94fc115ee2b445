"""A day is known by its rows: the same ones in any order and however they were handed over, and no others."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.core.base.faults import Rejected
from src.core.base.schema import Field
from src.core.engine import write_columns, write_rows
from src.core.engine.arrow import arrow_field
from src.core.engine.files.rows import digest

FIELDS = (
    Field("day", "DATE"),
    Field("at", "TIMESTAMP"),
    Field("model", "STRING"),
    Field("key", "STRING"),
    Field("batch", "BOOL"),
    Field("tokens", "INT64"),
    Field("cost", "BIGNUMERIC"),
)
SCHEMA = pa.schema([arrow_field(field) for field in FIELDS])
MOMENTS = st.integers(1_700_000_000, 1_800_000_000).map(lambda at: datetime.fromtimestamp(at, UTC))
ROWS = st.fixed_dictionaries(
    {
        "day": st.none() | st.dates(date(2025, 1, 1), date(2026, 12, 31)),
        "at": st.none() | MOMENTS,
        "model": st.none() | st.text(max_size=3),
        "key": st.none() | st.sampled_from(["", "a", "ab", "b", "\x1f"]),
        "batch": st.none() | st.booleans(),
        "tokens": st.none() | st.integers(-(2**63), 2**63 - 1),
        "cost": st.none() | st.decimals(-(10**19), 10**19, places=18),
    }
)


def told(rows: Sequence[dict[str, Any]]) -> str:
    return digest(pa.Table.from_pylist(list(rows), SCHEMA))


@settings(max_examples=500, deadline=None)
@given(rows=st.lists(ROWS, max_size=6), seed=st.integers(0, 99), other=ROWS)
def test_rows_are_the_same_in_any_order_and_no_others(rows: list[dict[str, Any]], seed: int, other: Any):
    known = told(rows)

    assert told(random.Random(seed).sample(rows, len(rows))) == known
    assert told([*rows, other]) != known
    for number, row in enumerate(rows):
        if row != other:
            assert told([*rows[:number], other, *rows[number + 1 :]]) != known


def test_a_day_is_known_however_it_was_handed_over(tmp_path: Path):
    path = tmp_path / "rows.parquet"
    rows: list[dict[str, Any]] = [
        {"model": "b", "tokens": 7, "cost": Decimal(1)},
        {"model": "a", "tokens": 7},
        {"model": None, "tokens": 7},
    ]
    pieces: list[tuple[int, dict[str, Any], dict[str, Any]]] = [
        (2, {"model": [None, "a"]}, {"tokens": 7}),
        (1, {"model": ["b"], "cost": [Decimal("1.0")]}, {"tokens": 7}),
    ]

    assert write_columns(path, FIELDS, pieces) == write_rows(path, FIELDS, rows)
    assert pq.read_table(path, columns=["model", "tokens"]).to_pylist() == [{"model": row["model"], "tokens": 7} for row in rows]
    assert write_columns(path, FIELDS, []) == write_rows(path, FIELDS, [])


def test_how_a_value_was_written_makes_no_other_row(tmp_path: Path):
    path = tmp_path / "rows.parquet"

    def costing(cost: Decimal) -> str:
        return write_rows(path, FIELDS, [{"cost": cost, "model": "m"}])

    assert costing(Decimal("0.1")) == costing(Decimal("0.100")) == costing(Decimal("1e-1")) != costing(Decimal("0.11"))
    assert write_rows(path, FIELDS, [{"model": "ab", "key": "c"}]) != write_rows(path, FIELDS, [{"model": "a", "key": "bc"}])
    assert write_rows(path, FIELDS, [{"model": ""}]) != write_rows(path, FIELDS, [{"model": None}])


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ({"tokens": [1.5]}, "tokens"),
        ({"tokens": [2**63]}, "tokens"),
        ({"tokens": [1, 2]}, "2 values for 1 rows"),
        ({"token": [1]}, "token"),
    ],
)
def test_columns_that_do_not_fit_are_refused_by_name(tmp_path: Path, columns: Any, named: str):
    with pytest.raises(Rejected, match=named):
        write_columns(tmp_path / "rows.parquet", FIELDS, [(1, columns, {})])
