"""Rows in Python as a Parquet file to be staged, strictly of the types of a schema; and what stands for all of them in whatever order."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from src.core.base.faults import Flaw, Rejected
from src.core.base.names import did_you_mean
from src.core.base.schema import Field
from src.core.engine.arrow import arrow_field
from src.core.engine.files.hashing import HashedFile
from src.core.engine.port import Row
from src.core.engine.values import reader_of

WIDTH = 8
"""Of a number, in bytes."""
Piece = tuple[int, Mapping[str, Sequence[Any]], Mapping[str, Any]]
"""So many rows, their columns, and values that all of them have."""
Heard = Callable[[pa.Table, str], None]


def write_rows(path: Path, fields: Sequence[Field], rows: Iterable[Row], heard: Heard | None = None) -> str:
    schema = _schema(fields)
    reader = reader_of(rows, schema, frozenset(field.name for field in fields if field.type == "JSON"))
    return _written(path, reader.read_all(), heard)


def write_columns(path: Path, fields: Sequence[Field], pieces: Iterable[Piece], heard: Heard | None = None) -> str:
    schema = _schema(fields)
    return _written(path, pa.concat_tables([_table(schema, *piece) for piece in pieces] or [schema.empty_table()]), heard)


def _schema(fields: Sequence[Field]) -> pa.Schema:
    return pa.schema([arrow_field(field) for field in fields])


def _table(schema: pa.Schema, rows: int, columns: Mapping[str, Sequence[Any]], same: Mapping[str, Any]) -> pa.Table:
    unknown = sorted((columns.keys() | same.keys()) - {*schema.names})
    if unknown:
        raise Rejected(f"there is a column {unknown[0][:80]!r} that its table has not{did_you_mean(unknown[0], schema.names)}")
    made = [
        _same(field, rows, same[field.name]) if field.name in same else _column(field, rows, columns.get(field.name)) for field in schema
    ]
    return pa.table(made, schema=schema)


def _same(field: pa.Field, rows: int, value: object) -> pa.Array:
    return pa.repeat(_column(field, 1, [value])[0], rows)


def _column(field: pa.Field, rows: int, values: Sequence[Any] | None) -> pa.Array:
    if values is None:
        return pa.nulls(rows, field.type)
    # of a float Arrow would take the whole part without a word
    if float in set(map(type, values)) and not pa.types.is_floating(field.type):
        raise Rejected("a row does not fit its table", flaws=[Flaw(f"{field.type}: a float is not exact", field=field.name)])
    try:
        column = pa.array(values, field.type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as wrong:
        raise Rejected("a row does not fit its table", flaws=[Flaw(f"{field.type}: {str(wrong)[:200]}", field=field.name)]) from None
    if len(column) != rows:
        raise Rejected("a row does not fit its table", flaws=[Flaw(f"{len(column)} values for {rows} rows", field=field.name)])
    return column


def _written(path: Path, table: pa.Table, heard: Heard | None) -> str:
    texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
    # they are read once, and soon
    with HashedFile(path) as file:
        pq.write_table(table, file, compression="lz4", use_dictionary=texts, write_statistics=False)
    if heard:
        heard(table, file.sha256)
    return digest(table)


def digest(table: pa.Table) -> str:
    """The same for the same values in whatever order of rows, and however they were written where they came from."""
    table = table.combine_chunks()
    filled = {name: _plain(table.column(name)) for name in table.schema.names if table.column(name).null_count < table.num_rows}
    found = hashlib.sha256(f"{table.num_rows} {sorted(filled)}".encode())
    if filled:
        # by texts first: they tell rows apart, and numbers are hardly ever compared
        names = sorted(filled, key=lambda name: (not pa.types.is_string(filled[name].type), name))
        plain = pa.table(filled)
        plain = plain.take(pc.sort_indices(plain, sort_keys=[(name, "ascending") for name in names]))
        for name in names:
            for part in _bytes(_whole(plain.column(name))):
                found.update(part)
    return found.hexdigest()


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """As what is ordered and has one form of bytes: texts and numbers of 64 bits."""
    kind = column.type
    if pa.types.is_date32(kind):
        return column.cast(pa.int32()).cast(pa.int64())
    if pa.types.is_timestamp(kind) or pa.types.is_boolean(kind):
        return column.cast(pa.int64())
    if pa.types.is_string(kind) or pa.types.is_int64(kind):
        return column
    if pa.types.is_decimal(kind) or pa.types.is_floating(kind):
        return column.cast(pa.string())
    values = [None if one is None else json.dumps(one, sort_keys=True, default=repr) for one in column.to_pylist()]
    return pa.chunked_array([pa.array(values, pa.string())])


def _bytes(column: pa.Array) -> Iterator[bytes]:
    """Of which rows it has values, and the values; of a text how long it is too, so that two cannot pass for one."""
    absent = column.null_count > 0
    yield _of_bytes(pc.is_null(column).cast(pa.uint8()), 1) if absent else b"whole"
    if not pa.types.is_string(column.type):
        yield _of_bytes(pc.fill_null(column, 0) if absent else column, WIDTH)
        return
    texts = pc.fill_null(column, "") if absent else column
    yield _of_bytes(pc.binary_length(texts).cast(pa.int64()), WIDTH)
    yield "".join(texts.to_pylist()).encode()


def _of_bytes(column: pa.Array, width: int) -> bytes:
    found: bytes = column.buffers()[1].slice(column.offset * width, len(column) * width).to_pybytes()
    return found
