"""Rows on their way into staging tables: read a piece at a time, given the types of their table, and written as Parquet to be loaded."""

import json
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from google.cloud.bigquery import SchemaField

from src.core.base.faults import Flaw, Rejected
from src.core.base.schema import SPELLINGS, Field
from src.core.engine.arrow import arrow_field
from src.core.engine.dialect.types import NUMERIC_SCALE, NUMERIC_WHOLE
from src.core.engine.files.disk_space import room_for_files
from src.core.engine.loadable import inside
from src.core.engine.port import Content, ParquetFiles
from src.core.engine.values import reader_of

BATCH_ROWS: Final = 16_384
PIECE_BYTES: Final = 512 * 1024 * 1024  # of Arrow; as Parquet about a tenth, which a load job takes in one upload
FOLDER: Final = "x_staging_"
# a tenth of NUMERIC's last place: it rounds to nothing either way
SMALLEST_FRACTION: Final = 1e-10
MISFITS: Final = (pa.ArrowException, ValueError, TypeError, OverflowError)


def plain_field(column: SchemaField) -> Field:
    """BigQuery's own description of a column as a schema file has it."""
    return Field(
        column.name,
        SPELLINGS.get(column.field_type, "STRING"),
        column.mode or "NULLABLE",
        fields=tuple(plain_field(child) for child in column.fields),
    )


def relaxed(field: Field) -> Field:
    """Without what it requires: a source may lack it, and Parquet knows no such thing. Its table is asked when rows are written to it."""
    mode = "NULLABLE" if field.mode == "REQUIRED" else field.mode
    return Field(field.name, field.type, mode, field.description, tuple(relaxed(child) for child in field.fields))


@dataclass(frozen=True, slots=True)
class Given:
    """What a source holds: its columns, and its rows in batches that each may lack some of them."""

    columns: Mapping[str, pa.DataType]
    batches: Iterator[pa.RecordBatch]


def given(io: Path, source: Content, fields: Sequence[Field]) -> Given:
    """`fields` are what rows in Python are strictly made into."""
    if isinstance(source, ParquetFiles):
        return _of_files([inside(io, path) for path in source.paths])
    if isinstance(source, pa.Table):
        return Given(_columns(source.schema), iter(source.to_batches(BATCH_ROWS)))
    if isinstance(source, pa.RecordBatchReader):
        return Given(_columns(source.schema), iter(source))
    schema = pa.schema([arrow_field(field) for field in fields])
    reader = reader_of(source, schema, frozenset(field.name for field in fields if field.type == "JSON"))
    return Given(_columns(schema), iter(reader))


def _columns(schema: pa.Schema) -> dict[str, pa.DataType]:
    return dict(zip(schema.names, schema.types, strict=True))


def _of_files(paths: Sequence[Path]) -> Given:
    columns: dict[str, pa.DataType] = {}
    for path in paths:
        columns = {**_columns(_footer(path)), **columns}
    return Given(columns, (batch for path in paths for batch in pq.ParquetFile(path).iter_batches(BATCH_ROWS)))


def _footer(path: Path) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except pa.ArrowException as wrong:
        raise Rejected(f"{path.name[:80]!r} is not a Parquet file") from wrong


def fields_of_arrow(columns: Mapping[str, pa.DataType]) -> tuple[Field, ...]:
    """For a source that is staged as it is."""
    return tuple(_field_of(name, kind) for name, kind in columns.items())


def _field_of(name: str, kind: pa.DataType) -> Field:
    if pa.types.is_dictionary(kind):
        return _field_of(name, kind.value_type)
    if _is_list(kind):
        inner = _field_of(name, kind.value_type)
        if inner.mode == "REPEATED":
            raise Rejected(f"the column {name[:80]!r} holds arrays of arrays, which BigQuery has not")
        return Field(name, inner.type, "REPEATED", fields=inner.fields)
    if pa.types.is_struct(kind):
        return Field(name, "STRUCT", fields=tuple(_field_of(child.name, child.type) for child in kind))
    if pa.types.is_decimal(kind):
        fits = kind.scale <= NUMERIC_SCALE and kind.precision - kind.scale <= NUMERIC_WHOLE
        return Field(name, "NUMERIC" if fits else "BIGNUMERIC")
    if pa.types.is_timestamp(kind):
        return Field(name, "TIMESTAMP" if kind.tz else "DATETIME")
    choices = (
        (pa.types.is_integer, "INT64"), (pa.types.is_floating, "FLOAT64"), (pa.types.is_boolean, "BOOL"), (pa.types.is_date, "DATE"),
        (pa.types.is_time, "TIME"), (pa.types.is_binary, "BYTES"), (pa.types.is_large_binary, "BYTES"),
    )  # fmt: skip
    return Field(name, next((SPELLINGS[word] for fits_kind, word in choices if fits_kind(kind)), "STRING"))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def shape_batch(batch: pa.RecordBatch, fields: Sequence[Field], sources: Mapping[str, str]) -> pa.RecordBatch:
    """The batch in these columns and types; `sources` leads from a field's name to the source's."""
    held = set(batch.schema.names)
    columns = [
        _cast(batch.column(sources[field.name]), field)
        if sources.get(field.name) in held
        else pa.nulls(batch.num_rows, arrow_field(field).type)
        for field in fields
    ]
    for field, column in zip(fields, columns, strict=True):
        # the staging table would take it, and the transaction would refuse it when all the work is done
        if field.mode == "REQUIRED" and column.null_count:
            raise Rejected("a row does not fit its table", flaws=[Flaw("a value is required, and a row has none", field=field.name)])
    return pa.record_batch(columns, schema=pa.schema([arrow_field(field) for field in fields]))


