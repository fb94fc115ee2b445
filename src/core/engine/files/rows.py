"""Rows in Python as a Parquet file to be staged, strictly of the types of a schema."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from src.core.base.schema import Field
from src.core.engine.arrow import arrow_field
from src.core.engine.port import Row
from src.core.engine.values import reader_of


def write_rows(path: Path, fields: Sequence[Field], rows: Iterable[Row]) -> None:
    schema = pa.schema([arrow_field(field) for field in fields])
    reader = reader_of(rows, schema, frozenset(field.name for field in fields if field.type == "JSON"))
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)
