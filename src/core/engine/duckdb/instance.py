"""One dataset's open DuckDB file: its cursors, its catalogue, and what is known of it while it is open."""

import threading
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from src.core.base.faults import Fault, Throttled
from src.core.base.schema import TableSchema
from src.core.engine.dialect.rendering import Catalogue
from src.core.engine.dialect.rules import DIVIDE_MACRO
from src.core.engine.duckdb.faults import BROKEN, RETRY_SECONDS, fault_of, is_damage
from src.core.engine.duckdb.kept import KeptResults
from src.core.engine.duckdb.store.damage import LOST, lost_files, named_file
from src.core.engine.duckdb.store.gate import ListGate
from src.core.engine.duckdb.store.listing import FILES, RAW, READINGS, STORE, TABLES, sliced_tables, table_of
from src.core.engine.duckdb.store.reclaim import Reclaim
from src.core.engine.duckdb.store.views import make_anew, rows_view
from src.core.engine.duckdb.types import quoted
from src.core.engine.files.datasets import Damage, log_file, stamp_of

OWNER_FILE = 0o600
IO, SPILL = "io", "spill"
FENCES, FACTS = "x_fences", "x_table_facts"
HOUSEKEEPING = frozenset({FENCES, FACTS, TABLES, FILES, READINGS})
HOUSEKEEPING_TABLES = (
    f"CREATE TABLE IF NOT EXISTS {FENCES} (scope VARCHAR, generation BIGINT, run_id VARCHAR, published_at TIMESTAMPTZ)",
    f"""CREATE TABLE IF NOT EXISTS {FACTS} (
      table_name VARCHAR, partition_field VARCHAR, partition_granularity VARCHAR, cluster_fields VARCHAR[], description VARCHAR)""",
    DIVIDE_MACRO,
    *STORE,
)
SEED = f"INSERT INTO {FENCES} SELECT $scope, NULL, NULL, NULL WHERE NOT EXISTS (SELECT 1 FROM {FENCES} WHERE scope = $scope)"
COLUMNS = "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal ORDER BY table_name, column_index"
VIEWS = "SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY view_name"
# it is read again at the next opening after a crash (decision 0011)
LONGEST_LOG = 64 * 1024 * 1024


