from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from src.core.base.clock import Clock
from src.core.base.faults import Fault, Flaw, Misconfigured
from src.core.base.identity import dataset_name
from src.core.base.names import OrgSlug
from src.core.base.schema import Field, TableSchema
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.engine.files.datasets import absent, standing
from src.core.engine.files.disk_space import FULL, full_disk
from src.core.engine.files.folder import check_folder
from src.core.engine.files.hashing import sha256_of
from src.core.engine.port import ColumnKind, Row, Warehouse
from src.core.engine.process_lock import ProcessLock
from src.core.engine.reader.port import RemoteQueries, RemoteTables

if TYPE_CHECKING:
    import pyarrow as pa

# Loaded by name, so that a driver is imported only when its engine is chosen and first touched.
ADAPTERS = {"duckdb": "src.core.engine.duckdb.client", "bigquery": "src.core.engine.bq_client"}
EMBEDDED = "duckdb"
FILES = "src.core.engine.files.writers"
ROW_FILES = "src.core.engine.files.rows"
READER = "src.core.engine.reader.tables"
QUERIES = "src.core.engine.reader.queries"
MEASURE = "src.core.engine.duckdb.measuring"
STATEMENTS = "src.core.engine.dialect.statements"
LOCK = ".lock"
OWNER_ONLY = 0o700
Piece = tuple[int, Mapping[str, Sequence[Any]], Mapping[str, Any]]
"""So many rows, their columns, and values that all of them have."""
Rows: TypeAlias = "pa.Table"
"""On their way."""
Heard = Callable[["pa.Table", str], None]
"""Of rows as they were before they were a file, and of the SHA-256 of that file's bytes."""
Measure = Callable[["pa.Table"], "Sequence[Mapping[str, Any]] | None"]
"""What rows come to; None where they do not fit."""


class WarehouseAdapter(Protocol):
    def open_warehouse(self, settings: Settings, clock: Clock, home: Path, claim: ProcessLock | None) -> Warehouse: ...


class TableReader(Protocol):
    def open_tables(self, settings: Settings, credential: Secret, labels: Mapping[str, str]) -> RemoteTables: ...


class QueryReader(Protocol):
    def open_queries(self, settings: Settings, credential: Secret, labels: Mapping[str, str]) -> RemoteQueries: ...


class Files(Protocol):
    def table_of(self, columns: Mapping[str, ColumnKind], rows: Sequence[Row]) -> "pa.Table": ...
    def csv_pieces(self, schema: "pa.Schema", batches: "Iterator[pa.RecordBatch]") -> Generator[bytes, None, None]: ...
    def parquet_pieces(self, schema: "pa.Schema", batches: "Iterator[pa.RecordBatch]") -> Generator[bytes, None, None]: ...


class Statements(Protocol):
    def flaws_of(self, sql: str, tables: frozenset[str] | None = None, *, ours: bool = False) -> tuple[Flaw, ...]: ...


class RowFiles(Protocol):
    def write_rows(self, path: Path, fields: Sequence[Field], rows: Iterable[Row], heard: Heard | None = None) -> str: ...
    def write_columns(self, path: Path, fields: Sequence[Field], pieces: Iterable[Piece], heard: Heard | None = None) -> str: ...


class Measures(Protocol):
    def DuckDBMeasure(self, name: str, shape: TableSchema, sql: str) -> Measure: ...  # noqa: N802 - a class of the adapter


def claim_warehouse(settings: Settings) -> ProcessLock | None:
    """Takes the embedded warehouse for this process, at start-up and without its driver, or says which process has it.

    None where there is nothing to take: BigQuery serves many processes.
    """
    if settings.warehouse_engine != EMBEDDED:
        return None
    home = _home(settings)
    try:
        home.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
        home.chmod(OWNER_ONLY)
        return ProcessLock(home / LOCK)
    except OSError as refused:
        if refused.errno in FULL:
            raise full_disk() from refused
        raise Misconfigured(
            f"the warehouse folder cannot be used ({refused.strerror}); let EMBEDDED_DATA_DIR name a folder this user may write to"
        ) from refused


def check_embedded(settings: Settings) -> None:
    """Raises the fault that keeps the embedded warehouse from being used; for readiness, so without its driver and without opening it."""
    check_folder(_home(settings))


def standing_datasets(settings: Settings) -> tuple[str, ...]:
    """Datasets whose files lie in the embedded warehouse, whole or not; none are told of one that lies elsewhere."""
    return standing(_home(settings)) if settings.warehouse_engine == EMBEDDED else ()


def absent_datasets(settings: Settings, slugs: Iterable[OrgSlug]) -> dict[str, Fault]:
    """Of these organisations, whose dataset has no file in the embedded warehouse, with what is said of it; without opening any."""
    if settings.warehouse_engine != EMBEDDED:
        return {}
    return absent(_home(settings), (dataset_name(slug, settings.environment) for slug in slugs))


def open_warehouse(settings: Settings, clock: Clock, claim: ProcessLock | None = None) -> Warehouse:
    adapter = cast("WarehouseAdapter", import_module(ADAPTERS[settings.warehouse_engine]))
    return adapter.open_warehouse(settings, clock, _home(settings), claim or claim_warehouse(settings))


def open_tables(settings: Settings, credential: Secret, labels: Mapping[str, str]) -> RemoteTables:
    """BigQuery's tables as this service account sees them; what is asked of it is labelled so."""
    return cast("TableReader", import_module(READER)).open_tables(settings, credential, labels)


def open_queries(settings: Settings, credential: Secret, labels: Mapping[str, str]) -> RemoteQueries:
    """Queries of whatever BigQuery lets this service account read, run there and paid by its own project."""
    return cast("QueryReader", import_module(QUERIES)).open_queries(settings, credential, labels)


def load_files() -> Files:
    """Writers of Parquet and CSV."""
    return cast("Files", import_module(FILES))


def sql_flaws(sql: str, tables: frozenset[str] | None = None, *, ours: bool = False) -> tuple[Flaw, ...]:
    """What keeps a text from being GoogleSQL; `ours`, from being served by each warehouse; with `tables`, one query of these."""
    return cast("Statements", import_module(STATEMENTS)).flaws_of(sql, tables, ours=ours)


def write_rows(path: Path, fields: Sequence[Field], rows: Iterable[Row], heard: Heard | None = None) -> str:
    """As Parquet, to be staged; a row that does not fit these columns is refused. Answers a digest, one for the same rows in any order."""
    return cast("RowFiles", import_module(ROW_FILES)).write_rows(path, fields, rows, heard)


def write_columns(path: Path, fields: Sequence[Field], pieces: Iterable[Piece], heard: Heard | None = None) -> str:
    """The same of rows that come column by column; a column that is left out holds nothing."""
    return cast("RowFiles", import_module(ROW_FILES)).write_columns(path, fields, pieces, heard)


def hash_file(path: Path) -> str:
    """The SHA-256 of its bytes."""
    return sha256_of(path)


def measure_in_flight(settings: Settings, name: str, shape: TableSchema, sql: str) -> Measure | None:
    """Asks of rows on their way, in the columns and types of `shape`, what a publication asks of those it has staged as `name`.

    None where the warehouse does not keep the files that rows come in: its own conversions would be held against another engine's.
    """
    return cast("Measures", import_module(MEASURE)).DuckDBMeasure(name, shape, sql) if settings.warehouse_engine == EMBEDDED else None


def _home(settings: Settings) -> Path:
    """The embedded warehouse's own folder, or that of files on their way to BigQuery."""
    return settings.data_dir / "warehouse" if settings.warehouse_engine == EMBEDDED else settings.scratch
