"""Rows in Python as a Parquet file to be staged, strictly of the types of a schema; and what stands for all of them in whatever order."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from src.core.base.faults import Flaw, Rejected
from src.core.base.names import did_you_mean
from src.core.base.schema import Field
from src.core.engine.arrow import arrow_field
from src.core.engine.port import Row
from src.core.engine.values import reader_of

# between values, and in the place of one that is absent; no value has either, for `\` is doubled in them
BETWEEN, ABSENT = "\x1f", "\\N"


def write_rows(path: Path, fields: Sequence[Field], rows: Iterable[Row]) -> str:
    schema = _schema(fields)
    reader = reader_of(rows, schema, frozenset(field.name for field in fields if field.type == "JSON"))
    return _written(path, reader.read_all())


def write_columns(path: Path, fields: Sequence[Field], pieces: Iterable[tuple[int, Mapping[str, Sequence[Any]]]]) -> str:
    schema = _schema(fields)
    return _written(path, pa.concat_tables([_table(schema, rows, columns) for rows, columns in pieces] or [schema.empty_table()]))


def _schema(fields: Sequence[Field]) -> pa.Schema:
    return pa.schema([arrow_field(field) for field in fields])


def _table(schema: pa.Schema, rows: int, columns: Mapping[str, Sequence[Any]]) -> pa.Table:
    unknown = sorted(columns.keys() - {*schema.names})
    if unknown:
        raise Rejected(f"there is a column {unknown[0][:80]!r} that its table has not{did_you_mean(unknown[0], schema.names)}")
    return pa.table([_column(field, rows, columns.get(field.name)) for field in schema], schema=schema)


def _column(field: pa.Field, rows: int, values: Sequence[Any] | None) -> pa.Array:
    if values is None:
        return pa.nulls(rows, field.type)
    try:
        column = pa.array(values, field.type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as wrong:
        raise Rejected("a row does not fit its table", flaws=[Flaw(f"{field.type}: {str(wrong)[:200]}", field=field.name)]) from None
    if len(column) != rows:
        raise Rejected("a row does not fit its table", flaws=[Flaw(f"{len(column)} values for {rows} rows", field=field.name)])
    return column


def _written(path: Path, table: pa.Table) -> str:
    pq.write_table(table, path, compression="zstd")
    return digest(table)


def digest(table: pa.Table) -> str:
    """The same for the same values in whatever order of rows, and however they were written where they came from."""
    filled = [name for name in table.schema.names if table.column(name).null_count < table.num_rows]
    texts = [_texts(table.column(name)) for name in filled]
    found = hashlib.sha256(BETWEEN.join(filled).encode())
    found.update(str(table.num_rows).encode())
    if texts:
        rows = pc.binary_join_element_wise(*texts, BETWEEN)
        found.update(BETWEEN.join(rows.take(pc.sort_indices(rows)).to_pylist()).encode())
    return found.hexdigest()


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        values = [None if one is None else json.dumps(one, sort_keys=True, default=repr) for one in column.to_pylist()]
        column = pa.chunked_array([pa.array(values, pa.string())])
    elif not pa.types.is_string(kind):
        column = column.cast(pa.string())
    else:
        column = pc.replace_substring(pc.replace_substring(column, "\\", "\\\\"), BETWEEN, "\\u001f")
    return pc.fill_null(column, ABSENT)