@dataclass(eq=False)
class Instance:
    """One dataset's open file. Cursors share its cache and its locks; each is used by one thread at a time."""

    folder: Path
    root: duckdb.DuckDBPyConnection
    damage: Damage
    inode: int
    users: int = 0
    broken: bool = False
    claims: dict[str, int] = field(default_factory=dict)
    views: dict[str, str] = field(default_factory=dict)
    """The text each view was made of while this instance is open, so that the same view is not made again."""
    tables: dict[str, TableSchema] = field(default_factory=dict)
    """What each table was brought to while this instance is open, so that it is not compared again before each publication."""
    kept: KeptResults = field(default_factory=KeptResults)
    gate: ListGate = field(default_factory=ListGate)
    reclaim: Reclaim = field(init=False)
    may_fold: bool = False
    """The list of raw files has changed since it was last looked at for small ones."""
    schema_lock: threading.RLock = field(default_factory=threading.RLock)
    _root_lock: threading.Lock = field(default_factory=threading.Lock)
    _catalogue: Catalogue | None = None

    def __post_init__(self) -> None:
        self.reclaim = Reclaim(self.raw, lambda files: self.damage.forget_files(self.folder, [self.raw / file for file in files]))

    @property
    def io(self) -> Path:
        return self.folder / IO

    @property
    def raw(self) -> Path:
        return self.folder / RAW

    def publishing(self) -> AbstractContextManager[None]:
        return self.gate.publishing()

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own, closed afterwards; what DuckDB refuses leaves as a fault."""
        # before it sees any list, and until it has read the last of its files
        reader = self.reclaim.opened()
        try:
            # to make a cursor is to use the root, and a connection is for one thread at a time
            with self._root_lock:
                cursor = self.root.cursor()
            try:
                yield cursor
            finally:
                cursor.close()
        except duckdb.Error as error:
            raise self.refused(error) from error
        finally:
            self.reclaim.closed(reader)

    def refused(self, error: duckdb.Error) -> Fault:
        harmed = is_damage(error, self.folder)
        # opened anew for the next caller: by then its file may be restored
        self.broken = self.broken or harmed or isinstance(error, BROKEN)
        if harmed:
            self.damage.met(self.folder)
        return (None if harmed else self._lost_rows(error)) or fault_of(error, self.folder)

    def _lost_rows(self, error: duckdb.Error) -> Fault | None:
        lost: dict[str, Fault] = {}
        met = named_file(error, self.raw)
        # what has broken the instance lets nothing be asked, and a file that may not be read is none that is lost
        with suppress(duckdb.Error, PermissionError):
            with self._root_lock:
                cursor = self.root.cursor()
            with cursor:
                lost = lost_files(cursor, self.folder, error)
                if bool(lost) != (LOST in str(error)):
                    self._make_views_anew(cursor, {table_of(file) for file in lost or [met] if file})
        for file, fault in lost.items():
            self.damage.met_file(self.folder, self.raw / file, fault)
        if not lost and met and LOST in str(error):
            return Throttled("raw rows that were lost are there again; run this again", retry_after=RETRY_SECONDS)
        return next(iter(lost.values()), None)

    def _make_views_anew(self, cursor: duckdb.DuckDBPyConnection, tables: Collection[str]) -> None:
        """With what is lost told, or without what is there again. Who publishes makes them anew himself."""
        with self.gate.alone() as alone:
            if alone and self.schema_lock.acquire(blocking=False):
                try:
                    make_anew(cursor, self.raw, [known for known in sliced_tables(cursor).values() if known.name in tables])
                finally:
                    self.schema_lock.release()

    def catalogue(self) -> Catalogue:
        with self.schema_lock:
            if self._catalogue is None:
                with self.cursor() as cursor:
                    self._catalogue = _catalogue(cursor)
            return self._catalogue

    def forget_catalogue(self) -> None:
        self._catalogue = None

    @property
    def has_its_file(self) -> bool:
        """What is written to a file that somebody has moved away, or restored another in the place of, would be lost with it."""
        stamp = stamp_of(self.folder)
        return stamp is not None and stamp[0] == self.inode

    @property
    def has_to_tidy(self) -> bool:
        return self.may_fold or self._log_is_long

    @property
    def _log_is_long(self) -> bool:
        log = log_file(self.folder)
        return log.exists() and log.stat().st_size > LONGEST_LOG

    def tidy(self) -> None:
        """Moves a long log into the file. When that cannot be done now the log stays, and nothing is lost."""
        if not self._log_is_long:
            return
        with self.cursor() as cursor, suppress(duckdb.Error):
            cursor.execute("CHECKPOINT")

    def seed(self, scope: str) -> None:
        """A fence row stands before the publication that advances it: two updates of it conflict, two inserts would not."""
        with self.schema_lock, self.kept.writing(), self.cursor() as cursor:
            cursor.execute(SEED, {"scope": scope})


def _catalogue(cursor: duckdb.DuckDBPyConnection) -> Catalogue:
    columns: dict[str, dict[str, str]] = {}
    for relation, column, kind in cursor.execute(COLUMNS).fetchall():
        columns.setdefault(relation, {})[column] = kind
    sliced = sliced_tables(cursor)
    for table in sliced:
        columns.pop(rows_view(table), None)
    for (view,) in cursor.execute(VIEWS).fetchall():
        if view in sliced or view not in columns:
            # made anew whenever they change, and never bound here: one of their files may be gone
            continue
        # the stored columns of a view are those of its creation; a view whose table is gone cannot be bound
        with suppress(duckdb.CatalogException, duckdb.BinderException):
            bound = cursor.sql(f"SELECT * FROM {quoted(view)} LIMIT 0")
            columns[view] = {name: str(kind) for name, kind in zip(bound.columns, bound.types, strict=True)}
    return Catalogue(columns, HOUSEKEEPING, {name: table.slices for name, table in sliced.items()})
