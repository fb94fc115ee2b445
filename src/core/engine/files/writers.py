"""Arrow rows as files, a piece at a time: Parquet as they are, CSV for people and spreadsheets."""

import base64
import io
import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from src.core.engine.port import ColumnKind

KINDS: Final[Mapping[ColumnKind, pa.DataType]] = {
    "day": pa.date32(),
    "text": pa.string(),
    "money": pa.decimal128(38, 9),
    # of use and its price, which has more decimals than a bill
    "exact_money": pa.decimal128(38, 18),
    "count": pa.int64(),
    "moment": pa.timestamp("us", tz="UTC"),
}
# A spreadsheet takes a text that starts so for a formula and runs it; some take the full-width signs too.
FORMULA: Final = r"^[=+\-@\t\r\n\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"
CSV: Final = pa_csv.WriteOptions(include_header=False, quoting_style="needed")
MOMENT: Final = "%Y-%m-%dT%H:%M:%S"
NO_FRACTION: Final = r"\.0+(Z?)$"
ZEROS: Final = r"(\.\d\d\d*?)0+$"


def table_of(columns: Mapping[str, ColumnKind], rows: Sequence[Mapping[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=pa.schema([(name, KINDS[kind]) for name, kind in columns.items()]))


def csv_pieces(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Generator[bytes, None, None]:
    names = pa.array([guarded(name) for name in schema.names], pa.string())
    yield _lines([pa.array([name.as_py()]) for name in names], schema.names)
    for batch in batches:
        yield _lines([_shown(column) for column in batch.columns], schema.names)


def _lines(columns: Sequence[pa.Array], names: Sequence[str]) -> bytes:
    sink = io.BytesIO()
    pa_csv.write_csv(pa.record_batch(list(columns), names=list(names)), sink, CSV)
    return sink.getvalue()


def guarded(text: str) -> str:
    return str(pc.replace_substring_regex(text, FORMULA, r"'\0").as_py())


def _shown(column: pa.Array) -> pa.Array:
    """As text where CSV has no form of its own for a type."""
    kind = column.type
    choices: tuple[tuple[bool, Callable[[pa.Array], pa.Array]], ...] = (
        (pa.types.is_string(kind) or pa.types.is_large_string(kind), _guarded),
        (pa.types.is_decimal(kind), _digits),
        (pa.types.is_timestamp(kind), _moments),
        (pa.types.is_nested(kind), _json_texts),
        (pa.types.is_binary(kind) or pa.types.is_large_binary(kind), _base64),
        (pa.types.is_null(kind), lambda nothing: nothing.cast(pa.string())),
    )
    return next((show(column) for fits, show in choices if fits), column)


def _guarded(column: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(column, FORMULA, r"'\0")


def _digits(column: pa.Array) -> pa.Array:
    """As JSON has them: two decimals, or as many more as there are."""
    return pc.replace_substring_regex(_plain_digits(column), ZEROS, r"\1")


def _plain_digits(column: pa.Array) -> pa.Array:
    """Arrow writes a small decimal, and zero, with an exponent."""
    text = column.cast(pa.string())
    small = pc.match_substring(text, "E")
    if not pc.any(small, min_count=0).as_py():
        return text
    plain = [None if value is None else format(value, "f") for value in column.filter(small).to_pylist()]
    return pc.replace_with_mask(text, pc.fill_null(small, fill_value=False), pa.array(plain, text.type))


def _moments(column: pa.Array) -> pa.Array:
    # Arrow's %S has the fraction with it, also where it is nothing; as JSON has it, it then goes
    return pc.replace_substring_regex(pc.strftime(column, MOMENT + ("Z" if column.type.tz else "")), NO_FRACTION, r"\1")


def _json_texts(column: pa.Array) -> pa.Array:
    texts = [None if value is None else json.dumps(value, default=_json_value, ensure_ascii=False) for value in column.to_pylist()]
    return pa.array(texts, pa.string())


def _json_value(value: object) -> Any:
    if isinstance(value, Decimal):
        # a text, for whoever reads a number of JSON may make a float of it
        return format(value, "f")
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)


def _base64(column: pa.Array) -> pa.Array:
    return pa.array([None if value is None else base64.b64encode(value).decode() for value in column.to_pylist()], pa.string())


class _Drain(io.RawIOBase):
    """Takes what a Parquet writer writes and hands it on; Parquet is written front to back."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._written += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._written

    def taken(self) -> bytes:
        piece, self._pieces = b"".join(self._pieces), []
        return piece


def parquet_pieces(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Generator[bytes, None, None]:
    drain = _Drain()
    writer = pq.ParquetWriter(pa.PythonFile(drain, mode="w"), schema, compression="zstd")
    for batch in batches:
        writer.write_batch(batch)
        yield drain.taken()
    # not in a finally: a file that breaks off must not end as one that is whole
    writer.close()
    yield drain.taken()
