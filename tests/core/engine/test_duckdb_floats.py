"""Floats become the shortest decimal that is them, by the quick way as by the sure one."""

import random
from decimal import ROUND_HALF_UP, Decimal

import duckdb
import pyarrow as pa

from src.core.base.schema import Field
from src.core.engine.duckdb.types import column_in, column_of

NUMERIC = column_of(Field("x", "NUMERIC"))
LAST = Decimal("1e-9")
KINDS = (
    lambda: round(random.uniform(-9000, 9000), 2),
    lambda: round(random.uniform(-9000, 9000), 9),
    lambda: round(random.uniform(-9000, 9000), 9) + 5e-10,  # a half of the last place, or nearly
    lambda: round(random.uniform(-10, 10), 10),
    lambda: random.uniform(-1, 1) * 10.0 ** random.randint(-12, 15),
    lambda: random.randint(-(10**9), 10**9) / 2 ** random.randint(0, 40),
    lambda: round(random.uniform(0, 100), 2) + round(random.uniform(0, 1), 3) * 0.1,
    lambda: 8192 + random.uniform(-1, 1) * 1e-6,
)


def test_a_float_is_the_decimal_it_is_written_as():
    random.seed(20261128)
    floats = [kind() for kind in KINDS for _ in range(4_000)] + [0.0, -0.0, 8192.0, -8192.0, 5e-324, 1e17]
    connection = duckdb.connect()
    connection.register("given", pa.table({"x": floats}))
    [kind] = connection.sql("SELECT x FROM given LIMIT 0").types
    found = connection.sql(f"SELECT {NUMERIC.exactly('x', column_in(kind))} AS y FROM given").to_arrow_table().column("y").to_pylist()

    right = [Decimal(repr(one)).quantize(LAST, ROUND_HALF_UP) for one in floats]
    assert [(given, ours) for given, ours, due in zip(floats, found, right, strict=True) if ours != due] == []


def test_what_is_no_float_is_left_alone():
    assert NUMERIC.exactly("x", NUMERIC) == "x"
    assert column_of(Field("x", "FLOAT64")).exactly("x", column_of(Field("x", "FLOAT64"))) == "x"
