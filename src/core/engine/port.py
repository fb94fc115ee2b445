"""The warehouse port: where an organisation's cost data lives.

Every call is synchronous and may wait on disk or network; async callers go through `base.threads.blocking`.
SQL is GoogleSQL with `@name` parameters; tables are named without their dataset.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from src.core.base.faults import Fault
from src.core.base.identity import Tenant
from src.core.base.schema import TableSchema

# the service starts without Arrow; only who moves rows loads it
if TYPE_CHECKING:
    import pyarrow as pa

Scalar: TypeAlias = str | int | float | bool | Decimal | date | datetime | bytes | None
Params: TypeAlias = Mapping[str, Scalar | list[str] | list[int] | list[date]]
Row: TypeAlias = Mapping[str, object]
ExportFormat = Literal["parquet", "csv"]
ColumnKind = Literal["day", "text", "money", "exact_money", "count", "moment"]
LOAD_DAY = "load_day"


@dataclass(frozen=True, slots=True)
class Traits:
    """Facts about an engine that code written once over all engines needs."""

    dialect: str
    one_process: bool
    transactional_ddl: bool
    reads_remote: bool
    """Rows of another project's table can be staged without passing through this process."""
    keeps_files: bool
    """A table that is its slices is made of files, and keeps those that were staged for it as they came."""


@dataclass(frozen=True, slots=True)
class ParquetFiles:
    """Files in the dataset's own io folder, read by the engine itself."""

    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class RemoteRows:
    """Rows of a table of another project that is partitioned by the day rows were loaded: those of the named days.

    Staged, they have that day in one more column, LOAD_DAY.
    """

    project: str
    dataset: str
    table: str
    days: tuple[date, ...]


FileState = Literal["whole", "missing", "damaged"]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a table of raw rows, as it was found now."""

    name: str
    bytes: int
    sha256: str
    """Of the bytes that were kept."""
    state: FileState
    slices: tuple[tuple[str, str, int], ...]
    """Source, slice and rows of each that it holds rows of."""


Content: TypeAlias = "pa.Table | pa.RecordBatchReader | ParquetFiles | Iterable[Row]"


@dataclass(frozen=True, slots=True)
class TablePart:
    """The part of a table that a replacement stands for: the days of one column, both ends included, and columns that equal a value
    or one of several."""

    column: str | None = None
    start: date | None = None
    end: date | None = None
    equal: Mapping[str, str | int | date | tuple[str, ...] | tuple[date, ...]] | None = None


WHOLE_TABLE = TablePart()


@dataclass(frozen=True, slots=True)
class Fence:
    """Orders the publications of one scope (a pipeline): only a higher generation than the last published one may commit."""

    scope: str
    generation: int


@dataclass(frozen=True, slots=True)
class TableChange:
    created: bool
    columns_added: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableSize:
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class DroppedDataset:
    existed: bool
    tables: int = 0
    views: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class StagedShape:
    """How a source differs from the shape it was staged in, by its top columns."""

    absent: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class Publication(Protocol):
    """Everything one run makes visible, at once. Leaving the block commits; an exception leaves all as it was."""

    def stage(self, name: str, source: "ParquetFiles | RemoteRows | pa.Table", shape: TableSchema | None) -> StagedShape:
        """Makes a source readable in this publication's statements as the relation `name`, in the columns and types of `shape`.

        What the source lacks is NULL, what `shape` does not name is left out; without a shape it is read as it is.
        Staging a name again puts the new source in its place. Remote rows only where the engine `reaches` them.
        """
        ...

    def remove(self, table: str, part: TablePart = WHOLE_TABLE) -> int: ...

    def insert(self, table: str, sql: str, params: Params | None = None, part: TablePart = WHOLE_TABLE) -> int:
        """Appends the rows of a query, its columns matched by name; a row outside `part` is refused.

        Of a table that is its slices an engine that `keeps_files` keeps the staged files themselves, where the query only names, casts and
        computes of each row alone.
        """
        ...

    def append(self, table: str, source: Content) -> int: ...

    def replace(self, table: str, source: Content, part: TablePart = WHOLE_TABLE) -> int: ...

    def execute(self, sql: str, params: Params | None = None) -> int:
        """INSERT, UPDATE, DELETE or MERGE in GoogleSQL; the number of rows it touched."""
        ...

    def query(self, sql: str, params: Params | None = None) -> "pa.Table":
        """Sees what this publication has written so far."""
        ...


class Warehouse(Protocol):
    @property
    def traits(self) -> Traits: ...

    def check(self) -> None:
        """Raises the fault that keeps this warehouse from being used."""
        ...

    def lost_datasets(self) -> Mapping[str, Fault]:
        """Datasets that were met lost or damaged and are so still, each with what is said of it to whoever asks."""
        ...

    def ensure_dataset(self, tenant: Tenant) -> bool:
        """Whether it was made now."""
        ...

    def has_dataset(self, tenant: Tenant) -> bool: ...

    def drop_dataset(self, tenant: Tenant) -> DroppedDataset: ...

    def io_folder(self, tenant: Tenant) -> Path:
        """Where files are put for this dataset to load and where it exports to."""
        ...

    def tables(self, tenant: Tenant) -> tuple[str, ...]: ...

    def columns(self, tenant: Tenant, table: str) -> tuple[str, ...]: ...

    def ensure_table(self, tenant: Tenant, schema: TableSchema) -> TableChange:
        """Creates the table or adds what it lacks (columns, fields inside structs); never drops or narrows."""
        ...

    def ensure_view(self, tenant: Tenant, name: str, sql: str) -> None: ...

    def drop_table(self, tenant: Tenant, table: str) -> bool: ...

    def measure(self, tenant: Tenant, table: str) -> TableSize: ...

    def stored_files(self, tenant: Tenant, table: str) -> tuple[StoredFile, ...]:
        """The files that a table of raw rows is made of, each read again; none where its rows lie in no files of ours."""
        ...

    def query(self, tenant: Tenant, sql: str, params: Params | None = None) -> "pa.Table": ...

    def query_again(self, tenant: Tenant, sql: str, params: Params | None = None) -> "pa.Table":
        """As `query`, of a statement whose answer the dataset and the parameters alone make: an engine that knows that nothing was written
        since may give the same again."""
        ...

    def stream(self, tenant: Tenant, sql: str, params: Params | None = None) -> "Iterator[pa.RecordBatch]":
        """Batches in bounded memory, off one snapshot."""
        ...

    def publication(self, tenant: Tenant, run_id: str, fence: Fence) -> AbstractContextManager[Publication]: ...

    def reaches(self, tenant: Tenant, rows: RemoteRows) -> bool:
        """Whether the platform's own account may read them where they are."""
        ...

    def last_generation(self, tenant: Tenant, scope: str) -> int:
        """The generation that the scope's next publication must exceed; 0 when nothing of it was published yet."""
        ...

    def export(self, tenant: Tenant, sql: str, to: str, file_format: ExportFormat, params: Params | None = None) -> Path:
        """Writes a query's rows to a file named `to` in the dataset's io folder."""
        ...

    def close(self) -> None: ...
