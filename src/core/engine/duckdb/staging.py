"""What a publication loads, as something DuckDB can select from."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb
import pyarrow as pa

from src.core.base.faults import Rejected
from src.core.base.schema import Field, TableSchema
from src.core.engine.duckdb.instance import Instance
from src.core.engine.duckdb.types import Column, column_in, column_of, quoted
from src.core.engine.loadable import inside, match_columns
from src.core.engine.port import Content, ParquetFiles, StagedShape
from src.core.engine.values import reader_of

VIEW = "x_incoming_rows"
STAGED = "x_staged_"


@dataclass(frozen=True, slots=True)
class Incoming:
    """`columns` leads from each name in the source to the table's spelling of it."""

    relation: str
    columns: Mapping[str, str]
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not self.columns


@dataclass(slots=True)
class _SourceWatch:
    """Keeps what a source raised while DuckDB was reading it, for DuckDB passes on only its text."""

    error: BaseException | None = None

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # who has read enough closes the source, and nothing has failed
        if error is not None and not isinstance(error, GeneratorExit):
            self.error = error


@contextmanager
def incoming(cursor: duckdb.DuckDBPyConnection, instance: Instance, table: str, source: Content) -> Iterator[Incoming]:
    columns = instance.catalogue().need(table)
    if isinstance(source, ParquetFiles):
        yield _parquet(cursor, instance.io, source, columns)
        return
    watch = _SourceWatch()
    arrow = source if isinstance(source, pa.Table) else _watched(_reader(cursor, table, source, columns), watch)
    cursor.register(VIEW, arrow)
    try:
        yield Incoming(VIEW, match_columns(arrow.schema.names, columns))
    except duckdb.Error:
        if watch.error is not None:
            raise watch.error from None
        raise
    finally:
        # an aborted transaction refuses even this; the view dies with the cursor
        with suppress(duckdb.Error):
            cursor.unregister(VIEW)


def stage(
    cursor: duckdb.DuckDBPyConnection, io: Path, name: str, source: "ParquetFiles | pa.Table", shape: TableSchema | None
) -> StagedShape:
    """A temporary view of this cursor alone, over the files or the Arrow table."""
    if isinstance(source, ParquetFiles):
        relation = _files_relation(io, source)
    else:
        cursor.register(STAGED + name, source)
        relation = quoted(STAGED + name)
    if shape is None:
        if not relation:
            raise Rejected(f"nothing is given to be staged as {name}, and no shape that says what it would look like")
        cursor.execute(f"CREATE OR REPLACE TEMP VIEW {quoted(name)} AS SELECT * FROM {relation}")
        return StagedShape()
    seen = cursor.sql(f"SELECT * FROM {relation} LIMIT 0") if relation else None
    given = {} if seen is None else {name.lower(): (name, column_in(kind)) for name, kind in zip(seen.columns, seen.types, strict=True)}
    wanted = {field.name.lower(): field for field in shape.fields}
    columns = [_staged_column(field, given.get(key)) for key, field in wanted.items()]
    rows = f" FROM {relation}" if relation else " WHERE false"
    cursor.execute(f"CREATE OR REPLACE TEMP VIEW {quoted(name)} AS SELECT {', '.join(columns)}{rows}")
    return StagedShape(
        absent=tuple(field.name for key, field in wanted.items() if key not in given),
        unknown=tuple(name for key, (name, _) in given.items() if key not in wanted),
    )


def _staged_column(field: Field, given: tuple[str, Column] | None) -> str:
    wanted = column_of(field)
    if given is None:
        return f"CAST(NULL AS {wanted.sql}) AS {quoted(field.name)}"
    name, kind = given
    # structs are cast by the names of their fields, so these too may come and go
    return f"CAST({wanted.exactly(quoted(name), kind)} AS {wanted.sql}) AS {quoted(field.name)}"


def _files_relation(io: Path, files: ParquetFiles) -> str:
    """With the paths written out: a view takes no parameters."""
    paths = ", ".join("'" + str(inside(io, path)).replace("'", "''") + "'" for path in files.paths)
    return f"read_parquet([{paths}], union_by_name = true)" if paths else ""


def _reader(
    cursor: duckdb.DuckDBPyConnection,
    table: str,
    source: "pa.RecordBatchReader | Iterable[Mapping[str, object]]",
    columns: Mapping[str, str],
) -> pa.RecordBatchReader:
    if isinstance(source, pa.RecordBatchReader):
        return source
    schema = cursor.sql(f"SELECT * FROM {quoted(table)} LIMIT 0").to_arrow_table().schema
    return reader_of(source, schema, frozenset(name for name, kind in columns.items() if kind == "JSON"))


def _watched(reader: pa.RecordBatchReader, watch: _SourceWatch) -> pa.RecordBatchReader:
    def batches() -> Iterator[pa.RecordBatch]:
        with watch:
            yield from reader

    return pa.RecordBatchReader.from_batches(reader.schema, batches())


def _parquet(cursor: duckdb.DuckDBPyConnection, io: Path, files: ParquetFiles, columns: Mapping[str, str]) -> Incoming:
    if not files.paths:
        return Incoming("", {})
    paths = [str(inside(io, path)) for path in files.paths]
    # later files may have columns that the first has not; finding out costs reading every footer first
    relation = "read_parquet($x_files)" if len(paths) == 1 else "read_parquet($x_files, union_by_name = true)"
    values = {"x_files": paths}
    given = cursor.sql(f"SELECT * FROM {relation} LIMIT 0", params=values).columns
    return Incoming(relation, match_columns(given, columns), values)
