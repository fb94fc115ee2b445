"""What a publication loads, as something DuckDB can select from."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from src.core.engine.duckdb.types import Column, column_in, column_of, literal, quoted
from src.core.engine.loadable import inside, match_columns
from src.core.engine.port import Content, ParquetFiles, StagedShape
from src.core.engine.values import reader_of

VIEW = "x_incoming_rows"
STAGED = "x_staged_"
COLUMNS_OF = """
SELECT file_name, CAST(list({'at': column_id, 'name': name, 'kind': duckdb_type, 'fields': num_children} ORDER BY column_id) AS VARCHAR)
FROM parquet_schema($paths) GROUP BY file_name ORDER BY file_name"""


@dataclass(frozen=True, slots=True)
class Incoming:
    """`columns` leads from each name in the source to the table's spelling of it."""

    relation: str
    columns: Mapping[str, str]
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not self.columns


@dataclass(frozen=True, slots=True)
class StagedFiles:
    """Files of one kind, and the expressions by which their columns become those of the shape."""

    casts: str
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Staged:
    shape: StagedShape
    files: tuple[StagedFiles, ...] | None = None
    """Of a source that is files, staged in a shape."""


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


def stage(cursor: duckdb.DuckDBPyConnection, io: Path, name: str, source: "ParquetFiles | pa.Table", shape: TableSchema | None) -> Staged:
    """A temporary view of this cursor alone, over the files or the Arrow table."""
    if isinstance(source, ParquetFiles):
        alike = files_alike(cursor, [inside(io, path) for path in source.paths])
        relations = [(files_relation(paths), paths) for paths in alike]
    else:
        cursor.register(STAGED + name, source)
        relations = [(quoted(STAGED + name), ())]
    if shape is None:
        if not relations:
            raise Rejected(f"nothing is given to be staged as {name}, and no shape that says what it would look like")
        rows = " UNION ALL BY NAME ".join(f"SELECT * FROM {relation}" for relation, _ in relations)
        cursor.execute(f"CREATE OR REPLACE TEMP VIEW {quoted(name)} AS {rows}")
        return Staged(StagedShape())
    wanted = {field.name.lower(): field for field in shape.fields}
    given = [_given(cursor, relation) for relation, _ in relations]
    groups = [
        StagedFiles(", ".join(_staged_column(field, held.get(key)) for key, field in wanted.items()), paths)
        for held, (_, paths) in zip(given, relations, strict=True)
    ]
    parts = [f"SELECT {group.casts} FROM {relation}" for group, (relation, _) in zip(groups, relations, strict=True)]
    nothing = f"SELECT {', '.join(_staged_column(field, None) for field in wanted.values())} WHERE false"
    cursor.execute(f"CREATE OR REPLACE TEMP VIEW {quoted(name)} AS {' UNION ALL '.join(parts) or nothing}")
    told = StagedShape(
        # of several files a column is absent that none of them has
        absent=tuple(field.name for key, field in wanted.items() if not any(key in held for held in given)),
        unknown=tuple(dict.fromkeys(name for held in given for key, (name, _) in held.items() if key not in wanted)),
    )
    return Staged(told, tuple(groups) if isinstance(source, ParquetFiles) else None)


def _given(cursor: duckdb.DuckDBPyConnection, relation: str) -> dict[str, tuple[str, Column]]:
    seen = cursor.sql(f"SELECT * FROM {relation} LIMIT 0")
    return {name.lower(): (name, column_in(kind)) for name, kind in zip(seen.columns, seen.types, strict=True)}


def _staged_column(field: Field, given: tuple[str, Column] | None) -> str:
    wanted = column_of(field)
    if given is None:
        return f"CAST(NULL AS {wanted.sql}) AS {quoted(field.name)}"
    name, kind = given
    # structs are cast by the names of their fields, so these too may come and go
    return f"CAST({wanted.exactly(quoted(name), kind)} AS {wanted.sql}) AS {quoted(field.name)}"


def files_alike(cursor: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> list[tuple[Path, ...]]:
    """Files whose columns are the same, each kind apart: what is a decimal in one and a float in another would be a float in all."""
    if not paths:
        return []
    alike: dict[str, list[Path]] = {}
    for name, columns in cursor.execute(COLUMNS_OF, {"paths": [str(path) for path in paths]}).fetchall():
        alike.setdefault(columns, []).append(Path(name))
    return [tuple(sorted(some)) for some in alike.values()]


def files_relation(paths: Sequence[Path]) -> str:
    """With the paths written out: a view takes no parameters."""
    return f"read_parquet([{', '.join(literal(str(path)) for path in paths)}])"


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
