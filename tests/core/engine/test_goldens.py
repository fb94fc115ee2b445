"""What GoogleSQL's evaluator answers, DuckDB answers through the rendered SQL; what it cannot is refused, never answered otherwise."""

import datetime as dt
import json
import math
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from src.core.base.faults import Rejected
from src.core.engine.dialect.rendering import Catalogue
from src.core.engine.dialect.rules import DIVIDE_MACRO
from src.core.engine.values import plain_table
from tests.engines.analyzer import goldens

GOLDENS = [golden for path in goldens.topics() for golden in goldens.read(path)]
KINDS: dict[str, Any] = {
    "INT64": pa.types.is_integer,
    "FLOAT64": pa.types.is_floating,
    "NUMERIC": pa.types.is_decimal,
    "BIGNUMERIC": pa.types.is_decimal,
    "BOOL": pa.types.is_boolean,
    "DATE": pa.types.is_date,
    "TIME": pa.types.is_time,
    "STRING": pa.types.is_string,
    "JSON": pa.types.is_string,
    "BYTES": pa.types.is_binary,
    "TIMESTAMP": lambda kind: pa.types.is_timestamp(kind) and kind.tz is not None,
    "DATETIME": lambda kind: pa.types.is_timestamp(kind) and kind.tz is None,
}


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(DIVIDE_MACRO)
        connection.execute(f"CREATE TABLE t AS {Catalogue({}).render(goldens.table_query()).sql}")
        yield connection


@pytest.fixture(scope="module")
def catalogue(engine: duckdb.DuckDBPyConnection) -> Catalogue:
    table = engine.sql("FROM t")
    return Catalogue({"t": {name: str(kind) for name, kind in zip(table.columns, table.types, strict=True)}})


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: f"{golden.topic}-{golden.sql[:100]}")
def test_the_answer_is_googlesqls(golden, engine, catalogue, request):
    if golden.gap:
        request.applymarker(pytest.mark.xfail(reason=golden.gap, strict=True))
    if golden.refused:
        with pytest.raises(Rejected, match=re.escape(golden.refused)):
            catalogue.render(golden.sql)
        return
    rendered = catalogue.render(golden.sql).sql
    if golden.error:
        with pytest.raises(duckdb.Error):
            engine.sql(rendered).to_arrow_table()
        return
    found = plain_table(engine.sql(rendered).to_arrow_table())
    assert rows_of(found) == [list(map(wanted, row, golden.types)) for row in golden.rows]
    for column, declared in zip(found.columns, golden.types, strict=True):
        assert is_of(column.type, declared) or column.null_count == len(column)


def rows_of(table: pa.Table) -> list[list[Any]]:
    columns = [[plain(value) for value in column.to_pylist()] for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def plain(value: Any) -> Any:
    """As the goldens have it: structs are lists of values, moments are texts."""
    if isinstance(value, dict | list):
        return [plain(one) for one in (value.values() if isinstance(value, dict) else value)]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dt.datetime) and value.tzinfo:
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def wanted(value: Any, declared: str) -> Any:
    if value is None:
        return None
    if declared in ("NUMERIC", "BIGNUMERIC"):
        return Decimal(value)
    if declared == "JSON":
        return json.dumps(json.loads(value), separators=(",", ":"))
    inner = inside(declared)
    if declared.startswith("ARRAY"):
        return [wanted(one, inner[0]) for one in value]
    if declared.startswith("STRUCT"):
        return [wanted(one, kind) for one, kind in zip(value, inner, strict=True)]
    return value


def inside(declared: str) -> list[str]:
    """The types an ARRAY or STRUCT is made of."""
    if declared.startswith("ARRAY<"):
        return [declared[6:-1]]
    parts, depth = [""], 0
    for letter in declared[7:-1]:
        depth += (letter == "<") - (letter == ">")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip().partition(" ")[2] if " " in part.strip().partition("<")[0] else part.strip() for part in parts]


def is_of(kind: pa.DataType, declared: str) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    inner = inside(declared)
    if declared.startswith("ARRAY"):
        return pa.types.is_list(kind) and is_of(kind.value_type, inner[0])
    if declared.startswith("STRUCT"):
        return pa.types.is_struct(kind) and all(is_of(field.type, one) for field, one in zip(kind, inner, strict=True))
    return bool(KINDS[declared](kind))