def _cast(column: pa.Array, field: Field) -> pa.Array:
    try:
        return _converted(column, field)
    except MISFITS as wrong:
        said = str(wrong).splitlines()[0][:200] if str(wrong) else type(wrong).__name__
        raise Rejected("a row does not fit its table", flaws=[Flaw(said, field=field.name)]) from wrong


def _converted(column: pa.Array, field: Field) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    wanted = arrow_field(field).type
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), wanted)
    if field.mode == "REPEATED":
        return _converted_list(column, field)
    if field.type == "STRUCT":
        return _converted_struct(column, field)
    if field.type == "JSON" and pa.types.is_nested(column.type):
        texts = [None if value is None else json.dumps(value, default=str) for value in column.to_pylist()]
        return pa.array(texts, pa.string())
    if column.type == wanted:
        return column
    if field.type == "NUMERIC" and pa.types.is_floating(column.type):
        column = _written_out(column)
    if pa.types.is_decimal(wanted) and pa.types.is_decimal(column.type) and column.type.scale > wanted.scale:
        # what Arrow calls towards infinity is away from zero, as BigQuery rounds NUMERIC
        column = pc.round(column, wanted.scale, round_mode="half_towards_infinity")
    moments = pa.types.is_timestamp(wanted) and pa.types.is_timestamp(column.type)
    # BigQuery keeps microseconds, and loses the nanoseconds of a moment as DuckDB does; rounded decimals lose only zeros
    lossy = moments or (pa.types.is_decimal(wanted) and pa.types.is_decimal(column.type))
    return column.cast(wanted, safe=not lossy)


def _written_out(fractions: pa.Array) -> pa.Array:
    """As the decimals they are written as: what a bill says to be 0.3668432295 is not its binary neighbour a little below.

    What is too small to be anything in NUMERIC has more places than a decimal holds.
    """
    told = pc.if_else(pc.less(pc.abs(fractions), SMALLEST_FRACTION), 0.0, fractions)
    return told.cast(pa.string()).cast(pa.decimal256(76, 38))


def _converted_list(column: pa.Array, field: Field) -> pa.Array:
    if not _is_list(column.type):
        raise Rejected(f"the column {field.name[:80]!r} is {column.type} and not an array")
    if not pa.types.is_list(column.type):
        column = column.cast(pa.list_(column.type.value_type))
    one = Field(field.name, field.type, fields=field.fields)
    # a null array is an empty one in BigQuery
    lengths = pc.fill_null(pc.list_value_length(column), 0)
    # not those it has: a slice's count from the whole array, of which `flatten` gives only the slice
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(lengths.cast(pa.int64()))]).cast(pa.int32())
    return pa.ListArray.from_arrays(offsets, _converted(column.flatten(), one))


def _converted_struct(column: pa.Array, field: Field) -> pa.Array:
    if not pa.types.is_struct(column.type):
        raise Rejected(f"the column {field.name[:80]!r} is {column.type} and not a STRUCT")
    held = dict(zip((child.name.lower() for child in column.type), column.flatten(), strict=True))
    children = [
        _converted(held[child.name.lower()], child) if child.name.lower() in held else pa.nulls(len(column), arrow_field(child).type)
        for child in field.fields
    ]
    return pa.StructArray.from_arrays(children, fields=[arrow_field(child) for child in field.fields], mask=column.is_null())


@contextmanager
def pieces(io: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, empty: bool) -> Iterator[list[Path]]:
    """Parquet files in the io folder, gone afterwards; of no rows none, or one without rows where `empty` asks for it."""
    with room_for_files():
        # where SCRATCH_DIR has room for it, and where what a kill leaves is looked for
        folder = TemporaryDirectory(dir=io, prefix=FOLDER)
    with folder as name:
        # not around the yield: what is raised there is the load's, and no word of this disk
        with room_for_files():
            files = list(_written(Path(name), schema, batches, empty=empty))
        yield files


def clear_left(home: Path, hours: int) -> None:
    """What a process had no time to take away when it was killed so long ago, in the folder of whichever organisation."""
    before = time.time() - hours * 3600  # the disk's clock, whatever ours is told to be
    for folder in home.glob(f"*/{FOLDER}*"):
        with suppress(OSError):  # another process may clear it at the same time
            if folder.stat().st_mtime < before:
                shutil.rmtree(folder, ignore_errors=True)


def _written(folder: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, empty: bool) -> Iterator[Path]:
    writer: Any = None
    path, size, number = folder / "0.parquet", 0, 0
    for batch in batches:
        if not batch.num_rows:
            continue
        writer = writer or pq.ParquetWriter(path, schema, compression="zstd")
        writer.write_batch(batch)
        size += batch.nbytes
        if size >= PIECE_BYTES:
            writer.close()
            yield path
            number += 1
            writer, path, size = None, folder / f"{number}.parquet", 0
    # a load job of no file makes no table, and the statements that follow name it
    if writer is None and empty and number == 0:
        writer = pq.ParquetWriter(path, schema)
    if writer is not None:
        writer.close()
        yield path
