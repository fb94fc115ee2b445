"""The open DuckDB files of one process: one locked-down instance per dataset, a bounded number of them open."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from src.core.base.faults import Fault, Throttled, Unavailable
from src.core.base.schema import TableSchema
from src.core.base.settings import Settings
from src.core.engine.dialect.rendering import Catalogue
from src.core.engine.dialect.rules import DIVIDE_MACRO
from src.core.engine.duckdb.faults import BROKEN, fault_of, is_damage
from src.core.engine.duckdb.kept import KeptResults
from src.core.engine.duckdb.types import quoted
from src.core.engine.files.datasets import Damage, damaged, database_file, log_file, lost, stamp_of
from src.core.engine.files.folder import refused_folder

# the oldest DuckDB that opens such a file; left to itself the driver writes for its own version and later ones
STORAGE = "v1.5.0"
OWNER_ONLY, OWNER_FILE = 0o700, 0o600
IO, SPILL = "io", "spill"
DRAFT = ".new"
FENCES, FACTS = "x_fences", "x_table_facts"
HOUSEKEEPING = frozenset({FENCES, FACTS})
HOUSEKEEPING_TABLES = (
    f"CREATE TABLE IF NOT EXISTS {FENCES} (scope VARCHAR, generation BIGINT, run_id VARCHAR, published_at TIMESTAMPTZ)",
    f"""CREATE TABLE IF NOT EXISTS {FACTS} (
      table_name VARCHAR, partition_field VARCHAR, partition_granularity VARCHAR, cluster_fields VARCHAR[], description VARCHAR)""",
    DIVIDE_MACRO,
)
MADE_HERE = f"SELECT 1 FROM duckdb_tables() WHERE table_name = '{FENCES}'"
SEED = f"INSERT INTO {FENCES} SELECT $scope, NULL, NULL, NULL WHERE NOT EXISTS (SELECT 1 FROM {FENCES} WHERE scope = $scope)"
COLUMNS = "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal ORDER BY table_name, column_index"
VIEWS = "SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY view_name"
# A commit that checkpoints leaves out the log, and is read by others before it is on disk: killed just then, what was read is gone again.
# So no commit checkpoints; it is done by itself, when the log has grown.
NEVER_BY_ITSELF = "1TB"
# it is read again at the next opening after a crash (decision 0011)
LONGEST_LOG = 64 * 1024 * 1024
BUSY_RETRY_SECONDS = 2.0


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
    schema_lock: threading.RLock = field(default_factory=threading.RLock)
    _root_lock: threading.Lock = field(default_factory=threading.Lock)
    _catalogue: Catalogue | None = None

    @property
    def io(self) -> Path:
        return self.folder / IO

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own, closed afterwards; what DuckDB refuses leaves as a fault."""
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

    def refused(self, error: duckdb.Error) -> Fault:
        harmed = is_damage(error, self.folder)
        # opened anew for the next caller: by then its file may be restored
        self.broken = self.broken or harmed or isinstance(error, BROKEN)
        if harmed:
            self.damage.met(self.folder)
        return fault_of(error, self.folder)

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
    def log_is_long(self) -> bool:
        log = log_file(self.folder)
        return log.exists() and log.stat().st_size > LONGEST_LOG

    def tidy(self) -> None:
        """Moves the log into the file. When that cannot be done now the log stays, and nothing is lost."""
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
    for (view,) in cursor.execute(VIEWS).fetchall():
        # the stored columns of a view are those of its creation; a view whose table is gone cannot be bound
        with suppress(duckdb.CatalogException, duckdb.BinderException):
            bound = cursor.sql(f"SELECT * FROM {quoted(view)} LIMIT 0")
            columns[view] = {name: str(kind) for name, kind in zip(bound.columns, bound.types, strict=True)}
    return Catalogue(columns, HOUSEKEEPING)


def open_instance(folder: Path, settings: Settings, damage: Damage, *, create: bool) -> Instance:
    if not create and not database_file(folder).exists():
        # it went between somebody's look and this opening, and must not come back empty
        raise lost(folder)
    for part in (folder, folder / IO, folder / SPILL):
        part.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
        # a folder that was there has kept the mode it was made with
        part.chmod(OWNER_ONLY)
    file = database_file(folder)
    if not file.exists():
        _create(file)
    root = _connect(file)
    try:
        if not root.execute(MADE_HERE).fetchall():
            # an empty database in the place of a dataset would be read as one that has no costs
            damage.met(folder)
            raise damaged(folder)
        # not when it is opened: DuckDB takes allowed_directories only of a database that has started
        for name, value in _locked_down(folder, settings):
            root.execute(f"SET GLOBAL {name} = $value", {"value": value})
        # at every opening: a file that an earlier release made lacks what has been added since
        _keep_house(root)
        file.chmod(OWNER_FILE)
    except (duckdb.Error, OSError, Fault):
        root.close()
        raise
    return Instance(folder=folder, root=root, damage=damage, inode=file.stat().st_ino)


def _create(file: Path) -> None:
    """Under a draft's name first: DuckDB makes a file by several writes, and one that has only some of them never opens."""
    draft = file.with_name(file.name + DRAFT)
    for left in file.parent.glob(f"{draft.name}*"):  # with what DuckDB keeps beside it, such as its log
        left.unlink()
    root = _connect(draft)
    try:
        _keep_house(root)
        root.execute("CHECKPOINT")
    finally:
        root.close()
    draft.chmod(OWNER_FILE)
    _to_disk(draft)
    draft.replace(file)
    # the new name is the folder's, which the disk writes apart from the file
    _to_disk(file.parent)


def _connect(file: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(file, config={"storage_compatibility_version": STORAGE})


def _keep_house(root: duckdb.DuckDBPyConnection) -> None:
    root.begin()
    for statement in HOUSEKEEPING_TABLES:
        root.execute(statement)
    root.commit()


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _locked_down(folder: Path, settings: Settings) -> tuple[tuple[str, object], ...]:
    """In this order: what needs access first, then access goes, then the lock. The spill folder is allowed by DuckDB itself."""
    return (
        ("allowed_directories", [f"{folder / IO}/"]),
        # else a name that is no table would be looked for among Python's variables
        ("python_enable_replacements", False),
        ("memory_limit", settings.duckdb_memory_limit),
        ("threads", settings.duckdb_threads),
        ("temp_directory", str(folder / SPILL)),
        # rows have no order but what a query asks for, and to keep one takes memory
        ("preserve_insertion_order", False),
        ("checkpoint_threshold", NEVER_BY_ITSELF),
        # a moment falls on the day it has in BigQuery, which is in UTC, wherever this machine stands
        ("TimeZone", "UTC"),
        ("autoinstall_known_extensions", False),
        ("autoload_known_extensions", False),
        ("enable_external_access", False),
        ("lock_configuration", True),
    )


class Instances:
    """A bounded LRU of open instances. One in use is never closed under its user; when all are, the next one waits."""

    def __init__(self, home: Path, settings: Settings, wait_seconds: float) -> None:
        self._home, self._settings, self._wait = home, settings, wait_seconds
        self.damage = Damage()
        self._open: OrderedDict[str, Instance] = OrderedDict()
        self._reserved: set[str] = set()  # being opened, or held by one caller alone
        self._changed = threading.Condition()
        self._closed = False

    def folder(self, dataset: str) -> Path:
        return self._home / dataset

    @property
    def opened(self) -> tuple[str, ...]:
        with self._changed:
            return tuple(self._open)

    @contextmanager
    def lease(self, dataset: str, *, create: bool = False) -> Iterator[Instance]:
        instance = self._take(dataset, create=create)
        try:
            yield instance
        finally:
            with self._changed:
                instance.users -= 1
                tidying = instance.users == 0 and not instance.broken and not self._closed and instance.log_is_long
                # counted as a user, so that nobody closes it under the thread
                instance.users += tidying
                self._changed.notify_all()
            if tidying:
                # beside what goes on: who has just published does not wait for it
                threading.Thread(target=self._tidy, args=(instance,), name=f"tidy-{dataset}").start()

    def _tidy(self, instance: Instance) -> None:
        try:
            with suppress(Fault):
                instance.tidy()
        finally:
            with self._changed:
                instance.users -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self, dataset: str) -> Iterator[Path]:
        """Its folder with nobody in it: the instance is closed, and who asks for it waits."""
        with self._changed:
            self._await(lambda: dataset not in self._reserved and self._users(dataset) == 0, f"{dataset} is in use")
            instance = self._open.pop(dataset, None)
            self._reserved.add(dataset)
        try:
            if instance:
                instance.root.close()
            yield self.folder(dataset)
        finally:
            self._release(dataset)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            # not without end: a process that stops closes what is still in use
            self._changed.wait_for(lambda: not self._reserved and all(held.users == 0 for held in self._open.values()), self._wait)
            for instance in self._open.values():
                instance.root.close()
            self._open.clear()

    def _take(self, dataset: str, *, create: bool) -> Instance:
        with self._changed:
            self._await(lambda: self._held(dataset) is not None or self._room_for(dataset), "all open datasets are busy")
            held = self._held(dataset)
            if held:
                held.users += 1
                self._open.move_to_end(dataset)
                return held
            self._reserved.add(dataset)
        # outside the lock: after a crash a long log is read again first, and other datasets need not wait for it
        instance = None
        try:
            instance = open_instance(self.folder(dataset), self._settings, self.damage, create=create)
            # before others see it: one that nobody uses may be closed
            instance.users = 1
        except duckdb.Error as error:
            if is_damage(error, self.folder(dataset)):
                self.damage.met(self.folder(dataset))
            raise fault_of(error, self.folder(dataset)) from error
        except OSError as refused:
            raise refused_folder(self.folder(dataset), refused) from refused
        finally:
            self._release(dataset, instance)
        return instance

    def _release(self, dataset: str, instance: Instance | None = None) -> None:
        with self._changed:
            if instance:
                self._open[dataset] = instance
            self._reserved.discard(dataset)
            self._changed.notify_all()

    def _await(self, ready: Callable[[], bool], busy: str) -> None:
        if not self._changed.wait_for(lambda: self._closed or ready(), self._wait):
            raise Throttled(f"{busy}; try again in a moment, or raise DUCKDB_MAX_OPEN", retry_after=BUSY_RETRY_SECONDS)
        if self._closed:
            raise Unavailable("the warehouse is closed")

    def _users(self, dataset: str) -> int:
        held = self._open.get(dataset)
        return held.users if held else 0

    def _held(self, dataset: str) -> Instance | None:
        held = self._open.get(dataset)
        return held if held and not held.broken and held.has_its_file else None

    def _room_for(self, dataset: str) -> bool:
        """Makes room when it can: closes the broken one of this name, or the least used one that nobody uses."""
        if dataset in self._reserved or self._users(dataset):
            return False
        stale = self._open.pop(dataset, None)
        if stale:
            stale.root.close()
            self.damage.closed(stale.folder)
        # those that are being opened count: each takes its share of memory as soon as it is open
        while len(self._open) + len(self._reserved) >= self._settings.duckdb_max_open:
            idle = next((name for name, held in self._open.items() if held.users == 0), None)
            if idle is None:
                return False
            self._open.pop(idle).root.close()
        return True
